"""The lists that are sent: planned once by the real planner from real files, then kept."""

import asyncio
import tempfile
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from bulkdelete.core import checkpoint as log
from bulkdelete.core.digests import account_tag
from bulkdelete.core.index import ChunkEntry
from bulkdelete.core.layout import Format, Reading
from bulkdelete.core.model import Chunk, Kind
from bulkdelete.core.plan import Plan
from bulkdelete.io.rundir import IndexFile
from bulkdelete.planning import make_plan
from bulkdelete.reading import Part, planned_chunks
from bulkdelete.targets.clevertap import CLEVERTAP
from bulkdelete.wish import Wish

KEY = bytes(range(32))
HOST = "https://in1.api.clevertap.com"
ACCOUNT = "SIM-ACCOUNT"
CREATED = 1_800_000_000.0
"""The time of day at which every plan is made."""

SHAPES = 48
"""How many small lists there are; the large ones follow."""

LARGE = 6


@dataclass(frozen=True)
class Listed:
    """A planned list. `place` finds the chunk and the position of an ID of a kind."""

    plan: Plan
    chunks: tuple[Chunk, ...]
    entries: tuple[ChunkEntry, ...]
    header: bytes
    place: dict[tuple[str, str], tuple[int, int]]
    kept_out: frozenset[tuple[str, str]]
    """What was read and must never be sent: protected and invalid IDs."""

    @property
    def ids(self) -> int:
        """How many IDs are planned."""
        return self.plan.counts.planned


@cache
def planned_list(number: int) -> Listed:
    """Return list `number`, 0..SHAPES+LARGE-1."""
    return asyncio.run(_plan(number))


async def _plan(number: int) -> Listed:
    dice = Random(number)
    chunk_size = 1 + number % 5
    wanted = 1 + number % 8 if number < SHAPES else dice.randrange(11, 40)
    count = max(1, wanted * chunk_size - dice.randrange(chunk_size))
    mixed = number % 3 == 0
    rows, protected = _rows(dice, count, mixed=mixed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        source, guarded = place / "list.csv", place / "protect.csv"
        source.write_text("Type,Identity\n" + "".join(f"{k},{v}\n" for k, v in rows))
        guarded.write_text("Type,Identity\n" + "".join(f"{k},{v}\n" for k, v in protected))
        parts = (Part(source, "list.csv"),)
        wish = Wish(
            parts=parts,
            inputs=("list.csv",),
            reading=Reading(
                format=Format.AUTO,
                delimiter=None,
                encoding="utf-8",
                column=None,
                header=True,
                id_type=None,
                explode=False,
            ),
            target=CLEVERTAP,
            host=HOST,
            account=ACCOUNT,
            chunk_size=chunk_size,
            protect=(guarded,) if protected else (),
        )
        made = await make_plan(wish, KEY, tool="simulation", created=CREATED)
        (place / "plan.index").write_bytes(b"".join(made.sections))
        index = IndexFile(place / "plan.index")
        try:
            async with aclosing(planned_chunks(made.plan, parts, index, None)) as stream:
                chunks = tuple([chunk async for chunk in stream])
            entries = tuple(index.chunk(seq) for seq in range(len(chunks)))
        finally:
            index.close()
    return _listed(made.plan, chunks, entries, rows)


def _rows(
    dice: Random, count: int, *, mixed: bool
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return rows of a list, some of them not to be sent, and the protected ones."""
    kinds = ["g" if mixed and dice.random() < 0.4 else "i" for _ in range(count)]
    rows = [(kind, f"sim-{one:04d}") for one, kind in enumerate(kinds)]
    rows += [dice.choice(rows) for _ in range(dice.randrange(3))]
    protected = [("i", f"sim-vip-{one}") for one in range(dice.randrange(3))]
    rows += [(kind, name.upper() if dice.random() < 0.5 else name) for kind, name in protected]
    rows += [("i", "null")] * dice.randrange(2)
    dice.shuffle(rows)
    return rows, protected


def _listed(
    plan: Plan,
    chunks: tuple[Chunk, ...],
    entries: tuple[ChunkEntry, ...],
    rows: list[tuple[str, str]],
) -> Listed:
    header = log.Header(
        format=log.FORMAT_VERSION,
        tool="simulation",
        run="simulated",
        plan=plan.digest,
        plan_file="0" * 64,
        host=HOST,
        account=account_tag(KEY, ACCOUNT),
        chunks=len(chunks),
        at=CREATED,
    )
    place = {
        (chunk.kind.value, one): (chunk.seq, position)
        for chunk in chunks
        for position, one in enumerate(chunk.ids)
    }
    kinds = {"i": Kind.IDENTITY.value, "g": Kind.GUID.value}
    read = {(kinds[kind], one) for kind, one in rows}
    return Listed(
        plan,
        chunks,
        entries,
        log.Writer().group([header]),
        place,
        frozenset(read - set(place)),
    )
