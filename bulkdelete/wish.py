"""What is to be planned, as a value: the parts, how they are read, what is left out of them."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkdelete.core.selection import Selection

if TYPE_CHECKING:
    from pathlib import Path

    from bulkdelete.core.layout import Reading
    from bulkdelete.core.shard import Shard
    from bulkdelete.core.target import Target
    from bulkdelete.reading import Part

MEMORY = 512 << 20
"""Bytes that a plan may take, unless something else is said."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to plan: the parts, how to read them, where it would go, what to leave out.

    `memory` in bytes is what the plan may take; what it needs beyond goes to the disk of `scratch`.
    """

    parts: "tuple[Part, ...]"
    inputs: tuple[str, ...]
    reading: "Reading"
    target: "Target"
    host: str | None
    account: str | None
    chunk_size: int
    protect: "tuple[Path, ...]" = ()
    environment: str = ""
    made_by: str = ""
    signatures: int = 0
    signers: "Path | None" = None
    last_seen: str | None = None
    exported_at: float | None = None
    sketch_seed: int | None = None
    selection: Selection = field(default_factory=Selection)
    shard: "Shard | None" = None
    memory: int = MEMORY
    scratch: "Path | None" = None
