"""A DAG of one task for each way in which a try can end; the test puts places for PLACE and URL."""

from datetime import timedelta
from typing import Any, NoReturn

from airflow.sdk import DAG

from bulkdelete.airflow import (
    BulkDeleteApplyOperator,
    BulkDeleteOperator,
    BulkDeletePlanOperator,
)
from bulkdelete.airflow.rules import Counts

OPTIONS = {"endpoint": "URL", "runs_dir": "PLACE/runs", "max_deletes": 5000, "yes": True}


class Mistaken(BulkDeleteOperator):
    """Has a bug, whose message holds an ID."""

    async def work(self, *_: object) -> NoReturn:
        """Fail as no one foresaw."""
        raise KeyError("mistaken-00007")


class Forgetful(BulkDeleteOperator):
    """Runs where Airflow cannot keep the first thing that it is told."""

    def execute(self, context: dict[str, Any]) -> Counts:
        """Break Airflow's store during the first try."""
        if context["ti"].try_number > 1:
            return super().execute(context)

        class Broken:
            def get(self, _: str) -> None:
                """Remember nothing."""

            def set(self, *_: str) -> None:
                raise OSError("the API server is gone")

        return super().execute({**context, "task_state_store": Broken()})


KINDS = {"mistaken": Mistaken, "forgetful": Forgetful}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "stranger": {"clevertap_conn_id": "clevertap_stranger"},
    "mistaken": {"retries": 0},
    "timed": {"execution_timeout": timedelta(seconds=1)},
}


def purge(name: str, listed: str = "", *, without: str = "", **more: object) -> BulkDeleteOperator:
    """Make a task that deletes PLACE/<listed>.csv."""
    options = {key: value for key, value in (OPTIONS | more).items() if key != without}
    return KINDS.get(name, BulkDeleteOperator)(
        task_id=name,
        inputs=f"PLACE/{listed or name}.csv",
        options=options,
        **ARGUMENTS.get(name, {}),
    )


with DAG("outcomes", schedule=None, default_args={"retries": 30, "retry_delay": timedelta(0)}):
    purge("held", hold_after=100) >> purge("repeated", "held")
    purge("timed", rate=5)
    purge("too_many", max_deletes=10)
    purge("unapproved", without="yes")
    purge("text_for_yes", yes="{{ 'False' }}")
    purge("refused")
    purge("missing")
    purge("empty")
    purge("dry", dry_run=True)
    purge("damaged")
    purge("stranger")
    purge("mistaken")
    purge("forgetful")
    plan = BulkDeletePlanOperator(
        task_id="planned",
        inputs="PLACE/planned.csv",
        options={"endpoint": "URL", "runs_dir": "PLACE/runs"},
    )
    plan >> BulkDeleteApplyOperator(
        task_id="other_digest",
        run_dir="{{ ti.xcom_pull('planned', key='run_dir') }}",
        options={"approve": "0123456789ab", "max_deletes": 5000},
    )
