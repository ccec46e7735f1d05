"""All settings of a run, as data."""

from dataclasses import dataclass, field
from pathlib import Path

from bulkdelete.core.keeper import Keeper, Scheduler
from bulkdelete.core.layout import Reading
from bulkdelete.core.selection import Selection
from bulkdelete.core.shard import Shard
from bulkdelete.core.target import Target
from bulkdelete.core.times import Window

_SHOWN = (
    *("max_in_flight", "leave_free", "rate", "max_deletes", "expect_count", "max_invalid"),
    *("max_failures", "hold_after", "plan_ttl", "on_ambiguous", "max_attempts", "timeout"),
    *("grace", "give_up_after", "max_duration", "window", "slots"),
)
"""What a report may show of the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a run, checked. Times in seconds, shares in percent."""

    reading: Reading
    target: Target
    host: str | None
    account: str | None
    environment: str
    signers: Path | None
    signatures: int
    passcode_file: Path | None
    slots: Keeper | Scheduler | None
    max_in_flight: int
    leave_free: int
    rate: float | None
    chunk_size: int
    memory: int
    protect: tuple[Path, ...]
    max_deletes: int | None
    expect_count: int | None
    max_percent: float | None
    population: int | None
    max_list_age: float | None
    exported_at: float | None
    last_seen: str | None
    selection: Selection
    shard: Shard | None
    window: Window | None
    kill_file: Path | None
    max_invalid: float
    max_failures: float
    hold_after: int | None
    plan_ttl: float
    runs_dir: Path
    run_dir: Path | None
    key_file: Path | None
    on_ambiguous: str
    max_attempts: int
    timeout: float
    grace: float
    give_up_after: float
    max_duration: float | None
    metrics_file: Path | None
    metrics_port: tuple[str, int] | None
    notify: tuple[str, ...] = field(repr=False)  # the address of a hook is often its secret
    heartbeat: str | None = field(repr=False)
    otel: bool

    @property
    def production(self) -> bool:
        """The profile says that this is the environment where it hurts."""
        return is_production(self.environment)

    @property
    def cap(self) -> int:
        """C: how many requests this process may have in flight."""
        return self.max_in_flight - self.leave_free

    def shown(self) -> dict[str, str]:
        """Return the guards and free settings that were set, by flag name; none is secret."""
        values = {name: getattr(self, name) for name in _SHOWN}
        return {
            name.replace("_", "-"): f"{value:g}" if isinstance(value, float) else str(value)
            for name, value in values.items()
            if value is not None
        }


def is_production(environment: str) -> bool:
    """Tell that a profile's environment asks for more."""
    return environment.casefold() in {"production", "prod", "live"}
