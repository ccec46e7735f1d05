"""`bulkdelete apply`."""

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import ApprovalFlags, OutputFlags, PlaceFlags, SendFlags, given
from bulkdelete.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console

_PLACE, _SEND, _APPROVAL, _OUT = PlaceFlags(), SendFlags(), ApprovalFlags(), OutputFlags()


def apply(  # noqa: PLR0913 - one per group of flags
    run_dir: Annotated[Path, Parameter(help="The run directory that plan made.")],
    /,
    *,
    input: Annotated[  # noqa: A002 - the flag's name
        tuple[str, ...],
        Parameter(help="Where the input is now, if it moved; the content must match."),
    ] = (),
    max_deletes: Annotated[str | None, Parameter(help="Refuse a plan of more IDs.")] = None,
    expect_count: Annotated[str | None, Parameter(help="Refuse any other number.")] = None,
    max_percent: Annotated[
        str | None, Parameter(help="Refuse more than this percent of --population.")
    ] = None,
    population: Annotated[str | None, Parameter(help="How many users there are.")] = None,
    max_list_age: Annotated[str | None, Parameter(help="Refuse an older list: 24h, 7d.")] = None,
    plan_ttl: Annotated[str | None, Parameter(help="How long the approval lives (24h).")] = None,
    protect: Annotated[
        tuple[str, ...], Parameter(help="Where the protect lists are now, if they moved.")
    ] = (),
    key_file: Annotated[str | None, Parameter(help="Where the run's key is.")] = None,
    place: PlaceFlags = _PLACE,
    approval: ApprovalFlags = _APPROVAL,
    sending: SendFlags = _SEND,
    dry_run: Annotated[bool, Parameter(help="Do everything but sending.")] = False,
    output: OutputFlags = _OUT,
) -> int:
    """Send (or resume) a plan that was made earlier: exactly that plan."""
    guards = {
        "max_deletes": max_deletes,
        "expect_count": expect_count,
        "max_percent": max_percent,
        "population": population,
        "max_list_age": max_list_age,
        "plan_ttl": plan_ttl,
    }
    keys = {"protect": protect, "key_file": key_file}

    async def body(console: "Console") -> int:
        from bulkdelete.cli.common import check_yes, load_settings
        from bulkdelete.cli.run import deliver
        from bulkdelete.io.rundir import RunDir
        from bulkdelete.settings import credentials

        settings = load_settings(output, guards | keys | given(place, sending))
        check_yes(approval.yes, settings)
        run = RunDir(run_dir, settings.key_file)
        run.check()
        plan = run.plan()
        if settings.host is not None and settings.host != plan.bound.host:
            raise IntegrityError(
                "other_host",
                "the plan is for another host than the one named now; nothing was sent",
                "leave --region and --endpoint out: the plan names its own",
            )
        if settings.environment and settings.environment != plan.bound.environment:
            raise IntegrityError(
                "other_environment",
                "the plan was made for another environment than this profile's; nothing was sent",
                "use the profile that the plan was made with, or make a new plan",
            )
        # The plan's own lists; a flag says where they are now, a profile adds none to a plan.
        lists = tuple(Path(path) for path in protect or plan.protect)
        settings = dataclasses.replace(settings, protect=lists)
        if plan.draft:
            raise UsageError(
                "draft",
                "this plan is a draft: it names no account or region; nothing was sent",
                "make a plan with --region and --account-id",
            )
        asked = None if dry_run else credentials(settings, os.environ)
        return await deliver(console, run, settings, asked, approval, moved=input, dry_run=dry_run)

    return execute(output, body)
