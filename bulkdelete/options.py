"""The options of the library: the flags of the command line, as typed keywords.

    id_type="identity", max_deletes=50_000, plan_ttl="24h", protect=["vip.txt"]

Values are checked as flags are. Nothing comes from the environment or a bulkdelete.toml unless
settings made from them (`bulkdelete.settings.resolve`) are given instead.
"""

from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

from bulkdelete.approving import Consent
from bulkdelete.errors import UsageError
from bulkdelete.intake import Meant
from bulkdelete.settings import FIELDS, Settings, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bulkdelete.settings import Credentials

Place = str | PathLike[str]


class PlaceOptions(TypedDict, total=False):
    """Vendor, account and host."""

    target: str
    region: str
    endpoint: str
    account_id: str
    passcode_file: Place
    slots: str
    slots_password_file: Place
    key_file: Place


class GuardOptions(TypedDict, total=False):
    """What must hold before anything is sent; also of a plan that was made earlier."""

    protect: "Sequence[Place]"
    max_deletes: int
    expect_count: int
    max_percent: float
    population: int
    max_list_age: str | float
    plan_ttl: str | float


class PlanOptions(PlaceOptions, GuardOptions, total=False):
    """How a list is read, checked and kept."""

    id_type: Literal["identity", "guid"]
    column: str
    no_header: bool
    explode: bool
    format: Literal["auto", "csv", "jsonl", "json", "lines", "parquet", "arrow"]
    delimiter: str
    quote: str
    escape: str
    encoding: str
    where: "Sequence[str]"
    skip: int
    limit: int
    sample: int
    seed: int
    shard: str
    numbers: bool
    trim: bool
    lower: bool
    nfc: bool
    exported_at: "str | datetime"
    last_seen: str
    max_invalid: float
    chunk_size: int
    memory: str
    runs_dir: Place
    run_dir: Place
    accept_damage: "Sequence[str]"
    accept_anomaly: bool
    accept_protect_mismatch: bool


class SendOptions(TypedDict, total=False):
    """How it is sent, free on resume; and who said yes."""

    max_in_flight: int
    leave_free: int
    rate: float
    max_failures: float
    hold_after: int
    on_ambiguous: Literal["resend", "hold"]
    max_attempts: int
    timeout: float
    grace: float
    give_up_after: str | float
    window: str
    kill_file: Place
    max_duration: str | float
    metrics_file: Place
    metrics_port: int | str
    notify: "Sequence[str]"
    heartbeat: str
    otel: bool
    yes: bool
    approve: str
    renew: bool
    dry_run: bool


class RunOptions(PlanOptions, SendOptions, total=False):
    """All of it, and which run is meant."""

    again: bool
    abandon: bool
    must_resume: bool


class ApplyOptions(PlaceOptions, GuardOptions, SendOptions, total=False):
    """What may be said of a plan that was made earlier; `input`: where its files are now.

    `again`: also when the list was sent meanwhile.
    """

    input: "Sequence[Place]"
    again: bool


class VerifyOptions(PlaceOptions, total=False):
    """What is asked afterwards, and how."""

    full: bool
    sample: int
    seed: int
    ambiguous: bool
    watch_return: bool
    now: bool
    input: "Sequence[Place]"
    max_in_flight: int
    leave_free: int
    rate: float
    max_attempts: int
    timeout: float
    give_up_after: str | float


_ASKED = frozenset({"full", "sample", "seed", "ambiguous", "watch_return", "now", "input"})


def how_to_ask(options: VerifyOptions) -> "dict[str, object]":
    """Return what of these options is a setting; a sample of what was sent is none of a list."""
    return {name: value for name, value in options.items() if name not in _ASKED}


def consent(options: SendOptions) -> Consent:
    """Return what was said of approval."""
    return Consent(
        yes=options.get("yes", False),
        approve=options.get("approve"),
        renew=options.get("renew", False),
    )


def meant(options: PlanOptions) -> Meant:
    """Return what is meant though a guard would hold it."""
    return Meant(
        damage=words(options.get("accept_damage", ())),
        anomaly=options.get("accept_anomaly", False),
        protect_mismatch=options.get("accept_protect_mismatch", False),
    )


def check_names(options: "Mapping[str, object]", kind: type) -> None:
    """Refuse an option that is none: a guard whose name is misspelt would guard nothing."""
    for name in options:
        if name not in kind.__annotations__:
            raise UsageError("options", f"{name!r} is no option here; nothing was sent")


def words(places: "Place | Sequence[Place]") -> tuple[str, ...]:
    """Return paths, or one, as they would be typed."""
    return (str(places),) if isinstance(places, str | PathLike) else tuple(map(str, places))


def chosen(
    settings: Settings | None,
    options: "Mapping[str, object]",
    credentials: "Credentials | None" = None,
    planned: str | None = None,
) -> Settings:
    """Return the settings that were given, or those that the options make.

    `planned` is the target of the plan that they are for, if there is one.
    """
    named = {name: value for name, value in options.items() if name in FIELDS}
    if settings is None:
        if credentials is not None:
            named.setdefault("account_id", credentials.account)
        return resolve(as_flags(named), {}, {}, planned)
    if twice := sorted(named.keys() - {"protect"}):
        raise UsageError("settings", f"settings are given, and options besides: {twice[0]}")
    return settings


def as_flags(options: "Mapping[str, object]") -> dict[str, Any]:
    """Return options as flags would give them.

    UsageError for an empty list: of conditions it would mean all, of protect lists nobody.
    """
    for name, value in options.items():
        if isinstance(value, list | tuple) and not value:
            raise UsageError(
                "blank",
                f"{name} is an empty list; that never means a default; nothing was sent",
                "leave it out, or find out why there is nothing in it",
            )
    return {name: _as_flag(value) for name, value in options.items()}


def _as_flag(value: object) -> Any:  # noqa: ANN401 - what `resolve` takes from a flag
    """Return a value as a flag would give it: text, but for switches and lists."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, list | tuple):
        return tuple(map(str, value))
    if hasattr(value, "isoformat"):
        return cast("datetime", value).isoformat()
    return str(value)
