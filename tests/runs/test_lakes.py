"""Lists of many parts, planned by many workers: to the byte the plan that one process makes."""

import asyncio
import errno
import gzip
import pickle
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from bulkdelete import errands
from bulkdelete.core.digests import leaf
from bulkdelete.core.layout import Reading
from bulkdelete.core.model import Kind
from bulkdelete.core.selection import Condition, Selection
from bulkdelete.core.shard import Shard
from bulkdelete.core.urls import url_of
from bulkdelete.errors import (
    BulkdeleteError,
    InputError,
    IntegrityError,
    Interrupted,
    Stopped,
    UsageError,
)
from bulkdelete.io import inflating, source
from bulkdelete.io.spill import Kept, unveiled
from bulkdelete.lake import Hands, Hire
from bulkdelete.planning import Planned, make_plan
from bulkdelete.reading import Part
from bulkdelete.targets.clevertap import CLEVERTAP
from bulkdelete.wish import Wish


def hire(submit: Callable[..., Awaitable[Any]], width: int = 2, least: int = 0) -> Hire:
    """Have these hands work, at stretches of a part each."""
    return Hire(lambda: nullcontext(Hands(submit, width, stretch=1)), least)


def hire_of(pool: Executor, *, before: Callable[..., None] = lambda *_: None) -> Hire:
    """Have a pool do the work; `before` each errand something may be done to the list."""

    def submit(function: Callable[..., object], *words: object) -> Awaitable[Any]:
        before(function, *words)
        return asyncio.wrap_future(pool.submit(function, *words))

    return hire(submit)


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


async def planned(wish: Wish, hands: Hire | None = None) -> Planned:
    """Make the plan, under a key and at a time that are always the same."""
    return await make_plan(wish, b"k" * 32, tool="test", created=1e9, hire=hands)


async def check_same(wish: Wish, hands: Hire) -> Planned:
    """Hold the plan of many against that of one."""
    one, many = await planned(wish), await planned(wish, hands)
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
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
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
        await check_same(wish, hire_of(pool))
    assert not left(place)


def left(place: Path) -> list[Path]:
    """Return what is left of the directory that the workers shared."""
    return list(place.glob("lake*"))


def listed(place: Path, parts: int = 6, each: int = 30) -> list[Path]:
    """Write parts of one column, with repetitions over the seams."""
    paths = []
    for number in range(parts):
        ids = [f"user-{one:05}" for one in range(number * (each - 5), (number + 1) * each)]
        path = place / f"{number}.csv"
        path.write_text("identity\n" + "".join(f"{one}\n" for one in ids))
        paths.append(path)
    return paths


