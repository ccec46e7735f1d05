"""`bulkdelete verify`: later, are the profiles gone? By sample or in full; deletes nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import OutputFlags, PlaceFlags, given
from bulkdelete.errors import BulkdeleteError

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console
    from bulkdelete.options import VerifyOptions

_PLACE, _OUT = PlaceFlags(), OutputFlags()
_WHAT = Group("What is asked", sort_key=1)
_HOW = Group("Asking", sort_key=3)


def verify(  # noqa: PLR0913 - its flags
    run_dir: Annotated[Path, Parameter(help="The run directory.")],
    /,
    *,
    full: Annotated[bool, Parameter(group=_WHAT, help="Ask for every accepted ID.")] = False,
    sample: Annotated[
        int | None,
        Parameter(
            group=_WHAT,
            help="Ask for so many, at random (default: so many that finding all gone means"
            " fewer than 1 in 1,000 are left, with 95 % confidence).",
        ),
    ] = None,
    seed: Annotated[
        int | None, Parameter(group=_WHAT, help="Choose the sample by this number, again.")
    ] = None,
    ambiguous: Annotated[
        bool, Parameter(group=_WHAT, help="Ask for the IDs in doubt instead, each of them.")
    ] = False,
    watch_return: Annotated[
        bool,
        Parameter(group=_WHAT, help="Ask for the same again after 7 and 30 days: who came back?"),
    ] = False,
    now: Annotated[
        bool, Parameter(group=_WHAT, help="Do not wait for the 48 hours (or 7, or 30 days).")
    ] = False,
    input: Annotated[  # noqa: A002 - the flag's name
        tuple[str, ...], Parameter(help="Where the input is now, if it moved.")
    ] = (),
    key_file: Annotated[str | None, Parameter(help="Where the run's key is.")] = None,
    place: PlaceFlags = _PLACE,
    max_in_flight: Annotated[
        str | None, Parameter(group=_HOW, help="Requests in flight at most (3).")
    ] = None,
    leave_free: Annotated[
        str | None, Parameter(group=_HOW, help="Of these, slots to leave to others (0).")
    ] = None,
    rate: Annotated[
        str | None, Parameter(group=_HOW, help="Requests started per second at most.")
    ] = None,
    max_attempts: Annotated[
        str | None, Parameter(group=_HOW, help="Attempts for an ID before it is unknown (5).")
    ] = None,
    timeout: Annotated[
        str | None, Parameter(group=_HOW, help="Seconds for a request, in all (60).")
    ] = None,
    give_up_after: Annotated[
        str | None, Parameter(group=_HOW, help="How long an outage may last (15m).")
    ] = None,
    output: OutputFlags = _OUT,
) -> int:
    """Ask whether the profiles are gone: 48 hours after the run, by sample or in full."""
    flags = {
        "key_file": key_file,
        "max_in_flight": max_in_flight,
        "leave_free": leave_free,
        "rate": rate,
        "max_attempts": max_attempts,
        "timeout": timeout,
        "give_up_after": give_up_after,
    }

    async def body(console: "Console") -> int:
        from bulkdelete import library
        from bulkdelete.audience import Audience
        from bulkdelete.cli.common import Teller, credentials_of, load_settings
        from bulkdelete.cli.summary import step_summary

        settings = load_settings(output, flags | given(place), run_dir)
        console.logging()
        options: VerifyOptions = {
            "full": full,
            "ambiguous": ambiguous,
            "watch_return": watch_return,
            "now": now,
            "input": input,
        }
        if sample is not None:
            options["sample"] = sample
        if seed is not None:
            options["seed"] = seed
        audience = Audience(tell=Teller(console, settings).tell)
        try:
            found = await library.verify(
                run_dir,
                settings=settings,
                credentials=credentials_of(settings),
                audience=audience,
                **options,
            )
        except BulkdeleteError as error:
            console.failure(error)
            console.object(_refused(run_dir, error))
            return error.exit
        step_summary(run_dir / "report.md")
        console.object(found)
        console.result(found.sentence)
        return found.exit_code

    return execute(output, body)


def _refused(run_dir: Path, error: "BulkdeleteError") -> dict[str, object]:
    from bulkdelete.core.verification import SCHEMA

    return {
        "schema": SCHEMA,
        "run_id": run_dir.name,
        "run_dir": str(run_dir),
        "exit_code": error.exit,
        "reason": {"code": error.code, "message": str(error), "hint": error.hint},
    }
