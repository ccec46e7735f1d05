"""Lists whose IDs do not fit into memory: the same plan, by two passes and a file."""

import asyncio
import errno
import gc
import gzip
import random
import signal
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkdelete import census, planning, reading, surveying
from bulkdelete.core.dedup import Seen
from bulkdelete.core.layout import Reading
from bulkdelete.core.selection import Condition, Selection
from bulkdelete.core.sketch import Sketcher
from bulkdelete.core.target import Target
from bulkdelete.errors import InputError, IntegrityError
from bulkdelete.io import inflating, source, spill
from bulkdelete.planning import Planned, make_plan
from bulkdelete.reading import Part
from bulkdelete.targets.amplitude import AMPLITUDE
from bulkdelete.targets.clevertap import CLEVERTAP
from bulkdelete.wish import Wish
from tests.conftest import Program

AMPLE = 512 << 20


async def planned(
    paths: list[Path],
    memory: int,
    selection: Selection | None = None,
    target: Target = CLEVERTAP,
) -> Planned:
    """Plan these files in so many bytes."""
    wish = Wish(
        parts=tuple(Part(path, path.name) for path in paths),
        inputs=tuple(map(str, paths)),
        reading=Reading(names=target.columns),
        target=target,
        host="https://eu1.api.clevertap.com",
        account="ACCT",
        chunk_size=10,
        sketch_seed=7,
        selection=selection or Selection(),
        memory=memory,
        scratch=paths[0].parent,
    )
    return await make_plan(wish, b"k" * 32, tool="test", created=0.0)


