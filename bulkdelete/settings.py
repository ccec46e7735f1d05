"""Settings: flags > environment > profile > default, each value checked once, none blank.

Some things are said by a flag or not at all (approval, renewal, every way round a guard): a
variable or a file that was forgotten somewhere must not be able to delete anybody.
"""

import math
import re
import shlex
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bulkdelete import targets
from bulkdelete.core.dialect import character
from bulkdelete.core.guards import PLAN_LIVES
from bulkdelete.core.keeper import LONGEST_TIMEOUT, Keeper
from bulkdelete.core.layout import Format, Reading
from bulkdelete.core.live import FASTEST, MOST_IN_FLIGHT, SLOWEST
from bulkdelete.core.model import MAX_IDS_PER_CHUNK, Kind
from bulkdelete.core.selection import NORMAL, Condition, Selection
from bulkdelete.core.shard import Shard
from bulkdelete.core.target import Target, is_loopback, is_private
from bulkdelete.core.times import Window, instant
from bulkdelete.errors import UsageError
from bulkdelete.io import files

PREFIX = "BULKDELETE_"
CONFIG_FILE = "bulkdelete.toml"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks; the passcode never shows in a repr."""

    account: str
    passcode: str = field(repr=False)


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
    slots: Keeper | None
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


# --- one value ---


def _number(least: float, most: float, kind: type = float) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:  # noqa: ANN401 - text, or a number of TOML
        if isinstance(value, bool):
            raise ValueError("a number is wanted")  # noqa: TRY004 - all reasons are ValueErrors
        number = kind(value) if not isinstance(value, float) or kind is float else kind(str(value))
        if not math.isfinite(number) or not least <= number <= most:
            raise ValueError(f"{least:g} to {most:g} is allowed")
        return number

    return parse


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")


def duration(value: Any) -> float:  # noqa: ANN401 - text, or a number of TOML
    """Read a duration such as `90`, `90s`, `15m`, `24h` or `7d`; ValueError otherwise."""
    found = _DURATION.fullmatch(str(value).strip())
    if not found or not float(found[1]):
        raise ValueError("a duration such as 90s, 15m, 24h or 7d is wanted")
    return float(found[1]) * _UNITS[found[2] or "s"]


_SIZE = re.compile(r"(\d+) ?([KMG])i?B?", re.IGNORECASE)
_FACTORS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_LEAST_MEMORY, _MOST_MEMORY = 64 << 20, 1 << 40


def _size(value: Any) -> int:  # noqa: ANN401 - text, or any value of TOML
    """Read a size such as `512MB` or `2G`, in powers of 1024."""
    found = _SIZE.fullmatch(str(value).strip())
    if not found:
        raise ValueError("a size such as 512MB or 2GB is wanted")
    size = int(found[1]) * _FACTORS[found[2].lower()]
    if not _LEAST_MEMORY <= size <= _MOST_MEMORY:
        raise ValueError("64MB to 1024GB is allowed")
    return size


def _instant(value: Any) -> float:  # noqa: ANN401 - text, or a time of TOML
    try:
        return instant(value.isoformat() if isinstance(value, date) else str(value))
    except ValueError as error:
        raise ValueError("a time such as 2026-11-24T02:00:00Z is wanted") from error


def _choice(*allowed: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:  # noqa: ANN401 - text, or any value of TOML
        if value not in allowed:
            raise ValueError(f"one of {', '.join(allowed)} is wanted")
        return str(value)

    return parse


def _text(value: Any) -> str:  # noqa: ANN401 - text, or any value of TOML
    if not isinstance(value, str):
        raise ValueError("text is wanted")  # noqa: TRY004 - all reasons are ValueErrors
    return value


def _flag(value: Any) -> bool:  # noqa: ANN401 - text, or any value of TOML
    if value in {True, "true", "yes", "1"}:
        return True
    if value in {False, "false", "no", "0"}:
        return False
    raise ValueError("true or false is wanted")


def _path(value: Any) -> Path:  # noqa: ANN401 - text, or any value of TOML
    text = _text(value)
    if "://" in text:
        raise ValueError("a file of this machine is wanted, no address")
    return Path(text).expanduser()


def _conditions(value: Any) -> tuple[Condition, ...]:  # noqa: ANN401 - texts
    return tuple(map(Condition.parse, value))


def _paths(value: Any) -> tuple[Path, ...]:  # noqa: ANN401 - text, or any value of TOML
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(_path(one if isinstance(one, str) else str(one)) for one in values)


def _hook(value: Any) -> str:  # noqa: ANN401 - text, or any value of TOML
    """Read the URL of a hook: https, or http on this machine."""
    parts = urlsplit(_text(value))
    host = parts.hostname or ""
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise ValueError("an https:// URL is wanted (http:// only on this machine)")
    return str(value)


def _keeper(value: Any) -> Keeper:  # noqa: ANN401 - text, or any value of TOML
    return Keeper.parse(_text(value))


def _notices(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - text, or any value of TOML
    """Read URLs and commands."""
    found = value if isinstance(value, list | tuple) else [value]
    return tuple(_hook(one) if "://" in _text(one) else one for one in found if _words(one))


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise ValueError("a URL or a command is wanted, with its quotes closed") from error


def _listen(value: Any) -> tuple[str, int]:  # noqa: ANN401 - text, or a number of TOML
    """Read a port, or ADDRESS:PORT; alone it is one of this machine's own address only."""
    host, _, port = str(value).rpartition(":")
    if not port.isdecimal() or not 1 <= int(port) <= _MOST_PORT:
        raise ValueError("a port, or ADDRESS:PORT, is wanted")
    return host.strip("[]") or "127.0.0.1", int(port)


