"""An Airflow connection, as who asks and where."""

from typing import Any, ClassVar

from airflow.sdk import BaseHook

from bulkdelete.airflow.access import Access
from bulkdelete.airflow.failing import translated
from bulkdelete.settings import Credentials


class CleverTapHook(BaseHook):
    """Login, password and host of a connection: account ID, passcode and region.

    Also for tasks of your own over the library:

        hook = CleverTapHook()
        await bulkdelete.run(path, credentials=hook.get_conn(), **hook.place, ...)
    """

    conn_name_attr: ClassVar[str] = "clevertap_conn_id"
    default_conn_name: ClassVar[str] = "clevertap_default"
    conn_type: ClassVar[str] = "clevertap"
    hook_name: ClassVar[str] = "CleverTap"

    def __init__(self, clevertap_conn_id: str = default_conn_name, **more: Any) -> None:  # noqa: ANN401 - the base's
        super().__init__(**more)
        self.clevertap_conn_id = clevertap_conn_id

    def access(self) -> Access:
        """Read the connection; Airflow masks its passcode in logs from here on."""
        connection = self.get_connection(self.clevertap_conn_id)
        with translated():
            return Access.of(connection)

    def get_conn(self) -> Credentials:
        """Return account and passcode, as the library wants them."""
        found = self.access()
        return Credentials(found.account, found.passcode)

    @property
    def place(self) -> dict[str, str]:
        """Return the region as an option of the library; nothing when the connection has none."""
        return self.access().place
