"""Which settings there are: how each is read, what it is by default, and from where it may come."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bulkdelete import targets
from bulkdelete.core.dialect import character
from bulkdelete.core.guards import PLAN_LIVES
from bulkdelete.core.live import FASTEST, MOST_IN_FLIGHT, SLOWEST
from bulkdelete.core.model import MAX_IDS_PER_CHUNK, Kind
from bulkdelete.core.shard import Shard
from bulkdelete.core.target import Target
from bulkdelete.core.times import Window
from bulkdelete.settings import values

PREFIX = "BULKDELETE_"


@dataclass(frozen=True, slots=True)
class Field:
    """How a setting is read, and from where it may come.

    `only`: from a "flag" or from a "profile", and from nowhere else. `ceiling`: a smaller value is
    the stricter one; so a file may not raise the default, and a variable not what the file says.
    `place`: it says where to; a variable may not contradict the profile.
    """

    parse: Callable[[Any], Any]
    default: Any = None
    env: str | None = None
    only: str = ""
    ceiling: bool = False
    place: bool = False


_MOST = 10**12
_BY_TARGET = "?"
FIELDS: Final[Mapping[str, Field]] = {
    "target": Field(values.text, targets.FIRST, place=True),
    "id_type": Field(values.text),
    "column": Field(values.text),
    "no_header": Field(values.flag, default=False),
    "explode": Field(values.flag, default=False),
    "format": Field(
        values.choice("auto", "csv", "jsonl", "json", "lines", "parquet", "arrow"), "auto"
    ),
    "delimiter": Field(lambda value: character("--delimiter", values.text(value))),
    "quote": Field(
        lambda value: value if value == "none" else character("--quote", values.text(value))
    ),
    "escape": Field(lambda value: character("--escape", values.text(value))),
    "encoding": Field(values.text, "utf-8"),
    "numbers": Field(values.flag, default=False),
    "trim": Field(values.flag, default=False),
    "lower": Field(values.flag, default=False),
    "nfc": Field(values.flag, default=False),
    "where": Field(values.conditions, (), only="flag"),
    "skip": Field(values.number(0, _MOST, int), 0, only="flag"),
    "limit": Field(values.number(1, _MOST, int), only="flag"),
    "sample": Field(values.number(1, _MOST, int), only="flag"),
    "seed": Field(values.number(0, _MOST, int), only="flag"),
    "shard": Field(lambda value: Shard.parse(values.text(value))),
    "region": Field(values.text, place=True),
    "endpoint": Field(values.text, place=True),
    "account_id": Field(values.text, env=_BY_TARGET, place=True),
    "environment": Field(values.text, only="profile"),
    "signers": Field(values.path, only="profile"),
    "signatures": Field(values.number(1, 9, int), only="profile"),
    "passcode_file": Field(values.path),
    "slots": Field(values.keeper, place=True),
    "slots_password_file": Field(values.path),
    "max_in_flight": Field(values.number(1, MOST_IN_FLIGHT, int)),
    "leave_free": Field(values.number(0, MOST_IN_FLIGHT, int), 0),
    "rate": Field(values.number(SLOWEST, FASTEST)),
    "chunk_size": Field(values.number(1, MAX_IDS_PER_CHUNK, int)),
    "memory": Field(values.size, 512 << 20),
    "protect": Field(values.paths, ()),
    "max_deletes": Field(values.number(1, _MOST, int), ceiling=True),
    "expect_count": Field(values.number(0, _MOST, int)),
    "max_percent": Field(values.number(0, 100), ceiling=True),
    "population": Field(values.number(1, _MOST, int)),
    "max_list_age": Field(values.duration, ceiling=True),
    "exported_at": Field(values.when, only="flag"),
    "last_seen": Field(values.text),
    "window": Field(lambda value: Window.parse(values.text(value))),
    "kill_file": Field(values.path),
    "max_invalid": Field(values.number(0, 100), 1.0, ceiling=True),
    "max_failures": Field(values.number(0, 100), 5.0, ceiling=True),
    "hold_after": Field(values.number(1, _MOST, int)),
    "plan_ttl": Field(values.duration, PLAN_LIVES, ceiling=True),
    "runs_dir": Field(values.path, Path("bulkdelete-runs")),
    "run_dir": Field(values.path),
    "key_file": Field(values.path),
    "on_ambiguous": Field(values.choice("resend", "hold"), "resend"),
    "max_attempts": Field(values.number(1, 100, int), 5),
    "timeout": Field(values.number(0.1, 3600), 60.0),
    "grace": Field(values.number(0, 3600), 10.0),
    "give_up_after": Field(values.duration, 900.0),
    "max_duration": Field(values.duration),
    "metrics_file": Field(values.path),
    "metrics_port": Field(values.listen),
    "notify": Field(values.notices, ()),
    "heartbeat": Field(values.hook),
    "otel": Field(values.flag, default=False),
}
"""All settings; what depends on the target is put in by `fields_for`."""

ELSEWHERE = {"PROFILE", "LOG_FORMAT", "LOG_LEVEL", "QUIET", "NO_COLOR", "SLOTS_PASSWORD"}


def fields_for(target: Target) -> Mapping[str, Field]:
    """Return how each setting is read, where it goes to this target."""
    fastest = FASTEST if target.rate is None else target.rate
    return {
        **FIELDS,
        "id_type": Field(_kind(target)),
        "account_id": replace(FIELDS["account_id"], env=target.account_variable),
        "max_in_flight": replace(FIELDS["max_in_flight"], default=target.in_flight),
        "rate": Field(values.number(SLOWEST, fastest), target.rate),
        "chunk_size": Field(values.number(1, target.max_ids, int), target.max_ids),
    }


def _kind(target: Target) -> Callable[[Any], Kind]:
    """Return what reads a kind of ID, by the program's word for it or the vendor's."""

    def parse(value: Any) -> Kind:  # noqa: ANN401 - text, or any value of TOML
        kind = target.kind_of(value) if isinstance(value, str) else None
        if kind is None:
            words = dict.fromkeys([*target.kinds, *target.kinds.values()])
            raise ValueError(f"one of {', '.join(words)} is wanted")
        return kind

    return parse
