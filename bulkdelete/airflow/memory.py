"""What a task remembers from one try to the next: where its run is; without Airflow."""

from pathlib import Path
from typing import Any, Protocol

KEY = "bulkdelete_run_dir"


class Store(Protocol):
    """Airflow's store of a task's state, which outlives a try."""

    def get(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return a value, None when there is none."""

    def set(self, key: str, value: str) -> None:
        """Keep a value."""


class Task(Protocol):
    """What is used of a task instance."""

    def xcom_push(self, key: str, value: str) -> None:
        """Show a value to later tasks."""


class Memory:
    """The run of this task, of this DAG run."""

    def __init__(self, store: Store, task: Task) -> None:
        self._store = store
        self._task = task

    @property
    def run_dir(self) -> Path | None:
        """The run that an earlier try began, None when none did."""
        found = self._store.get(KEY)
        return None if found is None else Path(str(found))

    def keep(self, run_dir: Path) -> None:
        """Remember a run; later tasks find it as `run_dir` of this one."""
        self._store.set(KEY, str(run_dir.absolute()))
        self._task.xcom_push("run_dir", str(run_dir.absolute()))
