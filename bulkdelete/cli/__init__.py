"""The command line: argv, environment and TOML in, exit code out. Imports happen where needed."""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

STDIN_PATH = "/dev/stdin"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    if os.getpid() == 1:
        hear_signals()
    # What is imported is no garbage, and each look for some walks through all of it.
    gc.set_threshold(50_000, 20, 20)
    from bulkdelete.cli import commands  # takes a while: signals are heard by then

    words = list(sys.argv[1:] if argv is None else argv)
    # A lone dash is standard input; the parser would take it for a flag.
    sys.exit(commands.run([STDIN_PATH if word == "-" else word for word in words]))


def hear_signals() -> None:
    """End at a signal, until there is more to it.

    Any other process does so by itself. From process 1 of a container the kernel keeps the signals
    that it has no handler for, so one that came early would be lost.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)


def _end(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)
