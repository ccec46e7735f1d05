"""What operators and the sensor share: options, a connection, and a drive that a kill stops."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator

from bulkdelete.airflow.chosen import Chosen, check_named, choose
from bulkdelete.airflow.drive import KILLED, Drive
from bulkdelete.airflow.hook import CleverTapHook


class Driven(BaseOperator):
    """`options`: those of the library's call, of the class `kind`, without account and region.

    `profile` and `profile_dir`: one of a bulkdelete.toml, for signers and tighter guards.
    """

    template_fields: Sequence[str] = ("options", "clevertap_conn_id", "profile", "profile_dir")
    kind: ClassVar[type]
    _drive: Drive | None = None

    def __init__(
        self,
        *,
        options: Mapping[str, Any] | None = None,
        clevertap_conn_id: str = CleverTapHook.default_conn_name,
        profile: str | None = None,
        profile_dir: str | None = None,
        **kwargs: Any,  # noqa: ANN401 - BaseOperator's
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(options, Mapping):  # else it is what another task returns
            check_named(options, self.kind)
        self.options = {} if options is None else options
        self.clevertap_conn_id = clevertap_conn_id
        self.profile = profile
        self.profile_dir = profile_dir

    def on_kill(self) -> None:
        """Send nothing more, and let what is in flight end on record."""
        self.drive.stop(KILLED)

    @property
    def drive(self) -> Drive:
        """The drive of this try; one that was stopped before it began does not begin."""
        if self._drive is None:
            self._drive = Drive()
        return self._drive

    def chosen(self) -> Chosen:
        """Put the options and the connection together."""
        access = CleverTapHook(self.clevertap_conn_id).access()
        check_named(self.options, self.kind)
        return choose(access, self.options, self.kind, self.profile, self.profile_dir)
