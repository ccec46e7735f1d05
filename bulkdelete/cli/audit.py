"""`bulkdelete audit`: do the files of a run fit together, to the last bit? Offline."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import OutputFlags

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console

_OUT = OutputFlags()


def audit(
    run_dir: Annotated[Path, Parameter(help="The run directory.")],
    /,
    *,
    head: Annotated[
        str | None, Parameter(help="The chain head that was noted elsewhere, to compare with.")
    ] = None,
    key_file: Annotated[Path | None, Parameter(help="Where the run's key is.")] = None,
    output: OutputFlags = _OUT,
) -> int:
    """Check checksums, chain, seal and digests of a run. Exits 6 when something does not fit."""

    async def body(console: "Console") -> int:
        from bulkdelete import auditing
        from bulkdelete.io.rundir import RunDir

        found = auditing.audit(RunDir(run_dir, key_file), head)
        console.object(found)
        for check in found.checks:
            console.result(f"{'ok  ' if check.ok else 'FAIL'}  {check.what}")
        console.result(f"chain head {found.chain_head}")
        return 0 if found.ok else 6

    return execute(output, body)
