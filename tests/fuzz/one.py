"""One input into one parser, or with `--fuzz` all that the fuzzer thinks of."""

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


def fuzz(name: str, words: list[str]) -> None:
    """Let libFuzzer think of inputs; the program's own code tells it what it reaches."""
    import atheris  # noqa: PLC0415 - in an environment of its own

    with atheris.instrument_imports(include=["bulkdelete"]):
        from tests.fuzz.parsers import PARSERS  # noqa: PLC0415 - so that it is instrumented
    check = PARSERS[name]
    atheris.Setup([sys.argv[0], *words], lambda data: held(check, data))
    atheris.Fuzz()


def main() -> None:
    """Look at a file, or fuzz."""
    name, first, *rest = sys.argv[1:]
    if first == "--fuzz":
        fuzz(name, rest)
        return
    from tests.fuzz.parsers import PARSERS  # noqa: PLC0415 - as above

    held(PARSERS[name], Path(first).read_bytes())


if __name__ == "__main__":
    main()
