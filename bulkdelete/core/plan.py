"""The plan as a document: what is bound, what was counted, and the digest that is approved.

The digest covers the bound settings, the counts and the content (the kinds and IDs of all chunks,
in order). It depends on no path, no clock and no key, so the same input, settings and planning
rules give the same digest everywhere. plan.json holds no ID.
"""

import hashlib

import msgspec

from bulkdelete.core.shard import Shard

SCHEMA = "bulkdelete.plan/1"
RULES_VERSION = 1
"""Version of the planning rules: raised when the same input could give another plan."""

SHORT_DIGEST = 12
"""Hex digits of a digest that are enough to approve it."""


class Protected(msgspec.Struct, frozen=True, omit_defaults=True):
    """A protect list: SHA-256 of its bytes, and how many entries it has.

    `columns` are those that its entries were taken from, where they are several.
    """

    sha256: str
    entries: int
    columns: tuple[str, ...] = ()


class Bound(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The settings that a plan is bound to; `host` and `account` are None in a draft.

    `column` is the place of the ID: a column's number, a JSON path, or "" for lines; per part.
    `last_seen` is the column of the last activity, and the time after which it protects;
    `signatures` how many others must sign, out of the file with the hash `signers`; `selection` the
    flags that say which records are meant, `normal` the ways in which IDs are put, `shard` which
    one of how many this plan is. What is left at its default is not in the digest, so that plans
    from before it existed keep theirs.
    """

    rules: int
    target: str
    host: str | None
    account: str | None
    format: tuple[str, ...]
    delimiter: tuple[str, ...]
    encoding: str
    header: bool
    column: tuple[str, ...]
    kind: str
    explode: bool
    chunk_size: int
    protect: tuple[Protected, ...]
    environment: str = ""
    last_seen: tuple[str, float] | None = None
    signatures: int = 0
    signers: str = ""
    quote: str = ""
    escape: str = ""
    selection: tuple[str, ...] = ()
    normal: tuple[str, ...] = ()
    shard: str = ""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan's one pass counted, in IDs; `chunks` in chunks."""

    read: int
    planned: int
    duplicate: int
    protected: int
    invalid: int
    excluded: int
    identities: int
    guids: int
    chunks: int


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The whole job that a plan is a shard of: the plan that there would be without shards."""

    content: str
    counts: Counts


class PartFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One input file: where it was, its bytes (as stored) and how many IDs were read from it.

    `version` is how a store tells one state of it from another; "" of a file here.
    """

    path: str
    sha256: str
    size: int
    records: int
    version: str = ""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the user said about the input, so that it is read again in the same way.

    `names`: columns that the target's lists are known by, each with its kind, and whether it holds
    lists; none at all for CleverTap's.
    """

    format: str
    delimiter: str | None
    encoding: str
    column: str | None
    header: bool
    id_type: str | None
    explode: bool
    quote: str | None = None
    escape: str | None = None
    normal: tuple[str, ...] = ()
    names: tuple[tuple[str, str, bool], ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """plan.json."""

    schema: str
    tool: str
    created: float
    digest: str
    bound: Bound
    content: str
    counts: Counts
    parts: tuple[PartFacts, ...]
    inputs: tuple[str, ...]
    protect: tuple[str, ...]
    reading: Reading
    reasons: tuple[str, ...]
    index_sha256: str
    seconds: float
    warnings: tuple[str, ...] = ()
    list_time: float = 0.0
    held_back: tuple[int, ...] = ()
    made_by: str = ""
    job: Job | None = None

    @property
    def whole(self) -> Counts:
        """The counts of the job: those that a person approves, and the guards look at."""
        return self.counts if self.job is None else self.job.counts

    @property
    def job_digest(self) -> str:
        """The digest of the job, the same for all its shards: that of its plan without shards."""
        if self.job is None:
            return self.digest
        bound = msgspec.structs.replace(self.bound, shard="")
        return digest(bound, self.job.content, self.job.counts)

    @property
    def shard(self) -> Shard | None:
        """Which one of how many this is, None of a whole job."""
        return Shard.parse(self.bound.shard) if self.bound.shard else None

    @property
    def draft(self) -> bool:
        """Made without account or region: to look at, not to apply."""
        return self.bound.host is None or self.bound.account is None

    def to_sign(self) -> bytes:
        """Return the text that a second person signs: this plan, of this run, and no other."""
        bound = self.bound
        return (
            "bulkdelete approval 1\n"
            f"plan {self.digest}\n"
            f"run {self.index_sha256}\n"
            f"made {self.created!r} by {self.made_by}\n"
            f"to {bound.account} at {bound.host} {bound.environment}\n"
            f"ids {self.counts.planned}\n"
        ).encode()

    def encode(self) -> bytes:
        """Return the file's bytes."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def digest(bound: Bound, content: str, counts: Counts, job: Job | None = None) -> str:
    """Return the digest to approve: "sha256:" and 64 hex digits."""
    what = (SCHEMA, bound, content, counts)
    text = msgspec.json.encode(what if job is None else (*what, job), order="sorted")
    return "sha256:" + hashlib.sha256(text).hexdigest()


def decode(data: bytes) -> Plan:
    """Read plan.json; ValueError when it is not one, or its digest does not fit its content."""
    try:
        plan = msgspec.json.decode(data, type=Plan)
    except msgspec.MsgspecError as error:
        raise ValueError(f"plan.json cannot be read: {error}") from error
    if plan.schema != SCHEMA:
        raise ValueError(f"plan.json has the unknown schema {plan.schema!r}")
    if plan.digest != digest(plan.bound, plan.content, plan.counts, plan.job):
        raise ValueError("plan.json does not fit its own digest")
    if (plan.shard is None) != (plan.job is None):
        raise ValueError("plan.json is of a shard without its job, or the other way round")
    return plan


def changes(old: Plan, new: Plan) -> list[str]:
    """Name what differs between two plans, in words a person can act on; [] when nothing does."""
    found = [
        _NAMES.get(name, name)
        for name in Bound.__struct_fields__
        if getattr(old.bound, name) != getattr(new.bound, name)
    ]
    contents = [tuple(part.sha256 for part in plan.parts) for plan in (old, new)]
    # Read with another column or as another kind, the same bytes give other content.
    if contents[0] != contents[1] or (not found and old.content != new.content):
        found.append("the input's content")
    return found


_NAMES = {
    "rules": "the planning rules (another version of the tool)",
    "target": "the target",
    "host": "the region or endpoint",
    "account": "the account",
    "format": "the input's format",
    "delimiter": "the delimiter",
    "quote": "--quote",
    "escape": "--escape",
    "selection": "--where, --skip, --limit or --sample",
    "shard": "--shard",
    "normal": "--numbers, --trim, --lower or --nfc",
    "header": "the header setting",
    "column": "the ID column",
    "kind": "the kind of ID",
    "chunk_size": "the chunk size",
    "protect": "a protect list",
    "environment": "the environment of the profile",
    "signatures": "how many signatures are demanded",
    "signers": "the file of allowed signers",
    "last_seen": "--last-seen or --exported-at",
}
