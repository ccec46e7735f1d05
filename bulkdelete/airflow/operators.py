"""Operators: plan, send, or both, on the worker, by the library."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkdelete import library
from bulkdelete.airflow.chosen import Chosen, check_inputs
from bulkdelete.airflow.drive import UNNOTED
from bulkdelete.airflow.driven import Driven
from bulkdelete.airflow.failing import end, translated
from bulkdelete.airflow.memory import Memory
from bulkdelete.airflow.resuming import sent
from bulkdelete.airflow.rules import Counts, counts, of_report, summed_up
from bulkdelete.airflow.telling import Narrator
from bulkdelete.audience import Audience
from bulkdelete.options import ApplyOptions, PlanOptions, RunOptions

if TYPE_CHECKING:
    from bulkdelete.core.report import Report

Place = str | Path


class _Running(Driven):
    """Runs a call of the library to its end, tells of it, and ends as Airflow wants it."""

    ui_color = "#ffd9d2"

    def execute(self, context: Any) -> Counts:  # noqa: ANN401 - Airflow's Context
        """Run to the end on this worker; return counts."""
        memory = Memory(context["task_state_store"], context["ti"])
        with translated():
            chosen = self.chosen()
            audience = Audience(tell=Narrator(self.log.info, self._note(memory)).tell)
            report = self.drive.run(self.work(chosen, memory, audience))
        self.conclude(report, dry_run=bool(chosen.besides.get("dry_run")))
        return counts(report)

    def conclude(self, report: "Report", *, dry_run: bool) -> None:
        """Say how it ended; raise unless all is done."""
        words = summed_up(report, dry_run=dry_run)
        end(of_report(report, dry_run=dry_run), words)
        self.log.info(words)

    def _note(self, memory: Memory) -> Any:  # noqa: ANN401 - a callable
        def note(run_dir: Path) -> None:
            try:
                memory.keep(run_dir)
            except BaseException:
                # A retry that knows of no run could begin a second one.
                self.drive.stop(UNNOTED)
                raise

        return note

    async def work(self, chosen: Chosen, memory: Memory, audience: Audience) -> "Report":
        """Do what the operator is for."""
        raise NotImplementedError


class BulkDeleteOperator(_Running):
    """Plan a list, check its approval, and send it; a retry goes on with the run of the first try.

    `inputs`: paths or globs, from the root on, that every worker sees. `options`: those of
    `bulkdelete.run`, without account, passcode and region, which the connection says.
    """

    template_fields = ("inputs", *Driven.template_fields)
    kind = RunOptions

    def __init__(self, *, inputs: Place | Sequence[Place], **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.inputs = inputs

    async def work(self, chosen: Chosen, memory: Memory, audience: Audience) -> "Report":
        """Begin, or go on with what an earlier try began."""
        return await sent(check_inputs(self.inputs), chosen, memory, audience)


class BulkDeletePlanOperator(_Running):
    """Plan a list and keep the plan: offline.

    Who reads the task's log finds the digest there, and gives it to the apply operator.
    """

    template_fields = ("inputs", *Driven.template_fields)
    kind = PlanOptions

    def __init__(self, *, inputs: Place | Sequence[Place], **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.inputs = inputs

    async def work(self, chosen: Chosen, memory: Memory, audience: Audience) -> "Report":
        """Plan."""
        del memory  # each try plans anew
        inputs = check_inputs(self.inputs)
        settings = chosen.settings
        return await library.plan(*inputs, settings=settings, audience=audience, **chosen.besides)

    def conclude(self, report: "Report", *, dry_run: bool) -> None:
        """Say what is planned: that is all."""
        del dry_run
        self.log.info("planned %s in %s: nothing was sent", report.plan_digest, report.run_dir)


class BulkDeleteApplyOperator(_Running):
    """Send, or resume, exactly the plan in `run_dir`; approved by its digest, or signed."""

    template_fields = ("run_dir", *Driven.template_fields)
    kind = ApplyOptions

    def __init__(self, *, run_dir: Place, **kwargs: Any) -> None:  # noqa: ANN401 - BaseOperator's
        super().__init__(**kwargs)
        self.run_dir = run_dir

    async def work(self, chosen: Chosen, memory: Memory, audience: Audience) -> "Report":
        """Send what is not settled."""
        (run_dir,) = check_inputs(self.run_dir)
        memory.keep(Path(run_dir))
        return await library.apply(run_dir, audience=audience, **chosen.applying())
