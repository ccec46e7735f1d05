"""A Dagster asset, job and schedule that delete the profiles of a list.

The passcode comes from the environment variable CLEVERTAP_PASSCODE, as a resource: Dagster shows
the variable's name, and not what is in it.
"""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

import bulkdelete

RESUMABLE = (bulkdelete.Stopped, bulkdelete.Interrupted, bulkdelete.BusyError)


class CleverTap(dg.ConfigurableResource):
    """An account."""

    account: str
    passcode: str
    region: str


@contextmanager
def draining() -> Iterator[None]:
    """Take the signals by which Dagster terminates as a cancellation: the library lets it drain."""
    loop, mine = asyncio.get_running_loop(), asyncio.current_task()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        loop.add_signal_handler(number, mine.cancel)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


async def drained(work: Coroutine[Any, Any, bulkdelete.Report]) -> bulkdelete.Report:
    """Await it; terminated, let what is in flight end on record."""
    with draining():
        return await work


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=5, delay=900))
def purged(context: dg.AssetExecutionContext, clevertap: CleverTap) -> dg.MaterializeResult:
    """Plan, send, or go on with what an earlier try or an earlier night left; keep counts."""
    sending = bulkdelete.run(
        "/srv/purge/list.csv",
        region=clevertap.region,
        credentials=bulkdelete.Credentials(clevertap.account, clevertap.passcode),
        id_type="identity",
        protect=["/srv/purge/protect.txt"],
        max_list_age="24h",
        max_deletes=50_000,
        yes=True,
        runs_dir="/srv/purge/runs",  # on a disk that every worker sees
        must_resume=context.retry_number > 0,  # a retry begins nothing
    )
    try:
        report = asyncio.run(drained(sending))
    except asyncio.CancelledError:
        words = "terminated: what was in flight is on record, and the next run goes on"
        raise dg.Failure(words, allow_retries=False) from None
    except bulkdelete.BulkdeleteError as error:
        raise dg.Failure(
            f"{error.code}: {error} (next: {error.hint})",
            allow_retries=isinstance(error, RESUMABLE),
        ) from None
    if report.exit_code:
        words = f"not all were accepted: look at rejected.csv in {report.run_dir}"
        raise dg.Failure(words, allow_retries=False)
    return dg.MaterializeResult(metadata={**report.ids})


purge = dg.define_asset_job("purge", selection=[purged])

defs = dg.Definitions(
    assets=[purged],
    jobs=[purge],
    schedules=[dg.ScheduleDefinition(job=purge, cron_schedule="30 1 * * *")],
    resources={
        "clevertap": CleverTap(
            account="XXX-XXX-XXXX", passcode=dg.EnvVar("CLEVERTAP_PASSCODE"), region="eu1"
        )
    },
)
