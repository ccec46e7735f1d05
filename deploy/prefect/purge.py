"""A Prefect flow that deletes the profiles of a list; `python purge.py` runs it each night.

The passcode is a Secret block of Prefect's: `clevertap-passcode`. It is read inside the task, and
is no parameter: Prefect keeps parameters, and shows them.
"""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from prefect import State, flow, task
from prefect.blocks.system import Secret
from prefect.client.schemas.objects import TaskRun
from prefect.runtime import task_run
from prefect.tasks import Task

import bulkdelete

RESUMABLE = (bulkdelete.Stopped, bulkdelete.Interrupted, bulkdelete.BusyError)


async def resumable(_task: Task, _run: TaskRun, state: State) -> bool:
    """Retry what goes on where it stopped; what was refused waits for a person."""
    return isinstance(await state.aresult(raise_on_failure=False), RESUMABLE)


@contextmanager
def draining() -> Iterator[None]:
    """Take SIGTERM, by which Prefect cancels, as a cancellation: the library lets it drain."""
    loop, mine = asyncio.get_running_loop(), asyncio.current_task()
    before = signal.getsignal(signal.SIGTERM)
    loop.add_signal_handler(signal.SIGTERM, mine.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)


@task(retries=5, retry_delay_seconds=900, retry_condition_fn=resumable, persist_result=False)
async def send(path: str, region: str) -> dict[str, int]:
    """Plan, send, or go on with what an earlier try or an earlier night left; return counts."""
    secret = await Secret.aload("clevertap-passcode")
    with draining():
        report = await bulkdelete.run(
            path,
            region=region,
            credentials=bulkdelete.Credentials("XXX-XXX-XXXX", secret.get()),
            id_type="identity",
            protect=["/srv/purge/protect.txt"],
            max_list_age="24h",
            max_deletes=50_000,
            yes=True,
            runs_dir="/srv/purge/runs",  # on a disk that every worker sees
            must_resume=task_run.run_count > 1,  # a retry begins nothing
        )
    if report.exit_code:
        raise RuntimeError(f"not all were accepted: look at rejected.csv in {report.run_dir}")
    return report.ids


@flow
async def purge(path: str = "/srv/purge/list.csv", region: str = "eu1") -> dict[str, int]:
    """Delete the profiles of a list."""
    return await send(path, region)


if __name__ == "__main__":
    purge.serve(name="nightly", cron="30 1 * * *")
