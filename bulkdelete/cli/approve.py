"""`bulkdelete approve`: a second person's signature on a plan."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import OutputFlags

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console

_OUT = OutputFlags()


def approve(
    run_dir: Annotated[Path, Parameter(help="The run directory that plan made.")],
    /,
    *,
    sign: Annotated[
        Path | None, Parameter(help="Private SSH key (or the public one of an agent's).")
    ] = None,
    add: Annotated[
        Path | None, Parameter(help="Add a signature that was made elsewhere, by this file.")
    ] = None,
    output: OutputFlags = _OUT,
) -> int:
    """Show a plan, and put a signature on it. Sends nothing."""

    async def body(console: "Console") -> int:
        from bulkdelete import reporting
        from bulkdelete.cli.console import plan_lines
        from bulkdelete.errors import UsageError
        from bulkdelete.io import signing
        from bulkdelete.io.rundir import RunDir

        run = RunDir(run_dir)
        run.check()
        plan = run.plan()
        progress, reader = run.progress(plan)
        for line in plan_lines(plan, None, 3):
            console.note(line)
        if plan.draft:
            raise UsageError("draft", "this plan is a draft, and cannot be approved")
        text = plan.to_sign()
        if sign is None and add is None:
            console.result(text.decode().rstrip("\n"))
            console.note(f"  next: bulkdelete approve {run_dir} --sign KEY")
        else:
            made = signing.sign(text, sign) if sign else add.read_bytes() if add else b""
            place = run.add_signature(made)
            console.result(f"signed {plan.digest}: {place}")
            console.note(f"  next: bulkdelete apply {run_dir}")
        console.object(reporting.summary(run, plan, progress, head=reader.head))
        return 0

    return execute(output, body)
