"""One input into one parser, or with `--fuzz SECONDS` all that the fuzzer thinks of.

The seconds are of CPU: beside other work it lasts longer, and looks at as much.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

LONGEST = 1.0
"""Seconds of CPU that an input may take."""


def held(check: Callable[[bytes], None], data: bytes) -> None:
    """Check an input, and that it does not take too long."""
    began = time.thread_time()
    check(data)
    took = time.thread_time() - began
    if took > LONGEST:
        raise AssertionError(f"{len(data)} bytes took {took:.2f} s of CPU")


def fuzz(name: str, seconds: float, words: list[str]) -> None:
    """Let libFuzzer think of inputs; the program's own code tells it what it reaches."""
    import atheris  # noqa: PLC0415 - in an environment of its own

    with atheris.instrument_imports(include=["bulkdelete"]):
        from tests.fuzz.parsers import PARSERS  # noqa: PLC0415 - so that it is instrumented
    check = PARSERS[name]
    end = time.process_time() + seconds

    def look(data: bytes) -> None:
        held(check, data)
        if time.process_time() > end:
            os.kill(os.getpid(), signal.SIGUSR1)  # libFuzzer ends in order, with its figures

    atheris.Setup([sys.argv[0], *words], look)
    atheris.Fuzz()


def main() -> None:
    """Look at a file, or fuzz."""
    name, first, *rest = sys.argv[1:]
    if first == "--fuzz":
        fuzz(name, float(rest[0]), rest[1:])
        return
    from tests.fuzz.parsers import PARSERS  # noqa: PLC0415 - as above

    held(PARSERS[name], Path(first).read_bytes())


if __name__ == "__main__":
    main()
