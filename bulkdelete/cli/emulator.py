"""`bulkdelete emulator`: the look-alike of a vendor's API, on loopback."""

import os
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bulkdelete.cli.console import run_loop

if TYPE_CHECKING:
    from bulkdelete.core.target import Target
    from bulkdelete.emulator import Dialect


def emulator(  # noqa: PLR0913 - its flags
    *,
    target: Annotated[str | None, Parameter(help="The vendor that it is like (clevertap).")] = None,
    port: Annotated[int, Parameter(help="Port on loopback (0: a free one).")] = 0,
    host: Annotated[str, Parameter(help="A loopback address.")] = "127.0.0.1",
    limit: Annotated[
        int | None, Parameter(help="Delete requests in flight per account (the vendor's).")
    ] = None,
    latency: Annotated[float, Parameter(help="Seconds until an answer.")] = 0.1,
    latency_spread: Annotated[float, Parameter(help="Spread of the latency, as a share.")] = 0.0,
    seed: Annotated[int, Parameter(help="Seed of the faults.")] = 0,
    throttle: Annotated[float, Parameter(help="Share of requests answered 429.")] = 0.0,
    error_5xx: Annotated[float, Parameter(help="Share answered 5xx with HTML.")] = 0.0,
    drop_before: Annotated[float, Parameter(help="Share dropped before acting.")] = 0.0,
    drop_after: Annotated[float, Parameter(help="Share acted on, then dropped.")] = 0.0,
    cut_body: Annotated[float, Parameter(help="Share whose answer is cut.")] = 0.0,
    fail_200: Annotated[float, Parameter(help="Share answered 200 with fail.")] = 0.0,
    drip: Annotated[float, Parameter(help="Share answered a byte at a time.")] = 0.0,
    refuse: Annotated[
        tuple[str, ...], Parameter(help="IDs for which a request is a 400 (repeatable).")
    ] = (),
    removal_delay: Annotated[float, Parameter(help="Seconds until a profile is gone.")] = 0.0,
    log: Annotated[str | None, Parameter(help="Write a line per request to this file.")] = None,
) -> int:
    """Run a stateful look-alike of the API on loopback; ends on SIGTERM or Ctrl-C."""
    from pathlib import Path

    from bulkdelete.emulator import EmulatorConfig, Faults, serve
    from bulkdelete.errors import UsageError
    from bulkdelete.targets import FIRST, find

    try:
        vendor = find(target or FIRST)
        config = EmulatorConfig(
            dialect=dialect_of(vendor),
            host=host,
            port=port,
            limit=limit,
            latency=latency,
            latency_spread=latency_spread,
            account_id=os.environ.get("EMULATOR_ACCOUNT_ID", "EMULATOR"),
            passcode=os.environ.get("EMULATOR_PASSCODE", "emulator"),
            refuse_ids=frozenset(refuse),
            removal_delay=removal_delay,
            log_path=Path(log) if log else None,
            faults=Faults(
                throttle=throttle,
                error_5xx=error_5xx,
                drop_before=drop_before,
                drop_after=drop_after,
                cut_body=cut_body,
                fail_200=fail_200,
                drip=drip,
                seed=seed,
            ),
        )
    except (ValueError, UsageError) as error:
        sys.stderr.write(f"bulkdelete: {error}\n")
        return 2
    try:
        run_loop(serve(config, partial(_ready, vendor, config.account_id)))
    except OSError as error:
        sys.stderr.write(f"bulkdelete: the emulator cannot listen: {error.strerror}\n")
        return 2
    return 0


def dialect_of(target: "Target") -> "Dialect":
    """Return how the look-alike of a target speaks; UsageError when it has none."""
    import importlib

    from bulkdelete.emulator import Dialect
    from bulkdelete.errors import UsageError

    module, _, name = target.emulator.partition(":")
    if not module:
        raise UsageError("emulator", f"the target {target.name} comes with no emulator")
    found = getattr(importlib.import_module(module), name)
    if not isinstance(found, Dialect):
        found = found()
    if not isinstance(found, Dialect):
        raise UsageError("emulator", f"the emulator of the target {target.name} is none")
    return found


def _ready(target: "Target", account_id: str, url: str) -> None:
    from bulkdelete.targets import FIRST

    chosen = os.environ.get("EMULATOR_PASSCODE")
    passcode = "that of EMULATOR_PASSCODE" if chosen else "emulator"
    settings = f"{target.account_variable}={shlex.quote(account_id)} {target.secret_variable}="
    settings += '"$EMULATOR_PASSCODE"' if chosen else passcode
    named = "" if target.name == FIRST else f" --target {target.name}"
    sys.stdout.write(
        f"emulator at {url}\n"
        f"  account {account_id}, passcode {passcode}; nothing here is real\n"
        f"  try it: {settings} bulkdelete run LIST{named} --endpoint {url}\n"
    )
    sys.stdout.flush()
