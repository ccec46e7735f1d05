"""`bulkdelete live`: say something to a run that goes on in another process."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import OutputFlags
from bulkdelete.core.live import Pause, Stop, Tune, Unpause

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console
    from bulkdelete.core.live import Answer, Command

_OUT = OutputFlags()
_RunDir = Annotated[Path, Parameter(help="The run's directory.")]


def tune(
    run_dir: _RunDir,
    /,
    *,
    max_in_flight: Annotated[
        str | None, Parameter(help="Requests in flight at most, from now on.")
    ] = None,
    rate: Annotated[
        str | None, Parameter(help="Requests started per second at most; none: any number.")
    ] = None,
    output: OutputFlags = _OUT,
) -> int:
    """Change how many requests may be in flight, and how many start a second."""

    async def body(console: "Console") -> int:
        return await _say(console, run_dir, _tuned(max_in_flight, rate))

    return execute(output, body)


def pause(run_dir: _RunDir, /, *, output: OutputFlags = _OUT) -> int:
    """Start no new request until `live unpause`; those in flight finish."""
    return execute(output, lambda console: _say(console, run_dir, Pause()))


def unpause(run_dir: _RunDir, /, *, output: OutputFlags = _OUT) -> int:
    """Go on after `live pause`."""
    return execute(output, lambda console: _say(console, run_dir, Unpause()))


def stop(run_dir: _RunDir, /, *, output: OutputFlags = _OUT) -> int:
    """End the run in order, resumable (75): those in flight finish, nothing new starts."""
    return execute(output, lambda console: _say(console, run_dir, Stop()))


def _tuned(max_in_flight: str | None, rate: str | None) -> Tune:
    from bulkdelete.errors import UsageError
    from bulkdelete.settings import checked

    if max_in_flight is None and rate is None:
        raise UsageError("nothing_to_tune", "give --max-in-flight, --rate or both")
    number = None if max_in_flight is None else checked("max_in_flight", max_in_flight)
    if rate is None:
        return Tune(max_in_flight=number)
    return Tune(max_in_flight=number, rate=0.0 if rate == "none" else checked("rate", rate))


async def _say(console: "Console", run_dir: Path, command: "Command") -> int:
    from bulkdelete.core import live as words
    from bulkdelete.errors import UsageError
    from bulkdelete.io import live

    found = words.answer(await live.ask(run_dir, words.encode(command)))
    if not found.ok:
        raise UsageError("live", found.error)
    console.object(found)
    console.result(_line(found))
    return 0


def _line(found: "Answer") -> str:
    pace = f"{found.rate:g} starts a second at most" if found.rate else "no rate"
    return f"{found.state}: {found.in_flight} in flight of {found.max_in_flight} at most, {pace}"
