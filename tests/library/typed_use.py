"""How the library is used, for the type checker; never run. `make lint` reads it."""

from pathlib import Path
from typing import TYPE_CHECKING, assert_never, assert_type

import bulkdelete

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any


async def night(passcode: str) -> int:
    """Plan, apply, look back, verify: each step with the types that a program sees."""
    who = bulkdelete.Credentials("XXX-XXX-XXXX", passcode)
    planned = await bulkdelete.plan(
        Path("users.csv"),
        "more.csv",
        region="eu1",
        account_id=who.account,
        id_type="identity",
        protect=["vip.txt", Path("staff.txt")],
        max_list_age="24h",
    )
    assert_type(planned, bulkdelete.Report)
    try:
        report = await bulkdelete.apply(
            planned.run_dir,
            approve=planned.plan_digest,
            credentials=who,
            max_in_flight=2,
            audience=bulkdelete.Audience(tell=tell),
        )
    except bulkdelete.Stopped as stopped:
        return assert_type(stopped.exit, int)
    verified = await bulkdelete.verify(report.run_dir, credentials=who, sample=100)
    assert_type(verified, bulkdelete.Verification)
    return verified.exit_code


def tell(event: bulkdelete.Event) -> None:
    """Know every event, and its fields."""
    match event:
        case bulkdelete.Looked():
            assert_type(event.plan.counts.planned, int)
        case (
            bulkdelete.Kept()
            | bulkdelete.Fleeting()
            | bulkdelete.PassedOver()
            | bulkdelete.Resuming()
        ):
            assert_type(event.run_dir, Path)
        case bulkdelete.Sending():
            assert_type(event.chunks, int)
        case bulkdelete.Answered():
            assert_type(event.seconds, float)
        case bulkdelete.Settled():
            assert_type(event.accepted, int)
        case bulkdelete.Tuned() | bulkdelete.Holding():
            pass
        case bulkdelete.Ended():
            assert_type(event.report, bulkdelete.Report)
        case bulkdelete.Wrote() | bulkdelete.Removed():
            assert_type(event.path, Path)
        case _:
            assert_never(event)


def mistakes() -> "list[Coroutine[Any, Any, bulkdelete.Report]]":
    """Let the type checker find what is wrong: it fails when one of these is not an error."""
    return [
        bulkdelete.plan("users.csv", id_type="email"),  # type: ignore[arg-type]
        bulkdelete.plan("users.csv", max_deletes="many"),  # type: ignore[arg-type]
        bulkdelete.plan("users.csv", yes=True),  # type: ignore[call-arg]
        bulkdelete.apply("run", abandon=True),  # type: ignore[call-arg]
        bulkdelete.run(b"users.csv"),  # type: ignore[arg-type]
    ]
