"""`bulkdelete apply`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import ApprovalFlags, OutputFlags, PlaceFlags, SendFlags, TellFlags, given

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console

_PLACE, _SEND, _TELL = PlaceFlags(), SendFlags(), TellFlags()
_APPROVAL, _OUT = ApprovalFlags(), OutputFlags()


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
    telling: TellFlags = _TELL,
    again: Annotated[
        bool, Parameter(help="Send it, though another run sent the list meanwhile.")
    ] = False,
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
        from bulkdelete import library
        from bulkdelete.cli.common import Teller, credentials_of, load_settings
        from bulkdelete.cli.run import approved, shown

        settings = load_settings(output, guards | keys | given(place, sending, telling), run_dir)
        teller = Teller(console, settings)
        running = library.apply(
            run_dir,
            settings=settings,
            credentials=None if dry_run else credentials_of(settings),
            audience=teller.audience,
            **approved(approval, dry_run=dry_run),
            again=again,
            input=input,
            protect=protect,
        )
        return await shown(console, teller, running, dry_run=dry_run)

    return execute(output, body)
