"""`bulkdelete fleet`: many jobs side by side; the same command again resumes them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import GUARDS, RUNS, SENDING, AcceptFlags, OutputFlags
from bulkdelete.core.cluster import LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.carrying import Carriage
    from bulkdelete.cli.console import Console
    from bulkdelete.mustering import Order


_MOST_WORKERS = 64

_ACCEPT, _OUT = AcceptFlags(), OutputFlags()


def fleet(  # noqa: PLR0913 - its flags
    file: Annotated[Path, Parameter(help="TOML: [defaults], and a [[job]] for each job.")],
    /,
    *,
    jobs: Annotated[
        str, Parameter(group=SENDING, help="Jobs that send at the same time, at most (8).")
    ] = "8",
    yes: Annotated[
        bool, Parameter(group=GUARDS, help="Ask nothing; each job needs its max-deletes.")
    ] = False,
    approve: Annotated[
        str | None,
        Parameter(group=GUARDS, help="Approve exactly this fleet: digest, or its first 12 hex."),
    ] = None,
    renew: Annotated[
        bool, Parameter(group=GUARDS, help="Approve again plans whose time to live is over.")
    ] = False,
    max_deletes: Annotated[
        str | None,
        Parameter(group=GUARDS, help="Refuse more IDs than this in all jobs together."),
    ] = None,
    endpoint: Annotated[
        tuple[str, ...],
        Parameter(
            group=GUARDS, help="A base URL outside the regions that jobs may name (repeatable)."
        ),
    ] = (),
    accept: AcceptFlags = _ACCEPT,
    again: Annotated[
        bool, Parameter(help="Make new runs of lists that were finished before.")
    ] = False,
    abandon: Annotated[
        bool, Parameter(help="Give up the unfinished jobs and start afresh.")
    ] = False,
    must_resume: Annotated[
        bool, Parameter(help="Refuse (6) when a job has no earlier run to resume.")
    ] = False,
    dask: Annotated[
        str | None,
        Parameter(
            group=SENDING, help="Have a Dask cluster send: tcp://HOST:PORT, tls://..., or local."
        ),
    ] = None,
    dask_workers: Annotated[
        str, Parameter(group=SENDING, help="Processes of a local one (2).")
    ] = "2",
    dry_run: Annotated[bool, Parameter(help="Plan and guard all, and print the digest.")] = False,
    runs_dir: Annotated[
        str | None, Parameter(group=RUNS, help="Where the fleet's directory is made.")
    ] = None,
    output: OutputFlags = _OUT,
) -> int:
    """Run many jobs side by side: one approval, one report. The same command again resumes."""

    async def body(console: "Console") -> int:
        from bulkdelete.approving import Consent
        from bulkdelete.cli.common import accepted
        from bulkdelete.mustering import Order
        from bulkdelete.options import meant
        from bulkdelete.settings import checked

        def order() -> Order:
            ceiling = None if max_deletes is None else checked("max_deletes", max_deletes)
            return Order(
                consent=Consent(yes=yes, approve=approve, renew=renew),
                meant=meant(accepted(accept)),
                max_deletes=ceiling,
                endpoints=endpoint,
                again=again,
                abandon=abandon,
                must_resume=must_resume,
                dry_run=dry_run,
                elsewhere=dask not in {None, LOCAL},
            )

        return await _run(console, file, order, (jobs, dask, dask_workers), runs_dir, output)

    return execute(output, body)


async def _run(
    console: "Console",
    file: Path,
    order: "Callable[[], Order]",
    how: tuple[str, str | None, str],
    runs_dir: str | None,
    output: OutputFlags,
) -> int:
    from bulkdelete import fleet
    from bulkdelete.carrying import Here
    from bulkdelete.cli import fleet_words as words
    from bulkdelete.errors import BulkdeleteError

    console.logging()
    jobs, dask, workers = how
    try:
        found = await fleet.run(
            file,
            order(),
            fleet.Company(
                tell=words.Teller(console).tell,
                watch=words.Display(console).watch,
                ask=words.ask,
                signals=True,
                carriage=Here() if dask is None else _haulage(dask, workers),
                ready=lambda ready: words.show_plans(console, ready),
            ),
            os.environ,
            at_once=words.at_once(jobs, output.profile),
            runs_dir=runs_dir,
        )
    except BulkdeleteError as error:
        console.failure(error)
        console.object(words.refusal(file, error))
        return error.exit
    return words.show(console, found)


def _haulage(dask: str, workers: str) -> "Carriage":
    from bulkdelete.core.cluster import Address
    from bulkdelete.errors import UsageError
    from bulkdelete.haulage import Haulage

    try:
        address = Address.parse(dask)
    except ValueError as error:
        raise UsageError("bad_value", f"--dask: {error}") from error
    if not workers.isdecimal() or not 1 <= int(workers) <= _MOST_WORKERS:
        raise UsageError("bad_value", f"--dask-workers: 1 to {_MOST_WORKERS} is allowed")
    return Haulage(address, int(workers), os.environ)
