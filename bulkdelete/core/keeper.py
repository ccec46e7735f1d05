"""Who keeps an account's slots for many machines: a Redis and what it must be, or Dask."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

LONGEST_TIMEOUT = 60.0
"""Seconds that a request may take where its slot is leased: a lease outlives it."""

OLDEST = (5, 0)
"""Version of Redis from which on scripts write what they decide by the server's clock."""

_NAME = re.compile(r"[A-Za-z0-9._:-]{1,253}")


@dataclass(frozen=True, slots=True)
class Keeper:
    """The address of a Redis; `str` shows it without who asks, and the password is in no repr."""

    host: str
    port: int = 6379
    db: int = 0
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> "Keeper":
        """Read redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], or rediss:// with TLS; ValueError."""
        wanted = "redis://HOST:PORT/DB is wanted, or rediss:// with TLS"
        parts = urlsplit(text)
        try:
            port = parts.port
        except ValueError as error:
            raise ValueError(wanted) from error
        db = parts.path.strip("/")
        strange = parts.query or parts.fragment or not (db == "" or db.isdecimal())
        if (
            parts.scheme not in {"redis", "rediss"}
            or not _NAME.fullmatch(parts.hostname or "")
            or strange
        ):
            raise ValueError(wanted)
        return cls(
            host=parts.hostname or "",
            port=port or 6379,
            db=int(db or 0),
            tls=parts.scheme == "rediss",
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"redis{'s' if self.tls else ''}://{host}:{self.port}/{self.db}"


@dataclass(frozen=True, slots=True)
class Scheduler:
    """A Dask scheduler that counts the slots of an account: so many for all of its workers.

    `identity` is that of this start of it: one that was restarted knows nothing of its leases.
    """

    address: str
    most: int
    identity: str

    def __post_init__(self) -> None:
        if not self.address or not self.identity or self.most < 1:
            raise ValueError("an account has a slot at least, and somebody counts")

    def __str__(self) -> str:
        return f"dask {self.address}"


def unfit(info: Mapping[str, object]) -> str | None:
    """Say why a Redis cannot keep slots, by its INFO; None when it can."""
    version = str(info.get("redis_version", "0"))
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST:
        return f"is too old ({version}): 5.0 or later is needed"
    if str(info.get("cluster_enabled", "0")) == "1":
        return "is a node of a Redis Cluster, which is not followed: name a Redis of its own"
    if not info.get("run_id"):
        return "does not say its run_id in INFO: a restart of it would not be noticed"
    if str(info.get("role", "unknown")) != "master":
        return "is a replica, or says no role: name the primary, or an address that follows it"
    return None


_CODE = re.compile(r"\b[A-Z]{3,}\b")

_PASSING = frozenset(
    {
        *("BUSY", "LOADING", "MISCONF", "NOREPLICAS", "OOM", "OutOfMemory", "READONLY"),
        *("ReadOnly", "CLUSTERDOWN", "ClusterDown", "MASTERDOWN", "MasterDown", "TRYAGAIN"),
    }
)
"""Why a Redis may refuse for a while; `OOM` and the like, or what redis-py made of it."""


def code_word(refusal: str) -> str:
    """Return the code word of a refusal (NOPERM, OOM, BUSY), also one that came of a script."""
    words = [one for one in _CODE.findall(refusal) if one not in {"ERR", "ACL"}]
    return words[0] if words else ""


def passes(word: str) -> bool:
    """Tell whether a Redis that refuses with this word may do what is asked a while later."""
    return word in _PASSING


def evicts(info: Mapping[str, object]) -> str | None:
    """Say how a Redis may drop keys that are in use, by its INFO; None when it does not."""
    policy = str(info.get("maxmemory_policy", "noeviction"))
    limited = str(info.get("maxmemory", "0")) != "0"
    # No key of ours expires, so only what evicts any key can hit it.
    return policy if limited and policy.startswith("allkeys-") else None
