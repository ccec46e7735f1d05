"""What can stop the program, grouped by what the caller does next.

```
BulkdeleteError            exit  what to do
├── UsageError              2    correct the command, the settings or the input; nothing was sent
│   └── InputError          2    the same, with the place in the input (file and line)
├── GuardError              4    a guard refused or stopped it: look, decide, say so
├── ServerError             5    the server refused us or is not the API: credentials, region, TLS
├── IntegrityError          6    input changed or the checkpoint is not whole: nothing was sent
├── BusyError               7    another process holds this run
├── Stopped                75    stopped before the end: run the same command again
└── Interrupted       130/143/129 a signal: drained, run the same command again
```

Each carries `code` (stable, for programs), a one-sentence message and a `hint`: what to run next.
Expected failures of single requests are values (`core.model.Verdict`), not exceptions.
"""

from typing import Any, ClassVar


class BulkdeleteError(Exception):
    """Base of all: `code` is stable, `str(error)` is one sentence, `hint` says what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """Come whole from one process to another."""
        return _again, (type(self), self.args, self.__dict__)

    @property
    def exit(self) -> int:
        """The process's exit code."""
        return self.exit_code


def _again(
    kind: type[BulkdeleteError], args: tuple[str, ...], said: dict[str, Any]
) -> BulkdeleteError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(said)
    return error


class UsageError(BulkdeleteError):
    """The command, the settings or the input cannot be used; nothing was sent."""

    exit_code = 2


class InputError(UsageError):
    """The input cannot be used: `where` is the file (and line) at fault."""

    def __init__(self, code: str, message: str, hint: str = "", *, where: str = "") -> None:
        super().__init__(code, f"{where}: {message}" if where else message, hint)
        self.where = where


class GuardError(BulkdeleteError):
    """A guard refused or stopped the run."""

    exit_code = 4


class ServerError(BulkdeleteError):
    """The server refused us, or what answered is not the API."""

    exit_code = 5


class IntegrityError(BulkdeleteError):
    """Input changed, or the checkpoint is corrupt, missing or of another run."""

    exit_code = 6


class BusyError(BulkdeleteError):
    """Another process holds this run."""

    exit_code = 7


class Stopped(BulkdeleteError):  # noqa: N818 - not an error: the run goes on when asked again
    """Stopped before the end, resumable."""

    exit_code = 75


class Interrupted(BulkdeleteError):  # noqa: N818 - a signal, not an error
    """Stopped by a signal, drained, resumable."""

    def __init__(self, signal_number: int, message: str, hint: str = "") -> None:
        super().__init__("interrupted", message, hint)
        self.signal_number = signal_number

    @property
    def exit(self) -> int:
        """128 plus the signal's number, as a shell would report it."""
        return 128 + self.signal_number