BROKEN = {
    "an open quote": 'identity\nuser-1\n"user-2\n',
    "another kind": "guid\n0123456789abcdef0123456789abcdef\n",
    "no column": "a,b\n1,2\n",
    "an outcome file": (
        "identity,reason,bulkdelete_outcome\nuser-1,vip,protected until 2000000000\n"
    ),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_part_is_refused_in_the_words_of_one_process(
    tmp_path: Path, pool: Executor, what: str
) -> None:
    """The first that is wrong in the order of the list, however many are, and whoever met it."""
    paths = listed(tmp_path)
    for number in (4, 2):
        paths[number].write_text(BROKEN[what])
    paths[5].write_text(BROKEN["an open quote"])
    said = []
    for hands in (None, hire_of(pool)):
        with pytest.raises(BulkdeleteError) as caught:
            await planned(wished(paths), hands)
        error = caught.value
        said.append((type(error), error.code, str(error), error.hint))
    assert said[0] == said[1]
    assert "2.csv" in said[0][2]
    assert not left(tmp_path)


@pytest.mark.parametrize("seen", ["user-00099\n", "", None], ids=["another", "empty", "none"])
async def test_s2_s10_a_worker_that_sees_another_protect_list_does_not_plan(
    tmp_path: Path, pool: Executor, seen: str | None
) -> None:
    """Whoever the bound list protects is protected: one process plans, by what it read already."""
    paths, vips = listed(tmp_path), tmp_path / "vips.txt"
    vips.write_text("user-00001\nuser-00050\n")
    wish = wished(paths, protect=(vips,))
    one = await planned(wish)
    changed: list[Path] = []

    def change(function: object, *_: object) -> None:
        if function is errands.take and not changed:
            changed.append(vips.rename(tmp_path / "away"))
            if seen is not None:
                vips.write_text(seen)

    many = await planned(wish, hire_of(pool, before=change))
    assert changed
    assert (many.plan, many.sections) == (one.plan, one.sections)
    assert (many.plan.counts.protected, many.plan.held_back) == (2, (2,))
    assert "protect list" in many.findings.notes[-1]


def test_s15_a_signed_address_is_not_handed_to_workers() -> None:
    """Who has it can read the list: the plan is made where it was given."""
    url = url_of("https://store.example/list.csv?X-Amz-Signature=s3cr3t")
    assert url is not None
    with pytest.raises(errands.ApartError, match="a signed address") as caught:
        errands.place_of(Part(source.remote(url), str(url)))
    assert "s3cr3t" not in str(caught.value)
    plain = url_of("s3://bucket/list.csv")
    assert plain is not None
    assert errands.place_of(Part(source.remote(plain), "list")) == "s3://bucket/list.csv"


@pytest.mark.parametrize("errand", [errands.find, errands.survey])
async def test_i14_a_list_that_changes_between_the_passes_of_many(
    tmp_path: Path, pool: Executor, errand: object
) -> None:
    """What was found of one content does not hold for another: no plan."""
    paths = listed(tmp_path)

    def change(function: object, *_: object) -> None:
        if function is errand:
            paths[3].write_text("identity\nsomebody-else\n")

    with pytest.raises(IntegrityError, match=r"3\.csv changed while it was read") as caught:
        await planned(wished(paths), hire_of(pool, before=change))
    assert (caught.value.code, caught.value.exit) == ("input_changed", 6)
    assert not left(tmp_path)


async def test_what_a_lost_worker_was_at_is_done_again(tmp_path: Path, pool: Executor) -> None:
    """Each errand is lost once, before it or after it was done: nothing tells."""
    paths = listed(tmp_path)
    lost: set[tuple[object, ...]] = set()

    def submit(function: Callable[..., object], *words: object) -> Awaitable[Any]:
        return asyncio.wrap_future(pool.submit(_lossy, function, *words))

    def _lossy(function: Callable[..., object], *words: object) -> object:
        if (function, words) in lost:
            return function(*words)
        lost.add((function, words))
        if len(lost) % 2:
            function(*words)
        raise RuntimeError("the worker is gone")

    await check_same(wished(paths), hire(submit))
    assert {function for function, *_ in lost} == {errands.take, errands.find, errands.survey}


async def test_workers_that_are_lost_again_and_again_stop_it(tmp_path: Path) -> None:
    """It may be what they do that ends them."""

    async def submit(*_: object) -> None:
        raise RuntimeError("the worker is gone")

    with pytest.raises(Stopped, match=r"lost over the plan, 3 times \(RuntimeError\)") as caught:
        await planned(wished(listed(tmp_path)), hire(submit))
    assert (caught.value.code, caught.value.exit) == ("workers_lost", 75)
    assert not left(tmp_path)


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int = 99) -> None:
    """Have each first pass raise this in its worker, so many times."""
    version = errands.made_by
    raised: list[Exception] = []

    def made_by() -> str:
        if len(raised) < times:
            raised.append(error)
            raise error
        return version()

    monkeypatch.setattr(errands, "made_by", made_by)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file"),
        PermissionError(13, "Permission denied"),
        OSError(errno.ESTALE, "Stale file handle"),
        OSError(errno.EMFILE, "Too many open files"),
        InputError("input_forbidden", "may not be read"),
        UsageError("missing_extra", "Parquet needs the extra `parquet`"),
    ],
    ids=["directory", "user", "stale", "open", "part", "extra"],
)
async def test_workers_that_see_another_disk_leave_it_to_one_process(
    tmp_path: Path, pool: Executor, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """It is planned all the same, and said by whom."""
    failing(monkeypatch, error)
    wish = wished(listed(tmp_path))
    one, many = await planned(wish), await planned(wish, hire_of(pool))
    assert (many.plan, many.sections, many.sketch) == (one.plan, one.sections, one.sketch)
    *notes, last = many.findings.notes
    assert notes == one.findings.notes
    assert last.startswith("this was planned by one process: ")
    assert not left(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
async def test_d1_a_full_disk_of_a_worker_is_a_full_disk(
    tmp_path: Path, pool: Executor, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Nobody tries again where there is no room."""
    failing(monkeypatch, OSError(code, "No room"))
    with pytest.raises(OSError, match="No room"):
        await planned(wished(listed(tmp_path)), hire_of(pool))
    assert not left(tmp_path)


class OddError(Exception):
    """One that does not come to another process."""

    def __init__(self) -> None:
        super().__init__("odd")
        self.what = lambda: None


@pytest.mark.parametrize(
    ("error", "comes"),
    [(ZeroDivisionError("a bug"), ZeroDivisionError), (OddError(), RuntimeError)],
)
async def test_a_bug_in_an_errand_is_no_lost_worker(
    tmp_path: Path,
    pool: Executor,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    comes: type[Exception],
) -> None:
    """To run it again would not help: it comes back as what it is, or by its name."""
    failing(monkeypatch, error, times=1)
    with pytest.raises(comes, match=r"a bug|OddError in a worker"):
        await planned(wished(listed(tmp_path)), hire_of(pool))
    assert not left(tmp_path)


async def test_an_errand_without_memory_is_done_again(
    tmp_path: Path, pool: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere there may be some."""
    failing(monkeypatch, MemoryError(), times=2)
    await check_same(wished(listed(tmp_path)), hire_of(pool))


async def test_a_worker_opens_the_hashes_of_one_stretch_at_a_time(
    tmp_path: Path, pool: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be more stretches than files that a process may open."""
    opened: set[object] = set()
    most: list[int] = []

    class Watched(Kept):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            opened.add(self)
            most.append(len(opened))

        def close(self) -> None:
            super().close()
            opened.discard(self)

    monkeypatch.setattr(errands, "Kept", Watched)
    await planned(wished(listed(tmp_path)), hire_of(pool))
    assert len(most) >= 12
    assert max(most) <= 2  # of two workers


@pytest.mark.parametrize("selection", [{"skip": 1}, {"limit": 9}, {"sample": 5}])
async def test_what_is_wrong_first_is_told_when_the_list_is_counted_before(
    tmp_path: Path, pool: Executor, selection: dict[str, int]
) -> None:
    """A count meets less than a pass does, so it is not the one to say it."""
    paths = written(tmp_path, [[("i", f"user-{n}", "2020-01-01")] * 3 for n in range(6)])
    paths[3].write_text("Type,Identity,seen\nz,user-1,2020-01-01\ni,user-2,never\n")
    paths[0].write_text(BROKEN["an outcome file"].replace("reason", "seen"))
    wish = wished(
        paths, selection=Selection(where=(Condition.parse("seen<2025-01-01"),), **selection)
    )
    said = []
    for hands in (None, hire_of(pool)):
        with pytest.raises(BulkdeleteError) as caught:
            await planned(wish, hands)
        said.append((type(caught.value), caught.value.code, str(caught.value)))
    assert said[0] == said[1]


async def test_hashes_of_two_sorts_are_not_compared(
    tmp_path: Path, pool: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker without the extra `speed`, or of another version, would let repetitions through."""
    versions = iter([*["1.0"] * 3, *["1.1"] * 9])
    monkeypatch.setattr(errands, "made_by", lambda: next(versions))
    with pytest.raises(UsageError, match="another version"):
        await planned(wished(listed(tmp_path)), hire_of(pool))


async def test_s15_what_workers_share_holds_no_id_and_no_key(
    tmp_path: Path, pool: Executor
) -> None:
    """Nor what a guess can be held against: no seed, no plain hash; who is told the key reads."""
    paths = listed(tmp_path)
    place = tmp_path / "lake"
    told: list[object] = []
    names: set[str] = set()
    content: set[bytes] = set()

    def look(*words: object) -> None:
        told.extend(words)
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        for one in place.iterdir():
            with suppress(FileNotFoundError):  # it has its name now
                assert stat.S_IMODE(one.stat().st_mode) == 0o600
                content.add(one.read_bytes())
                names.add(one.name.partition("-")[0])

    def submit(function: Callable[..., object], *words: object) -> Awaitable[Any]:
        def looking() -> object:
            found = function(*words)
            look(*words)
            return found

        return asyncio.wrap_future(pool.submit(looking))

    wish = wished(paths, chunk_size=1)
    await planned(wish, hire(submit))
    assert {"orders", "census", "runs", "found", "repeats", "totals", "stretch"} <= names
    assert {type(one) for one in told} == {str, bytes, int}
    assert {one for one in told if isinstance(one, str)} == {str(place), Kind.IDENTITY}
    (key,) = {one for one in told if isinstance(one, bytes)}
    orders = next(some for one in content if (some := readable(one, key)))
    seed = msgspec.msgpack.decode(orders, type=errands.Orders).seed
    ids = [f"user-{number:05}" for number in range(30)]
    secrets = [b"user-0", b"identity", b"k" * 16, key, msgspec.msgpack.encode(seed)]
    secrets += [leaf(Kind.IDENTITY, [one]) for one in ids]
    assert not [one for one in secrets if any(one in some for some in content)]


def readable(content: bytes, key: bytes) -> bytes | None:
    """Return what `orders` says, of all that was found."""
    plain = unveiled(content, key)
    return plain if b"sketch_seed" in plain else None


async def test_a_small_list_is_planned_where_it_is(tmp_path: Path) -> None:
    """So is one of a single part; nobody is even come to."""

    def submit(*_: object) -> Awaitable[Any]:
        raise AssertionError("nobody is asked")

    paths = listed(tmp_path)
    whole = sum(path.stat().st_size for path in paths)
    for some, hands in ((paths, hire(submit, least=whole + 1)), (paths[:1], hire(submit))):
        await check_same(wished(some), hands)


@pytest.mark.parametrize(
    "error",
    [
        InputError("code", "a message", "a hint", where="a.csv:3"),
        Stopped("code", "a message", "a hint"),
        Interrupted(2, "a message", "a hint"),
    ],
)
def test_an_error_comes_whole_from_another_process(error: BulkdeleteError) -> None:
    """Its code, its hint and its place are those of the one who met it."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - of one line above
    assert type(again) is type(error)
    assert (str(again), again.exit) == (str(error), error.exit)
    assert vars(again) == vars(error)
