"""`bulkdelete doctor`: is all as it should be? Never makes a delete call."""

import os
import secrets
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import OutputFlags, PlaceFlags, RunsFlags
from bulkdelete.core.keeper import Keeper

if TYPE_CHECKING:
    from bulkdelete.cli.console import Console
    from bulkdelete.core.model import Reply
    from bulkdelete.settings import Settings

_PLACE, _RUNS, _OUT = PlaceFlags(), RunsFlags(), OutputFlags()
_ROOM = 256 * 1024 * 1024
_CLOCK_SKEW = 300.0


def doctor(
    *, place: PlaceFlags = _PLACE, where: RunsFlags = _RUNS, output: OutputFlags = _OUT
) -> int:
    """Check settings, credentials, disk, clock and host, without deleting."""

    async def body(console: "Console") -> int:
        from bulkdelete.cli.common import credentials_of, settings_of
        from bulkdelete.intake import check_region, refuse_emulator
        from bulkdelete.io.client import Client

        settings = settings_of(output, place, where)
        refuse_emulator(settings)
        check_region(settings)
        credentials = credentials_of(settings)
        checks = [_disk(settings.runs_dir)]
        if isinstance(settings.slots, Keeper):
            checks += await _slots(settings.slots)
        target = settings.target
        if target.probe is None:
            checks.append(
                (2, f"{settings.host}: cannot be asked without acting: {target.no_probe}")
            )
            return _tell(console, settings, checks)
        client = Client(
            settings.host or "",
            target.headers(credentials.account, credentials.passcode),
            account=credentials.account,
            timeout=20.0,
            connections=1,
        )
        async with client:
            nobody = f"bulkdelete-doctor-{secrets.token_hex(8)}"
            reply = await client.get(target.probe.query(next(iter(target.kinds)), nobody))
        code, sentence = _host(reply)
        checks.append((code, f"{settings.host}: {sentence}"))
        checks.append(_clock(reply))
        return _tell(console, settings, checks)

    return execute(output, body)


def _tell(console: "Console", settings: "Settings", checks: list[tuple[int, str]]) -> int:
    worst = max(code for code, _ in checks)
    for code, sentence in checks:
        console.result(f"{'FAIL' if code else 'ok  '}  {sentence}")
    console.object(
        {
            "schema": "bulkdelete.doctor/1",
            "exit_code": worst,
            "account": settings.account,
            "host": settings.host,
            "checks": [{"ok": not code, "what": sentence} for code, sentence in checks],
        }
    )
    return worst


def _disk(place: Path) -> tuple[int, str]:
    there = next(one for one in (place.absolute(), *place.absolute().parents) if one.exists())
    if not os.access(there, os.W_OK):
        return 2, f"{there} cannot be written to"
    free = shutil.disk_usage(there).free
    return (75 if free < _ROOM else 0), f"{free // 2**20:,} MB free at {there}"


async def _slots(keeper: "Keeper") -> list[tuple[int, str]]:
    """Judge the Redis that keeps the slots: there, fit, quick, and dropping nothing."""
    from bulkdelete.core.keeper import evicts, unfit
    from bulkdelete.errors import BulkdeleteError
    from bulkdelete.io.leased import look

    try:
        info, seconds = await look(keeper)
    except BulkdeleteError as error:
        return [(error.exit, str(error).partition(";")[0])]
    if why := unfit(info):
        return [(2, f"{keeper} {why}")]
    version = f"Redis {info.get('redis_version')}, {seconds * 1000:.1f} ms"
    found = [(0, f"{keeper}: answers, and takes scripts ({version})")]
    if policy := evicts(info):
        found.append((2, f"{keeper}: maxmemory-policy {policy} may drop the slots: set noeviction"))
    return found


def _host(reply: "Reply") -> tuple[int, str]:
    """Judge the answer to a read of a profile that does not exist."""
    from bulkdelete.core.model import HANDSHAKE_CUT, Lost

    if isinstance(reply, Lost):
        if reply.reason == "private_address":
            return 5, "its name leads to private addresses only, which are refused"
        if reply.untrusted or reply.reason == HANDSHAKE_CUT:
            return 5, "could not prove who it is (TLS)"
        return 75, f"no answer ({reply.reason})"
    if reply.status in {401, 403}:
        return 5, f"refused the credentials ({reply.status}); a wrong region answers so, too"
    if 300 <= reply.status < 400:  # noqa: PLR2004 - redirects
        return 5, f"redirects elsewhere ({reply.status}); that is not the API"
    if reply.status == 429 or reply.status >= 500:  # noqa: PLR2004 - try again later
        return 75, f"is busy or ill ({reply.status}); try again later"
    if not reply.body.lstrip().startswith(b"{"):
        return 5, "answered something else than JSON; that is not the API"
    return 0, "answers, and takes the credentials"


def _clock(reply: "Reply") -> tuple[int, str]:
    import email.utils

    from bulkdelete.core.model import Answer

    if not isinstance(reply, Answer) or not reply.headers.get("date"):
        return 0, "clock: the host named no date to compare with"
    try:
        theirs = email.utils.parsedate_to_datetime(reply.headers["date"][0]).timestamp()
    except (ValueError, OverflowError):
        return 0, "clock: the host named no date to compare with"
    skew = abs(time.time() - theirs)
    if skew > _CLOCK_SKEW:
        return 2, f"clock: {skew:,.0f} s off the host's; set it right, plans expire by it"
    return 0, "clock: agrees with the host's"
