"""A sensor that asks, days later, whether the profiles are gone."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from bulkdelete import library
from bulkdelete.airflow.chosen import check_inputs
from bulkdelete.airflow.driven import Driven
from bulkdelete.airflow.failing import translated
from bulkdelete.airflow.rules import counts_of
from bulkdelete.errors import Stopped
from bulkdelete.options import VerifyOptions


class BulkDeleteVerifySensor(Driven, BaseSensorOperator):
    """Wait until a run's accepted profiles are gone, by sample or in full; deletes nothing.

    It asks every 6 hours, for 7 days, and gives its slot back in between; until 48 hours after the
    run it asks nobody. What is still there is asked for again the next time. XCom: counts.
    """

    template_fields = ("run_dir", *Driven.template_fields)
    ui_color = "#d2e7ff"
    kind = VerifyOptions

    def __init__(self, *, run_dir: str | Path, **kwargs: Any) -> None:  # noqa: ANN401 - the bases'
        kwargs.setdefault("mode", "reschedule")
        kwargs.setdefault("poke_interval", timedelta(hours=6))
        kwargs.setdefault("timeout", timedelta(days=7))
        super().__init__(**kwargs)
        self.run_dir = run_dir

    def poke(self, context: Any) -> PokeReturnValue:  # noqa: ANN401 - Airflow's Context
        """Ask, unless it is too early; done when all that were asked for are gone."""
        del context
        with translated():
            chosen = self.chosen()
            (run_dir,) = check_inputs(self.run_dir)
            try:
                answer = self.drive.run(library.verify(run_dir, **chosen.sending()))
            except Stopped as error:
                self.log.info("not yet: %s", error)
                return PokeReturnValue(is_done=False)
        self.log.info(answer.sentence)
        return PokeReturnValue(is_done=not answer.exit_code, xcom_value=counts_of(answer))
