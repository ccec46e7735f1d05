"""The commands, and what is said of a command line that cannot be read."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from cyclopts import (
    App,
    CycloptsError,
    MissingArgumentError,
    Parameter,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from bulkdelete.version import __version__

_HELP = """Delete user profiles in bulk through CleverTap's API: checked, checkpointed, resumable.

Pull the plug at any instant: no ID is lost, none is invented, no protected ID is touched.
"""

_COMMANDS = {
    "inspect": "Look at a list: dialect, columns, what the IDs look like, what to say.",
    "plan": "Read and check a list, count it, and write a run directory. Sends nothing.",
    "run": "Plan, ask for approval, send, report. The same command again resumes.",
    "fleet": "Run many jobs side by side: one approval, one report. Resumes, too.",
    "approve": "Put a second person's signature on a plan.",
    "apply": "Send (or resume) a plan that was made earlier.",
    "status": "Show what is known of one run, or a table of all runs.",
    "report": "Write reports and outcome files of a run; tell what happened to one ID.",
    "verify": "Later, by sample or in full: are the profiles gone?",
    "audit": "Check checksums, chain, seal and digests of a run.",
    "doctor": "Check settings, credentials, disk, clock and host, without deleting.",
    "emulator": "Run a stateful look-alike of the API on loopback.",
    "demo": "Show the whole story on the emulator: faults, a kill, a resume, the proof.",
}

_LIVE = {
    "tune": "Change how many requests may be in flight, and how many start a second.",
    "pause": "Start no new request until unpause; those in flight finish.",
    "unpause": "Go on after pause.",
    "stop": "End it in order, resumable.",
}


def build() -> App:
    """Make the app; a command's module is imported when the command is used."""
    app = App(
        name="bulkdelete",
        help=_HELP,
        version=__version__,
        help_format="plaintext",
        default_parameter=Parameter(negative=(), show_default=False),
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
    )
    for name, text in _COMMANDS.items():
        app.command(f"bulkdelete.cli.{name}:{name}", name=name, help=text)
    live = App(name="live", help="Steer a run that goes on: tune, pause, unpause, stop.")
    for name, text in _LIVE.items():
        live.command(f"bulkdelete.cli.live:{name}", name=name, help=text)
    app.command(live)
    return app


def run(words: Sequence[str]) -> int:
    """Find the command, run it, and return its exit code."""
    if words and words[0] in {*_COMMANDS, "live"}:
        with unseen("rich"):
            import structlog as _  # noqa: F401 - before anything else does
    try:
        code = build()(words)
    except CycloptsError as error:
        command = " ".join(("bulkdelete", *(error.command_chain or ()), "--help"))
        sys.stderr.write(f"bulkdelete: {_without_values(error)}\n  next: {command}\n")
        return 2
    return code if isinstance(code, int) else 0


@contextmanager
def unseen(package: str) -> Iterator[None]:
    """Let a package look as if it were not installed, unless it is loaded already.

    structlog loads Rich where it can, for tracebacks in colour, of which none is printed here:
    30 ms of each start, and 3 MB for as long as a run lasts.
    """
    modules: dict[str, Any] = sys.modules
    hidden = package not in modules
    if hidden:
        modules[package] = None
    try:
        yield
    finally:
        if hidden:
            del modules[package]


def _nearest(word: str, known: Sequence[str]) -> str:
    """Return a question about the known word that is spelled most alike, if one is."""
    return "".join(f"; did you mean {one}?" for one in get_close_matches(word, known, n=1))


def _without_values(error: CycloptsError) -> str:
    """Name an unknown flag without what was given to it: that might be a secret."""
    if isinstance(error, UnknownOptionError):
        flag = (error.token.keyword or error.token.value).partition("=")[0]
        flag = flag if flag.startswith("--") else flag[:2]
        known = [name for argument in error.argument_collection for name in argument.names]
        return f"there is no flag {flag}{_nearest(flag, known)}"
    if isinstance(error, UnknownCommandError):
        word = next(iter(error.unused_tokens or ()), "")
        known = [*_COMMANDS, *_LIVE, "live"]
        return f"there is no command of that name{_nearest(word, known)}"
    if isinstance(error, UnusedCliTokensError):
        count = len(error.unused_tokens or ())
        return f"the last {count} words are too many" if count > 1 else "the last word is too many"
    if isinstance(error, MissingArgumentError):
        return str(error).splitlines()[0]
    kind = type(error).__name__.removesuffix("Error")
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in kind).strip()
    return f"the command line cannot be read ({words})"
