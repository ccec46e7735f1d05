"""From an Airflow connection to who asks, and where; without Airflow.

The connection says account, passcode and region, and nothing else. Guards, approval and an
endpoint outside the region table are said by the DAG's author, where a review sees them.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

from bulkdelete.errors import UsageError


class Connection(Protocol):
    """What is read of an Airflow connection."""

    conn_id: str
    login: str | None
    password: str | None
    host: str | None
    schema: str | None
    port: int | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The connection's further fields."""
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks, and where, as far as a connection says: `region` is as it was written, or ""."""

    account: str
    passcode: str = field(repr=False)
    region: str

    @classmethod
    def of(cls, connection: Connection) -> "Access":
        """Read a connection; UsageError for what is missing, and for what would be ignored."""
        where = f"the connection {connection.conn_id!r}"
        if not connection.login or not connection.password:
            raise UsageError(
                "connection",
                f"{where} wants the account ID as login and the passcode as password",
            )
        if connection.extra_dejson or connection.port or connection.schema not in {None, ""}:
            raise UsageError(
                "connection",
                f"{where} has a port, a schema or extras: nothing reads that there",
                "give it to the operator, in its options",
            )
        return cls(connection.login, connection.password, connection.host or "")

    @property
    def place(self) -> dict[str, str]:
        """Return the region as an option; an API's host name is one, too."""
        if not self.region:
            return {}
        if self.region.endswith(".api.clevertap.com"):
            return {"endpoint": f"https://{self.region.removeprefix('https://')}"}
        return {"region": self.region}
