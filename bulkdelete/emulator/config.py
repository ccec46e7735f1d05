"""What is settled before the emulator starts."""

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bulkdelete.emulator.clevertap import CLEVERTAP
from bulkdelete.emulator.dialect import Dialect, Kind
from bulkdelete.emulator.dials import Dials, Tuning
from bulkdelete.emulator.faults import Faults

GoneStyle = Literal["404", "400", "200"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorConfig:
    """One emulated account.

    `port` 0 takes a free one. `limit` and `profile_limit`: requests in flight at most, of the
    delete and of the read endpoint; `window`: so many requests in so many seconds; both are the
    vendor's (`dialect`) where they are not said. `latency` (seconds, both endpoints) varies evenly
    by +-`latency_spread` (a fraction). `hold_abandoned`: a request whose client went away keeps its
    slot and is acted on when its latency is over; otherwise it is forgotten at once.
    `profiles` None: every ID is a profile until deleted; else only those listed are.
    `removal_delay`: seconds from acceptance until a profile is gone. `gone_style`: how a read of
    a profile that is not there is answered. `refuse_ids` and `refuse_pattern` (a regular
    expression, searched): a chunk with such an ID is refused whole with 400.
    `record_ids` False: no ID is remembered (endless runs); reads then find every profile.
    `record_requests` False: no log of requests is kept, only counts.
    `script`, `profile_script`: see `faults`. `log_path`: a trace of starts and ends, appended to.
    Raises ValueError on an impossible value, and on a host that is not a loopback address.
    """

    host: str = "127.0.0.1"
    port: int = 0
    account_id: str = "EMULATOR"
    passcode: str = field(default="emulator", repr=False)
    dialect: Dialect = CLEVERTAP
    limit: int | None = None
    window: tuple[int, float] | None = None
    profile_limit: int = 3
    latency: float = 0.1
    latency_spread: float = 0.0
    hold_abandoned: bool = True
    profiles: Mapping[Kind, Collection[str]] | None = field(default=None, repr=False)
    removal_delay: float = 0.0
    gone_style: GoneStyle = "404"
    refuse_ids: frozenset[str] = field(default=frozenset(), repr=False)
    refuse_pattern: str | None = None
    record_ids: bool = True
    record_requests: bool = True
    faults: Faults = field(default_factory=Faults)
    script: tuple[str, ...] = ()
    profile_script: tuple[str, ...] = ()
    log_path: Path | None = None

    def __post_init__(self) -> None:
        loopback_address(self.host)
        self.dials()
        if not 0 <= self.port <= 65535:  # noqa: PLR2004
            raise ValueError("port must be within 0..65535")
        if not (self.account_id and self.passcode):
            raise ValueError("account_id and passcode must not be empty")
        if self.profile_limit < 1:
            raise ValueError("profile_limit must be at least 1")
        if not self.removal_delay >= 0.0:
            raise ValueError("removal_delay must not be negative")
        if self.gone_style not in {"404", "400", "200"}:
            raise ValueError("gone_style must be 404, 400 or 200")
        if self.refuse_pattern is not None:
            try:
                re.compile(self.refuse_pattern)
            except re.error as error:
                raise ValueError(f"refuse_pattern is not a regular expression: {error}") from error

    @property
    def most(self) -> int:
        """Requests in flight at most."""
        return self.dialect.limit if self.limit is None else self.limit

    def dials(self) -> Dials:
        """Return fresh dials, set as configured; raises ValueError on an impossible setting."""
        tuning = Tuning(limit=self.most, latency=self.latency, latency_spread=self.latency_spread)
        return Dials(self.faults, tuning, self.script, self.profile_script)


def loopback_address(host: str) -> str:
    """Return `host` as an IP address; raises ValueError unless it is a loopback one.

    The emulator has no TLS, a well-known passcode and an open control path, so it never listens
    where another machine could reach it. `localhost` is 127.0.0.1 here, whatever the resolver says.
    """
    if host == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise ValueError(f"{host!r} is not an IP address; use 127.0.0.1 or ::1") from error
    if not address.is_loopback:
        raise ValueError(f"{host} is not a loopback address; the emulator listens on loopback only")
    return str(address)