@pytest.fixture(params=["arrays", "plain"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra `speed` and without it; small blocks, and the quick table at any size."""
    if request.param == "plain":
        for name in ("hashtable", "line_ends", "spill_arrays"):
            monkeypatch.setitem(sys.modules, f"bulkdelete.core.{name}", None)
    for module in (source, inflating):
        monkeypatch.setattr(module, "BLOCK", 512)


SELECTIONS = st.sampled_from(
    [
        Selection(),
        Selection(where=(Condition.parse("Type=i"),), skip=2),
        Selection(limit=20),
        Selection(sample=15, seed=3),
    ]
)
ROWS = st.tuples(st.sampled_from("ig"), st.integers(0, 40))


@pytest.mark.usefixtures("way")
@given(
    st.lists(st.lists(ROWS, max_size=60), min_size=1, max_size=3),
    SELECTIONS,
    st.integers(1, 6000),
)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_i11_any_memory_gives_the_same_plan(
    tmp_path: Path,
    lists: list[list[tuple[str, int]]],
    selection: Selection,
    memory: int,
) -> None:
    """Digest, index, counts, reasons, sketch: nothing tells how much memory there was."""
    paths = [tmp_path / f"{number}.csv" for number in range(len(lists))]
    for path, rows in zip(paths, lists, strict=True):
        # Every seventh ID cannot be sent, and so counts in no pass.
        names = ((kind, "null" if one % 7 == 0 else f"user-{one}") for kind, one in rows)
        path.write_text("Type,Identity\n" + "".join(f"{kind},{one}\n" for kind, one in names))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "_LARGE", 1 if memory % 2 else 1 << 30)
        little, ample = [await planned(paths, one, selection) for one in (memory, AMPLE)]
    assert little.plan == ample.plan
    assert little.sections == ample.sections
    assert little.findings == ample.findings
    assert little.sketch == ample.sketch


@pytest.mark.usefixtures("way")
async def test_i11_what_a_target_does_not_take_counts_in_neither_pass(
    tmp_path: Path, passes: list[str]
) -> None:
    """Its own word on an ID is asked in the first pass, too: else what repeats would be another."""
    path = tmp_path / "list.csv"
    ids = [str(one) if one % 3 else f"x{one}" for one in (*range(1, 400), *range(1, 400))]
    path.write_text("amplitude_id\n" + "".join(f"{one}\n" for one in ids))
    little, ample = [await planned([path], one, target=AMPLITUDE) for one in (2000, AMPLE)]
    assert passes == ["census"]
    assert little.plan == ample.plan
    counts = little.plan.counts
    assert (counts.planned, counts.duplicate, counts.invalid) == (266, 266, 266)
    assert little.findings.reasons == {"not_an_amplitude_id": 266}


def listed(path: Path, count: int, seed: int = 1) -> list[str]:
    """Write a list with repetitions; return its IDs."""
    dice = random.Random(seed)
    ids = [f"user-{dice.randrange(count)}@example.com" for _ in range(count)]
    path.write_text("identity\n" + "".join(one + "\n" for one in ids))
    return ids


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each first pass."""
    taken: list[str] = []
    take = census.Census.take

    async def noted(self: census.Census, *words: object) -> object:
        taken.append("census")
        return await take(self, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(census.Census, "take", noted)
    return taken


@pytest.mark.usefixtures("way")
async def test_a_list_that_fits_is_read_once(tmp_path: Path, passes: list[str]) -> None:
    """The second pass costs time, so it is for those who need it."""
    ids = listed(tmp_path / "x.csv", 3000)
    once = await planned([tmp_path / "x.csv"], 2 << 20)
    assert passes == []
    twice = await planned([tmp_path / "x.csv"], 200_000)
    assert passes == ["census"]
    assert once.plan == twice.plan
    assert once.plan.counts.planned == len(set(ids))


@pytest.mark.usefixtures("way")
async def test_i14_a_list_that_changes_between_the_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found of one content does not hold for another: no plan."""
    path = tmp_path / "x.csv"
    listed(path, 3000)
    settled = census._settled

    async def meddled(spill: object) -> object:
        found = await settled(spill)  # type: ignore[arg-type]
        listed(path, 3500, seed=2)
        return found

    monkeypatch.setattr(census, "_settled", meddled)
    with pytest.raises(IntegrityError, match=r"x\.csv changed while it was read") as caught:
        await planned([path], 100_000)
    assert (caught.value.code, caught.value.exit) == ("input_changed", 6)


async def test_what_cannot_be_read_is_said_in_the_first_pass(tmp_path: Path) -> None:
    """By its line, as ever."""
    path = tmp_path / "x.csv"
    listed(path, 3000)
    with path.open("a") as file:
        file.write('"' + "x" * 70_000)
    with pytest.raises(InputError, match=r"x\.csv"):
        await planned([path], 100_000)


@pytest.mark.parametrize("stopped", [spill.Spill, surveying.Survey], ids=["first", "second"])
async def test_what_stops_a_pass_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: type
) -> None:
    """No read under way, and nothing that the loop could tell to nobody."""
    path = tmp_path / "x.csv"
    listed(path, 100_000)
    background: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: background.append(context))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stopped, {"Spill": "_write"}.get(stopped.__name__, "take"), full)
    with pytest.raises(OSError, match="No space"):
        await planned([path], 100_000)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    gc.collect()
    await asyncio.sleep(0)
    assert background == []


async def test_what_was_seen_is_let_go_with_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, without a search for cycles: a run sends for hours after it planned."""
    seen: list[weakref.ref[Seen]] = []
    found = planning._seen

    def watched(size: int, memory: int, sketcher: Sketcher | None) -> Seen:
        one = found(size, memory, sketcher)
        seen.append(weakref.ref(one))
        return one

    monkeypatch.setattr(planning, "_seen", watched)
    path = tmp_path / "list.csv"
    listed(path, 300)
    gc.disable()
    try:
        made = await planned([path], AMPLE)
        assert [one() for one in seen] == [None]
    finally:
        gc.enable()
    assert made.plan.counts.read == 300


KILLED = """
import os, signal, sys
from bulkdelete.settings import values
from bulkdelete.io import source, spill
values._LEAST_MEMORY = 1
source.BLOCK = 1 << 18
write = spill.Spill._write
def killed(self):
    write(self)
    if len(self._runs) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
spill.Spill._write = killed
from bulkdelete.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("name", ["list.csv", "list.csv.gz"])
async def test_what_is_read_in_small_pieces_is_the_same(tmp_path: Path, name: str) -> None:
    """A sender holds few IDs at a time, also of a list that was planned in large blocks."""
    text = b"identity\n" + b"".join(b"user-%d\n" % one for one in range(20_000))
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    part = Part(path, name)
    layout = await reading.layout_of(part, Reading())
    small = [one async for one in reading.batches(part, layout, at_once=1000)]
    large = [one async for one in reading.batches(part, layout)]
    assert max(len(one.ids) for one in small) <= 1000 // len("user-0\n")
    assert len(large) == 1
    assert [one for batch in small for one in batch.ids] == large[0].ids
    assert [one for batch in small for one in batch.lines] == list(large[0].lines)
    assert [one.line for one in small] == [one.lines[0] for one in small]


async def test_killed_with_ids_on_the_disk(program: Program) -> None:
    """Nothing of it is left but a draft, which is no run: the next plan removes it and is whole."""
    ids = listed(program.place / "list.csv", 30_000)
    runs = program.place / "bulkdelete-runs"
    words = ("plan", "list.csv", "--memory", "1KB", "--json")
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, *words),
        cwd=program.place,
        env=program.environment(),
    )
    assert await killed.wait() == -signal.SIGKILL
    (draft,) = runs.iterdir()
    assert [one.name for one in draft.iterdir()] == []
    ended = await program(*words[:2], "--json")
    assert ended.code == 0, ended.err
    assert ended.json["ids"]["duplicate"] == len(ids) - len(set(ids))
    (whole,) = runs.iterdir()
    assert whole.name.startswith("list.csv-")
