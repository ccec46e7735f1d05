"""`bulkdelete emulator`: the look-alike of the API, on loopback."""

import os
import shlex
import sys
from functools import partial
from typing import Annotated

from cyclopts import Parameter

from bulkdelete.cli.console import run_loop


def emulator(  # noqa: PLR0913 - its flags
    *,
    port: Annotated[int, Parameter(help="Port on loopback (0: a free one).")] = 0,
    host: Annotated[str, Parameter(help="A loopback address.")] = "127.0.0.1",
    limit: Annotated[int, Parameter(help="Delete requests in flight per account.")] = 3,
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

    try:
        config = EmulatorConfig(
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
    except ValueError as error:
        sys.stderr.write(f"bulkdelete: {error}\n")
        return 2
    try:
        run_loop(serve(config, partial(_ready, config.account_id)))
    except OSError as error:
        sys.stderr.write(f"bulkdelete: the emulator cannot listen: {error.strerror}\n")
        return 2
    return 0


def _ready(account_id: str, url: str) -> None:
    chosen = os.environ.get("EMULATOR_PASSCODE")
    passcode = "that of EMULATOR_PASSCODE" if chosen else "emulator"
    settings = f"CLEVERTAP_ACCOUNT_ID={shlex.quote(account_id)} CLEVERTAP_PASSCODE="
    settings += '"$EMULATOR_PASSCODE"' if chosen else passcode
    sys.stdout.write(
        f"emulator at {url}\n"
        f"  account {account_id}, passcode {passcode}; nothing here is real\n"
        f"  try it: {settings} bulkdelete run LIST --endpoint {url}\n"
    )
    sys.stdout.flush()
