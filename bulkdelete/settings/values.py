"""One setting's value, read: from text, or from a value of TOML; ValueError says what is wanted."""

import math
import re
import shlex
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bulkdelete.core.keeper import Keeper
from bulkdelete.core.selection import Condition
from bulkdelete.core.target import is_loopback
from bulkdelete.core.times import instant


def number(least: float, most: float, kind: type = float) -> Callable[[Any], Any]:
    """Return what reads a number, from `least` to `most`."""

    def parse(value: Any) -> Any:  # noqa: ANN401 - text, or a number of TOML
        if isinstance(value, bool):
            raise ValueError("a number is wanted")  # noqa: TRY004 - all reasons are ValueErrors
        found = kind(value) if not isinstance(value, float) or kind is float else kind(str(value))
        if not math.isfinite(found) or not least <= found <= most:
            raise ValueError(f"{least:g} to {most:g} is allowed")
        return found

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


def size(value: Any) -> int:  # noqa: ANN401 - text, or any value of TOML
    """Read a size such as `512MB` or `2G`, in powers of 1024."""
    found = _SIZE.fullmatch(str(value).strip())
    if not found:
        raise ValueError("a size such as 512MB or 2GB is wanted")
    many = int(found[1]) * _FACTORS[found[2].lower()]
    if not _LEAST_MEMORY <= many <= _MOST_MEMORY:
        raise ValueError("64MB to 1024GB is allowed")
    return many


def when(value: Any) -> float:  # noqa: ANN401 - text, or a time of TOML
    """Read a time, in seconds since the epoch."""
    try:
        return instant(value.isoformat() if isinstance(value, date) else str(value))
    except ValueError as error:
        raise ValueError("a time such as 2026-11-24T02:00:00Z is wanted") from error


def choice(*allowed: str) -> Callable[[Any], str]:
    """Return what reads one of a few words."""

    def parse(value: Any) -> str:  # noqa: ANN401 - text, or any value of TOML
        if value not in allowed:
            raise ValueError(f"one of {', '.join(allowed)} is wanted")
        return str(value)

    return parse


def text(value: Any) -> str:  # noqa: ANN401 - text, or any value of TOML
    """Read text, whatever it says."""
    if not isinstance(value, str):
        raise ValueError("text is wanted")  # noqa: TRY004 - all reasons are ValueErrors
    return value


def flag(value: Any) -> bool:  # noqa: ANN401 - text, or any value of TOML
    """Read yes or no."""
    if value in {True, "true", "yes", "1"}:
        return True
    if value in {False, "false", "no", "0"}:
        return False
    raise ValueError("true or false is wanted")


def path(value: Any) -> Path:  # noqa: ANN401 - text, or any value of TOML
    """Read the name of a file of this machine."""
    said = text(value)
    if "://" in said:
        raise ValueError("a file of this machine is wanted, no address")
    return Path(said).expanduser()


def conditions(value: Any) -> tuple[Condition, ...]:  # noqa: ANN401 - texts
    """Read the conditions of --where."""
    return tuple(map(Condition.parse, value))


def paths(value: Any) -> tuple[Path, ...]:  # noqa: ANN401 - text, or any value of TOML
    """Read the names of files, or of one."""
    found = value if isinstance(value, list | tuple) else [value]
    return tuple(path(one if isinstance(one, str) else str(one)) for one in found)


def hook(value: Any) -> str:  # noqa: ANN401 - text, or any value of TOML
    """Read the URL of a hook: https, or http on this machine."""
    parts = urlsplit(text(value))
    host = parts.hostname or ""
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise ValueError("an https:// URL is wanted (http:// only on this machine)")
    return str(value)


def keeper(value: Any) -> Keeper:  # noqa: ANN401 - text, or any value of TOML
    """Read the address of who keeps the slots."""
    return Keeper.parse(text(value))


def notices(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - text, or any value of TOML
    """Read URLs and commands."""
    found = value if isinstance(value, list | tuple) else [value]
    return tuple(hook(one) if "://" in one else one for one in map(text, found) if _words(one))


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise ValueError("a URL or a command is wanted, with its quotes closed") from error


def listen(value: Any) -> tuple[str, int]:  # noqa: ANN401 - text, or a number of TOML
    """Read a port, or ADDRESS:PORT; alone it is one of this machine's own address only."""
    host, _, port = str(value).rpartition(":")
    if not port.isdecimal() or not 1 <= int(port) <= _MOST_PORT:
        raise ValueError("a port, or ADDRESS:PORT, is wanted")
    return host.strip("[]") or "127.0.0.1", int(port)


_MOST_PORT = 65_535