_MOST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class _Field:
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
FIELDS: Final[Mapping[str, _Field]] = {
    "target": _Field(_text, targets.FIRST, place=True),
    "id_type": _Field(_text),
    "column": _Field(_text),
    "no_header": _Field(_flag, default=False),
    "explode": _Field(_flag, default=False),
    "format": _Field(_choice("auto", "csv", "jsonl", "json", "lines", "parquet", "arrow"), "auto"),
    "delimiter": _Field(lambda value: character("--delimiter", _text(value))),
    "quote": _Field(lambda value: value if value == "none" else character("--quote", _text(value))),
    "escape": _Field(lambda value: character("--escape", _text(value))),
    "encoding": _Field(_text, "utf-8"),
    "numbers": _Field(_flag, default=False),
    "trim": _Field(_flag, default=False),
    "lower": _Field(_flag, default=False),
    "nfc": _Field(_flag, default=False),
    "where": _Field(_conditions, (), only="flag"),
    "skip": _Field(_number(0, _MOST, int), 0, only="flag"),
    "limit": _Field(_number(1, _MOST, int), only="flag"),
    "sample": _Field(_number(1, _MOST, int), only="flag"),
    "seed": _Field(_number(0, _MOST, int), only="flag"),
    "shard": _Field(lambda value: Shard.parse(_text(value))),
    "region": _Field(_text, place=True),
    "endpoint": _Field(_text, place=True),
    "account_id": _Field(_text, env=_BY_TARGET, place=True),
    "environment": _Field(_text, only="profile"),
    "signers": _Field(_path, only="profile"),
    "signatures": _Field(_number(1, 9, int), only="profile"),
    "passcode_file": _Field(_path),
    "slots": _Field(_keeper, place=True),
    "slots_password_file": _Field(_path),
    "max_in_flight": _Field(_number(1, MOST_IN_FLIGHT, int)),
    "leave_free": _Field(_number(0, MOST_IN_FLIGHT, int), 0),
    "rate": _Field(_number(SLOWEST, FASTEST)),
    "chunk_size": _Field(_number(1, MAX_IDS_PER_CHUNK, int)),
    "memory": _Field(_size, 512 << 20),
    "protect": _Field(_paths, ()),
    "max_deletes": _Field(_number(1, _MOST, int), ceiling=True),
    "expect_count": _Field(_number(0, _MOST, int)),
    "max_percent": _Field(_number(0, 100), ceiling=True),
    "population": _Field(_number(1, _MOST, int)),
    "max_list_age": _Field(duration, ceiling=True),
    "exported_at": _Field(_instant, only="flag"),
    "last_seen": _Field(_text),
    "window": _Field(lambda value: Window.parse(_text(value))),
    "kill_file": _Field(_path),
    "max_invalid": _Field(_number(0, 100), 1.0, ceiling=True),
    "max_failures": _Field(_number(0, 100), 5.0, ceiling=True),
    "hold_after": _Field(_number(1, _MOST, int)),
    "plan_ttl": _Field(duration, PLAN_LIVES, ceiling=True),
    "runs_dir": _Field(_path, Path("bulkdelete-runs")),
    "run_dir": _Field(_path),
    "key_file": _Field(_path),
    "on_ambiguous": _Field(_choice("resend", "hold"), "resend"),
    "max_attempts": _Field(_number(1, 100, int), 5),
    "timeout": _Field(_number(0.1, 3600), 60.0),
    "grace": _Field(_number(0, 3600), 10.0),
    "give_up_after": _Field(duration, 900.0),
    "max_duration": _Field(duration),
    "metrics_file": _Field(_path),
    "metrics_port": _Field(_listen),
    "notify": _Field(_notices, ()),
    "heartbeat": _Field(_hook),
    "otel": _Field(_flag, default=False),
}
"""All settings; what depends on the target is put in by `_fields`."""

