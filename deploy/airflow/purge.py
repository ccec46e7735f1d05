"""Each night: delete the profiles of a list. Two days later: see whether they are gone."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from bulkdelete.airflow import BulkDeleteOperator, BulkDeleteVerifySensor

with DAG(
    "purge",
    schedule="30 1 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 5, "retry_delay": timedelta(minutes=15)},
):
    purge = BulkDeleteOperator(
        task_id="purge",
        inputs="/srv/purge/list.csv",
        options={
            "id_type": "identity",
            "protect": ["/srv/purge/protect.txt"],
            "max_list_age": "24h",
            "max_deletes": 50_000,
            "yes": True,
            "runs_dir": "/srv/purge/runs",
        },
        max_active_tis_per_dag=1,
    )
    gone = BulkDeleteVerifySensor(
        task_id="gone",
        run_dir="{{ ti.xcom_pull('purge', key='run_dir') }}",
    )
    purge >> gone
