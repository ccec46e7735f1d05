"""Plan by schedule; send what somebody read and approved: exactly that plan, by its digest."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param

from bulkdelete.airflow import BulkDeleteApplyOperator, BulkDeletePlanOperator

with DAG(
    "purge_plan", schedule="@weekly", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False
):
    BulkDeletePlanOperator(
        task_id="plan",
        inputs="/srv/purge/list.csv",
        options={
            "id_type": "identity",
            "protect": ["/srv/purge/protect.txt"],
            "runs_dir": "/srv/purge/runs",
        },
    )

with DAG(
    "purge_apply",
    schedule=None,
    default_args={"retries": 5, "retry_delay": timedelta(minutes=15)},
    params={
        "run_dir": Param(type="string", description="the run's directory, from the plan's log"),
        "digest": Param(type="string", minLength=12, description="of the plan that you read"),
    },
):
    BulkDeleteApplyOperator(
        task_id="apply",
        run_dir="{{ params.run_dir }}",
        options={"approve": "{{ params.digest }}", "max_deletes": 50_000},
    )
