"""What plan, run and apply share: from flags to settings, and who is told of what goes on."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkdelete.audience import Audience
from bulkdelete.cli.console import plan_lines, sending_seconds
from bulkdelete.cli.flags import AcceptFlags, OutputFlags, given
from bulkdelete.core.plan import Plan
from bulkdelete.events import Ended, Event, Fleeting, Looked, PassedOver, Removed, Resuming, Wrote
from bulkdelete.settings import Credentials, Settings, load_profile, resolve

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console
    from bulkdelete.core.report import Report
    from bulkdelete.options import PlanOptions
    from bulkdelete.starting import View
    from bulkdelete.surveying import Findings


def settings_of(output: OutputFlags, *groups: object) -> Settings:
    """Resolve the settings from groups of flags, environment and profile."""
    return load_settings(output, given(*groups))


def load_settings(
    output: OutputFlags, flags: Mapping[str, Any], run_dir: Path | None = None
) -> Settings:
    """Resolve the settings from flags by name, environment and profile.

    `run_dir` is that of the plan that they are for: it names its target.
    """
    from bulkdelete.intake import target_of

    planned = None if run_dir is None else target_of(run_dir)
    name = output.profile or os.environ.get("BULKDELETE_PROFILE")
    return resolve(flags, os.environ, load_profile(name, Path.cwd()), planned)


def credentials_of(settings: Settings) -> Credentials:
    """Return who asks; the passcode is taken out of the environment."""
    from bulkdelete.settings import credentials

    return credentials(settings, os.environ)


def accepted(flags: AcceptFlags) -> "PlanOptions":
    """Return what is meant though a guard would hold it."""
    return {
        "accept_damage": flags.accept_damage,
        "accept_anomaly": flags.accept_anomaly,
        "accept_protect_mismatch": flags.accept_protect_mismatch,
    }


class Teller:
    """Tells a person at the terminal what goes on, and asks; keeps the report at the end."""

    def __init__(self, console: "Console", settings: Settings) -> None:
        self._console = console
        self._settings = settings
        self._shown = False
        self.report: Report | None = None

    def tell(self, event: Event) -> None:
        """Say what a person wants to know of an event."""
        note = self._console.note
        match event:
            case Looked():
                self._show(event.plan, event.findings)
                self._warn_long(event.plan)
            case Fleeting():
                note(f"warning: the runs are on {event.what}: one that is cut short may be lost")
            case PassedOver():
                note(f"Passing over {event.run_dir}: {event.why}")
            case Resuming():
                note(
                    f"Going on with {event.run_dir}: {event.accepted:,} of {event.planned:,} IDs"
                    f" accepted, {event.ambiguous:,} in doubt, {event.unsent:,} unsent"
                )
            case Wrote():
                note(f"  wrote {event.path}")
            case Removed():
                note(f"  removed {event.path}")
            case Ended():
                self.report = event.report
            case _:
                pass  # the display of progress shows the rest

    def ask(self, plan: Plan) -> None:
        """Show the plan, unless that was done just now, and ask at the terminal."""
        from bulkdelete.cli.approval import ask

        if not self._shown:
            self._show(plan, None)
        ask(plan)

    @property
    def audience(self) -> Audience:
        """Who is told, looks on and is asked while a run sends: the person at this terminal."""
        # What came of each request is told by the display of progress, all together.
        return Audience(
            tell=self.tell, answers=False, watch=(self.watch,), ask=self.ask, signals=True
        )

    async def watch(self, view: "View") -> None:
        """Show progress until cancelled."""
        from bulkdelete.cli.progress import watch

        await watch(self._console, view)

    def _show(self, plan: Plan, findings: "Findings | None") -> None:
        self._shown = True
        for line in plan_lines(plan, findings, self._settings.cap, self._settings.rate):
            self._console.note(line)

    def _warn_long(self, plan: Plan) -> None:
        """Warn when the plan would outlive its approval."""
        settings = self._settings
        seconds = sending_seconds(plan.counts.chunks, settings.cap, settings.rate)
        if seconds > self._settings.plan_ttl:
            self._console.note(
                f"warning: at 1 s an answer this takes {seconds / 3600:.1f} h, longer than"
                " --plan-ttl; the run will stop in between and ask for --renew"
            )
