"""`bulkdelete audit`: do the files of a run fit together, to the last bit? Offline."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import OutputFlags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkdelete.cli.console import Console
    from bulkdelete.findings import Audit

_OUT = OutputFlags()
_WIDTH = 80
_MARKS = {True: "ok", False: "NOT OK", None: "not checked"}


def audit(
    run_dir: Annotated[Path, Parameter(help="The run directory.")],
    /,
    *,
    head: Annotated[
        str | None, Parameter(help="The chain head that was noted elsewhere, to compare with.")
    ] = None,
    input: Annotated[  # noqa: A002 - the flag's name
        tuple[str, ...], Parameter(help="Where the input is now, if it moved.")
    ] = (),
    key_file: Annotated[Path | None, Parameter(help="Where the run's key is.")] = None,
    output: OutputFlags = _OUT,
) -> int:
    """Check checksums, chain, seal and digests of a run. Exits 6 when something does not fit."""

    async def body(console: "Console") -> int:
        from bulkdelete import auditing
        from bulkdelete.intake import parts_of
        from bulkdelete.io.rundir import RunDir

        run = RunDir(run_dir, key_file)
        found = await auditing.audit(run, partial(parts_of, run, moved=input), head)
        console.object(found)
        for line in _lines(found):
            console.result(line)
        return 0 if found.ok else 6

    return execute(output, body)


def _lines(found: "Audit") -> "Iterator[str]":
    """Yield the findings for a person, then what they mean."""
    from textwrap import wrap

    for check in found.checks:
        first = f"{_MARKS[check.ok]:<12} {check.what:<15} "
        yield from wrap(
            check.why,
            _WIDTH,
            initial_indent=first,
            subsequent_indent=" " * len(first),
            break_long_words=False,
            break_on_hyphens=False,
        )
    yield ""
    yield f"chain head {found.chain_head or 'unknown'}"
    yield from wrap(f"This proves {found.proves}.", _WIDTH)
    yield from wrap(f"It does not prove {found.does_not_prove}.", _WIDTH)
    wrong = sum(check.ok is False for check in found.checks)
    yield f"{wrong} of {len(found.checks)} NOT OK" if wrong else "all that was checked is ok"
