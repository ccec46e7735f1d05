"""An Airflow connection, as far as it is read, without Airflow."""

from dataclasses import dataclass, field
from typing import Any

from tests.conftest import ACCOUNT, PASSCODE


@dataclass
class Connection:
    """What Airflow gives."""

    conn_id: str = "clevertap_default"
    login: str | None = ACCOUNT
    password: str | None = PASSCODE
    host: str | None = "eu1"
    schema: str | None = None
    port: int | None = None
    extra_dejson: dict[str, Any] = field(default_factory=dict)
