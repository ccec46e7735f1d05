"""A DAG of one task for each way in which a try can end; the test puts places for PLACE and URL."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from bulkdelete.airflow import BulkDeleteOperator

OPTIONS = {"endpoint": "URL", "runs_dir": "PLACE/runs", "max_deletes": 5000, "yes": True}


def purge(name: str, listed: str = "", *, without: str = "", **more: object) -> BulkDeleteOperator:
    """Make a task that deletes PLACE/<listed>.csv."""
    options = {key: value for key, value in (OPTIONS | more).items() if key != without}
    return BulkDeleteOperator(
        task_id=name,
        inputs=f"PLACE/{listed or name}.csv",
        options=options,
        **ARGUMENTS.get(name, {}),
    )


ARGUMENTS: dict[str, dict[str, Any]] = {
    "stranger": {"clevertap_conn_id": "clevertap_stranger"},
    "timed": {"execution_timeout": timedelta(seconds=1)},
}

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