_ELSEWHERE = {"PROFILE", "LOG_FORMAT", "LOG_LEVEL", "QUIET", "NO_COLOR", "SLOTS_PASSWORD"}


# --- all of them ---


def resolve(
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    profile: Mapping[str, Any],
    planned: str | None = None,
    file: str = CONFIG_FILE,
) -> Settings:
    """Put the settings together; UsageError names the flag, variable or key at fault.

    `flags` maps names to what was given on the command line (None: not given); `planned` is the
    target of the plan that they are for, if there is one; `file` is where the profile stands.
    """
    _check_variables(environment)
    chosen = FIELDS["target"]
    if planned is not None:
        chosen = replace(chosen, default=planned)
    target = targets.find(_value("target", chosen, flags.get("target"), environment, profile, file))
    values = {
        name: _value(name, one, flags.get(name), environment, profile, file)
        for name, one in _fields(target).items()
    }
    host = _host(target, values, by_flag=flags.get("endpoint") is not None)
    values["slots"] = _slots(values, environment, by_flag=flags.get("slots") is not None)
    return _settings(target, values, host)


def _fields(target: Target) -> Mapping[str, _Field]:
    """Return how each setting is read, where it goes to this target."""
    fastest = FASTEST if target.rate is None else target.rate
    return {
        **FIELDS,
        "id_type": _Field(_kind(target)),
        "account_id": replace(FIELDS["account_id"], env=target.account_variable),
        "max_in_flight": replace(FIELDS["max_in_flight"], default=target.in_flight),
        "rate": _Field(_number(SLOWEST, fastest), target.rate),
        "chunk_size": _Field(_number(1, target.max_ids, int), target.max_ids),
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


def _value(
    name: str,
    one: _Field,
    flag: Any,  # noqa: ANN401 - what a flag gave
    environment: Mapping[str, str],
    profile: Mapping[str, Any],
    file: str,
) -> Any:  # noqa: ANN401 - any setting
    """Return one setting: the nearest word counts, but protect lists add up."""
    variable = one.env or PREFIX + name.upper()
    found = []
    if flag not in (None, False, ()):
        found.append(_checked(one, flag, "--" + name.replace("_", "-")))
    if variable in environment and not one.only:
        found.append(_checked(one, environment[variable], variable))
    if name in profile:
        where = f"{name.replace('_', '-')} in {file}"
        found.append(_checked(one, profile[name], where))
        by_flag = flag not in (None, False, ())
        _check_against_profile(one, found, where, variable, by_flag=by_flag)
    if name == "protect":
        return tuple(dict.fromkeys(path for paths in found for path in paths))
    return found[0] if found else one.default


def _check_against_profile(
    one: _Field, found: list[Any], where: str, variable: str, *, by_flag: bool
) -> None:
    """Refuse a file that loosens a guard, and a variable that contradicts or loosens the file."""
    said = found[-1]
    if one.only == "flag":
        raise UsageError("config", f"{where}: this is said by a flag, or not at all")
    if one.ceiling and one.default is not None and not said <= one.default:
        raise UsageError(
            "loosens",
            f"{where} loosens a guard, and a file may only tighten it",
            f"leave it out, or say it by the flag; at most {one.default:g} is allowed there",
        )
    if by_flag or len(found) == 1:
        return
    if one.place and str(found[0]) != str(said):  # a place, without who asks there
        raise UsageError(
            "two_places",
            f"{variable} in the environment contradicts {where}; nothing was sent",
            f"unset {variable}, or say by a flag which one is meant",
        )
    if one.ceiling and not found[0] <= said:
        raise UsageError(
            "loosens",
            f"{variable} loosens what {where} says; nothing was sent",
            f"unset {variable}, or say it by the flag",
        )


def checked(name: str, value: str) -> Any:  # noqa: ANN401 - any setting
    """Read one setting that a flag gives; UsageError names the flag."""
    return _checked(FIELDS[name], value, "--" + name.replace("_", "-"))


def _checked(one: _Field, value: Any, where: str) -> Any:  # noqa: ANN401 - any setting
    texts = value if isinstance(value, list | tuple) else (value,)
    if any(isinstance(text, str) and not text.strip() and text != "\t" for text in texts):
        raise UsageError("blank", f"{where} is blank; a blank value never means a default")
    try:
        return one.parse(value)
    except (ValueError, TypeError, OverflowError) as error:
        text = str(error)
        reason = text if "wanted" in text or "allowed" in text else "that is not a number"
        raise UsageError("bad_value", f"{where}: {reason}") from error


def _check_variables(environment: Mapping[str, str]) -> None:
    known = {
        PREFIX + name.upper() for name, one in FIELDS.items() if one.env is None and not one.only
    }
    known |= {PREFIX + name for name in _ELSEWHERE}
    for name in environment:
        if name.startswith(PREFIX) and name not in known:
            raise UsageError(
                "unknown_variable",
                f"the environment sets {name}, which is no setting, or one that only a flag gives",
                f"unset {name}",
            )


def _settings(target: Target, values: Mapping[str, Any], host: str | None) -> Settings:
    if values["leave_free"] >= values["max_in_flight"]:
        raise UsageError("leave_free", "--leave-free leaves no slot of --max-in-flight to use")
    if (values["max_percent"] is None) != (values["population"] is None):
        raise UsageError(
            "percent_of_what",
            "--max-percent and --population go together: a share of how many users?",
        )
    if values["last_seen"] is not None and values["exported_at"] is None:
        raise UsageError(
            "exported_at_needed",
            "--last-seen needs --exported-at: active after which time?",
        )
    if values["signatures"] is not None and values["signers"] is None:
        raise UsageError("signers_missing", "signatures are demanded, and no file of signers named")
    account = values["account_id"]
    if account is not None:
        _visible(account, "the account ID")
    plain = {
        name: value
        for name, value in values.items()
        if name in Settings.__dataclass_fields__ and name not in {"reading", "target"}
    }
    # Who names signers wants a signature.
    plain["signatures"] = values["signatures"] or (1 if values["signers"] else 0)
    plain["environment"] = values["environment"] or ""
    return Settings(
        **plain,
        reading=Reading(
            format=Format(values["format"]),
            delimiter=values["delimiter"],
            quote=values["quote"],
            escape=values["escape"],
            encoding=values["encoding"],
            column=values["column"],
            header=not values["no_header"],
            id_type=values["id_type"],
            explode=values["explode"],
            normal=tuple(way for way in NORMAL if values[way]),
            names=target.columns,
        ),
        selection=_selection(values),
        target=target,
        host=host,
        account=account,
    )


def _selection(values: Mapping[str, Any]) -> Selection:
    if values["seed"] is not None and values["sample"] is None:
        raise UsageError("selection", "--seed is that of --sample")
    return Selection(
        where=values["where"],
        skip=values["skip"],
        limit=values["limit"],
        sample=values["sample"],
        seed=values["seed"] or 0,
    )


# --- where it goes ---


def _host(target: Target, values: Mapping[str, Any], *, by_flag: bool) -> str | None:
    region, endpoint = values["region"], values["endpoint"]
    if endpoint is None:
        return None if region is None else _of_region(target, region)
    host = endpoint_host(target, endpoint)
    if region is not None and _of_region(target, region) != host:
        raise UsageError("two_places", "--region and --endpoint name different places; give one")
    if host not in target.regions.values() and not by_flag:
        raise UsageError(
            "endpoint", "an endpoint outside the region table is given by --endpoint, or not at all"
        )
    return host


def _of_region(target: Target, region: str) -> str:
    with suppress(ValueError):
        region = target.dashboard(urlsplit(region).hostname or "") or region
    if region not in target.regions:
        known = " ".join(target.regions)
        raise UsageError("region", f"there is no such region; there are: {known}")
    return target.regions[region]


def endpoint_host(target: Target, endpoint: str) -> str:
    """Return the base URL that an endpoint or dashboard address means; UsageError if none."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError as error:
        raise UsageError("endpoint", "--endpoint is not a URL") from error
    name = parts.hostname or ""
    if region := target.dashboard(name):
        return _of_region(target, region)
    if parts.scheme not in {"http", "https"} or not name or parts.username or parts.query:
        raise UsageError("endpoint", "--endpoint wants https://HOST (or http:// for loopback)")
    if parts.scheme == "http" and not is_loopback(name):
        raise UsageError("endpoint", "http:// is only for a loopback address")
    if parts.path.rstrip("/"):
        raise UsageError("endpoint", "--endpoint wants the base of the URL, without a path")
    if is_private(name):
        raise UsageError("endpoint", "private and link-local addresses are refused")
    shown = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


# --- who keeps the slots ---


def _slots(
    values: Mapping[str, Any], environment: Mapping[str, str], *, by_flag: bool
) -> Keeper | None:
    """Return the Redis that keeps the slots, with its password; UsageError for one that shows."""
    keeper: Keeper | None = values["slots"]
    place = values["slots_password_file"]
    variable = f"{PREFIX}SLOTS_PASSWORD"
    if keeper is None:
        if place is not None:
            raise UsageError("slots_missing", "--slots-password-file is that of --slots: which?")
        return None
    if by_flag and keeper.password is not None:
        raise UsageError(
            "password_shows",
            "--slots holds a password, and all on this machine can read a command line",
            f"put it in {variable}, in BULKDELETE_SLOTS, or in --slots-password-file (0600)",
        )
    if values["timeout"] > LONGEST_TIMEOUT:
        raise UsageError(
            "slots_timeout",
            f"with --slots a request may take {LONGEST_TIMEOUT:g} s at most: its slot is leased",
            f"say --timeout {LONGEST_TIMEOUT:g}, or less",
        )
    password = environment.get(variable)
    if place is not None:
        password = files.read_secret(place, "the file of the slots' password")
    return keeper if password is None else replace(keeper, password=password)


# --- credentials and the config file ---

_VISIBLE = re.compile(r"[!-~]{1,256}")


def _visible(value: str, what: str) -> str:
    if not _VISIBLE.fullmatch(value):
        raise UsageError("credentials", f"{what} is blank, or holds spaces, newlines or non-ASCII")
    return value


def credentials(settings: Settings, environment: MutableMapping[str, str]) -> Credentials:
    """Return who asks; UsageError when something is missing.

    The passcode is taken out of the environment, so that no child process inherits it.
    """
    if settings.account is None:
        raise UsageError(
            "account_missing",
            "the account is not named; nothing was sent",
            f"set {settings.target.account_variable} or give --account-id",
        )
    variable = settings.target.secret_variable
    passcode = environment.pop(variable, None)
    if settings.passcode_file is not None:
        passcode = files.read_secret(settings.passcode_file, "the passcode file")
    if passcode is None:
        raise UsageError(
            "passcode_missing",
            "there is no passcode; nothing was sent",
            f"set {variable} or give --passcode-file",
        )
    return Credentials(settings.account, _visible(passcode, "the passcode"))


def load_profile(name: str | None, place: Path) -> Mapping[str, Any]:
    """Return a profile of bulkdelete.toml (`default` when none is named), {} when there is none.

    UsageError for a file that cannot be read, an unknown key, or a profile that is not there.
    """
    path = place / CONFIG_FILE
    if not path.is_file():
        if name is not None:
            raise UsageError("profile", f"there is no {CONFIG_FILE} here to find a profile in")
        return {}
    import tomllib  # noqa: PLC0415 - half a megabyte that a run without profiles does not need

    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError("config", f"{CONFIG_FILE} cannot be read: {error}") from error
    profiles = document.pop("profiles", {})
    tables = isinstance(profiles, dict) and all(isinstance(p, dict) for p in profiles.values())
    if document or not tables:
        raise UsageError("config", f"{CONFIG_FILE} holds something else than [profiles.NAME]")
    if name is not None and name not in profiles:
        raise UsageError("profile", f"{CONFIG_FILE} has no profile {name!r}")
    found = profiles.get(name or "default", {})
    values = {key.replace("-", "_"): value for key, value in found.items()}
    for key in values:
        if key not in FIELDS:
            raise UsageError("config", f"{CONFIG_FILE}: {key!r} is no setting of a profile")
    if "endpoint" in values:
        raise UsageError("config", f"{CONFIG_FILE}: an endpoint is said by a flag; name a region")
    return values
