"""Lists of many parts, planned by many workers: to the byte the plan that one process makes."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from bulkdelete.core.layout import Reading
from bulkdelete.core.selection import Condition, Selection
from bulkdelete.core.shard import Shard
from bulkdelete.io import inflating, source
from bulkdelete.lake import Crew
from bulkdelete.planning import Planned, make_plan
from bulkdelete.reading import Part
from bulkdelete.targets.clevertap import CLEVERTAP
from bulkdelete.wish import Wish


def crew_of(pool: Executor, *, before: Callable[..., None] = lambda *_: None) -> Crew:
    """Have a pool do the work; `before` each errand something may be done to the list."""

    def submit(function: Callable[..., object], *words: object) -> Awaitable[Any]:
        before(function, *words)
        return asyncio.wrap_future(pool.submit(function, *words))

    return Crew(submit, 2, least=0, stretch=1)


@pytest.fixture
async def pool() -> AsyncIterator[Executor]:
    """Two workers, as threads: what is asked of them is the same."""
    with ThreadPoolExecutor(2) as workers:
        yield workers


def wished(paths: list[Path], **more: Any) -> Wish:  # noqa: ANN401 - settings of all sorts
    """Wish for a plan of these files."""
    return Wish(
        parts=tuple(Part(path, path.name) for path in paths),
        inputs=tuple(map(str, paths)),
        reading=Reading(),
        target=CLEVERTAP,
        host="https://eu1.api.clevertap.com",
        account="ACCT",
        chunk_size=more.pop("chunk_size", 4),
        sketch_seed=7,
        scratch=paths[0].parent,
        **more,
    )


async def planned(wish: Wish, crew: Crew | None = None) -> Planned:
    """Make the plan, under a key and at a time that are always the same."""
    return await make_plan(wish, b"k" * 32, tool="test", created=1e9, crew=crew)


async def check_same(wish: Wish, crew: Crew) -> Planned:
    """Hold the plan of many against that of one."""
    one, many = await planned(wish), await planned(wish, crew)
    assert many.plan == one.plan
    assert many.plan.encode() == one.plan.encode()
    assert many.sections == one.sections
    assert many.findings == one.findings
    assert many.sketch == one.sketch
    return many


ODD = ("null", "1.5E5", "a b", "ana@example.com", "0042", "42", "u;v", "guid", "é", "e\u0301", "")
IDS = st.one_of(
    st.integers(0, 60).map("user-{}".format),
    st.integers(0, 60).map("user-{}".format),
    st.sampled_from(ODD),
)
ROWS = st.tuples(st.sampled_from("iiig"), IDS, st.sampled_from(["2020-01-01", "2026-01-01", ""]))
PARTS = st.lists(st.lists(ROWS, max_size=25), min_size=2, max_size=7)
SELECTIONS = st.sampled_from(
    [
        Selection(),
        Selection(),
        Selection(where=(Condition.parse("seen<2025-01-01"),)),
        Selection(where=(Condition.parse("Type=i"),), skip=7),
        Selection(skip=10, limit=20),
        Selection(sample=15, seed=3),
    ]
)


def written(place: Path, lists: list[list[tuple[str, str, str]]]) -> list[Path]:
    """Write parts in turns as CSV, packed CSV, and Parquet."""
    paths = []
    for number, rows in enumerate(lists):
        text = "Type,Identity,seen\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows)
        path = place / f"part-{number}.{('csv', 'csv.gz', 'parquet')[number % 3]}"
        if path.suffix == ".parquet":
            columns = list(zip(*rows, strict=True)) or [(), (), ()]
            names = ("Type", "Identity", "seen")
            table = {
                name: pa.array(found, pa.string())
                for name, found in zip(names, columns, strict=True)
            }
            parquet.write_table(pa.table(table), path)
        else:
            packed = path.suffix == ".gz"
            path.write_bytes(gzip.compress(text.encode(), mtime=0) if packed else text.encode())
        paths.append(path)
    return paths


@given(
    PARTS,
    SELECTIONS,
    st.lists(st.integers(0, 60).map("USER-{}".format), max_size=5),
    st.sampled_from([None, Shard(0, 3), Shard(2, 3)]),
    st.booleans(),
    st.sampled_from([1, 3000, 512 << 20]),
    st.integers(1, 7),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_many_workers_make_the_plan_that_one_process_makes(  # noqa: PLR0917 - all that is drawn
    tmp_path_factory: pytest.TempPathFactory,
    pool: Executor,
    lists: list[list[tuple[str, str, str]]],
    selection: Selection,
    protect: list[str],
    shard: Shard | None,
    active: bool,
    memory: int,
    size: int,
) -> None:
    """Digest, index, counts, marks, reasons, findings, sketch: nothing tells who made it."""
    place = tmp_path_factory.mktemp("lake")
    vips = place / "vips.txt"
    vips.write_text("nobody\n" + "".join(f"{one}\n" for one in protect))
    wish = wished(
        written(place, lists),
        selection=selection,
        protect=(vips,),
        shard=shard,
        last_seen="seen" if active else None,
        exported_at=1.7e9 if active else None,
        memory=memory,
        chunk_size=size,
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in (source, inflating):
            patch.setattr(module, "BLOCK", 256)
        await check_same(wish, crew_of(pool))
    assert not (place / "lake").exists()
