"""A try of a task: it begins a run, or goes on with the one of an earlier try; without Airflow."""

from dataclasses import replace
from typing import TYPE_CHECKING

from bulkdelete import library, standing
from bulkdelete.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkdelete.airflow.chosen import Chosen
    from bulkdelete.airflow.memory import Memory
    from bulkdelete.audience import Audience
    from bulkdelete.core.report import Report


async def sent(
    inputs: "Sequence[str]", chosen: "Chosen", memory: "Memory", audience: "Audience"
) -> "Report":
    """Send a list, by the run that this task began, if it did; never by a second one."""
    noted = memory.run_dir
    if noted is None:
        return await library.run(*inputs, audience=audience, **chosen.sending())
    if not noted.is_dir():
        raise IntegrityError(
            "run_gone",
            f"an earlier try made the run {noted}, which is not there; nothing was sent now",
            "bring that disk back and clear the task; a new DAG run would begin anew",
        )
    before = await standing.status(noted, key_file=chosen.settings.key_file)
    if before.state == "planned":  # nothing of it was ever sent: it binds nobody
        return await library.run(*inputs, audience=audience, **chosen.sending())
    if before.state == "finished":  # it reached its end, and Airflow was not told
        memory.keep(noted)
        return await library.apply(noted, audience=audience, **chosen.applying())
    told = chosen.resuming() | {"settings": replace(chosen.settings, run_dir=noted)}
    return await library.run(*inputs, audience=audience, **told)
