"""A part of a list is planned, sent, resumed and reported as that part, and nobody else is."""

import json
from pathlib import Path

import pytest

from bulkdelete.core.layout import Reading
from bulkdelete.core.selection import Condition, Selection
from tests.conftest import Emulate, Program, times_acted
from tests.runs.test_real_lists import opened, planned, read_again

COUNTRIES = ("IN", "DE", "")


def table(path: Path, count: int = 1000) -> list[str]:
    """Write a list with a country for each; some IDs stand there twice, some are invalid."""
    ids = [f"user-{number % (count - 20):07d}" for number in range(count)]
    ids[5] = "null"
    rows = [f"{one},{COUNTRIES[number % 3]}" for number, one in enumerate(ids)]
    path.write_text("identity,country\n" + "".join(f"{row}\n" for row in rows), "utf-8")
    return ids


async def test_windows_put_together_are_the_whole(tmp_path: Path) -> None:
    """Each record is in one window exactly, whatever becomes of it there."""
    path = tmp_path / "x.csv"
    table(path)
    whole = (await planned(Reading(), path)).plan.counts
    found = []
    for skip in range(0, 1000, 300):
        made = await planned(Reading(), path, selection=Selection(skip=skip, limit=300))
        counts = made.plan.counts
        assert counts.read == 1000
        states = counts.planned + counts.duplicate + counts.protected + counts.invalid
        assert counts.read - counts.excluded == states == min(300, 1000 - skip)
        chunks, *rests = await read_again(made, opened(made, tmp_path / "index"))
        assert all(rest == chunks[len(chunks) - len(rest) :] for rest in rests)
        found += [one for chunk in chunks for one in chunk.ids]
    # What repeats in another window is not known there.
    assert len(set(found)) == whole.planned
    assert whole.invalid == 1


async def test_a_sample_is_exact_and_repeatable(tmp_path: Path) -> None:
    """So many records, the same under the same seed, over all parts and conditions."""
    paths = [tmp_path / f"{number}.csv" for number in range(3)]
    for path in paths:
        table(path)
    where = (Condition.parse("country=IN"),)
    plans = [
        (await planned(Reading(), *paths, selection=Selection(where, sample=100, seed=seed))).plan
        for seed in (1, 1, 2)
    ]
    for one in plans:
        assert one.counts.read - one.counts.excluded == 100
    assert plans[0].digest == plans[1].digest
    assert plans[0].content == plans[1].content != plans[2].content
    few = (await planned(Reading(), *paths, selection=Selection(sample=10**6))).plan
    assert few.counts.excluded == 0


async def test_nothing_of_what_is_excluded_is_looked_at(tmp_path: Path) -> None:
    """Not as invalid, not as seen before, not as damage."""
    path = tmp_path / "x.csv"
    path.write_text("identity,k\nnull,n\nu-1,n\n12345.0,n\nu-1,y\nu-2,y\n", "utf-8")
    where = (Condition.parse("k=y"),)
    made = await planned(Reading(), path, selection=Selection(where))
    counts = made.plan.counts
    assert (counts.planned, counts.excluded, counts.invalid, counts.duplicate) == (2, 3, 0, 0)
    assert made.plan.warnings == ()
    assert made.findings.reasons == {}


@pytest.mark.parametrize("ways", [("trim",), ("lower",), ("nfc",), ("trim", "lower", "nfc")])
async def test_ids_are_put_the_same_whenever_they_are_read(
    tmp_path: Path, ways: tuple[str, ...]
) -> None:
    """What is counted as repeated, bound and sent is the ID as it was put."""
    path = tmp_path / "x.csv"
    ids = ["Zoe\u0308", "zoë", " zoe\u0308", "ZOË "]
    path.write_text("identity\n" + "".join(f"{one}\n" for one in ids), "utf-8")
    plain = (await planned(Reading(), path)).plan
    made = await planned(Reading(normal=ways), path)
    assert made.plan.digest != plain.digest
    assert plain.counts.planned == 4
    assert made.plan.counts.planned == {1: 4, 3: 1}[len(ways)]
    chunks, *_ = await read_again(made, opened(made, tmp_path / "index"))
    sent = {one for chunk in chunks for one in chunk.ids}
    if len(ways) > 1:
        assert sent == {"zoë"}
    assert len(sent) == made.plan.counts.planned


async def test_a_selection_is_sent_stopped_resumed_and_reported(
    program: Program, emulate: Emulate
) -> None:
    """The same words go on; other words are another plan; the rest is in excluded.csv."""
    emulator = await emulate()
    ids = table(program.place / "list.csv")
    words = ["list.csv", "--where", "country=IN", "--skip", "30", "--max-invalid", "1"]
    stopped = await program.run(*words, "--hold-after", "100")
    assert stopped.code == 75, stopped.err
    assert "selected     by --where country=IN" in stopped.err
    other = await program.run("list.csv", "--where", "country=DE")
    assert (other.code, other.json["reason"]["code"]) == (6, "input_changed")
    assert "--where, --skip, --limit or --sample changed" in other.json["reason"]["message"]
    ended = await program.run(*words)
    wanted = dict.fromkeys(ids[at] for at in range(0, 1000, 3) if at >= 90)
    assert ended.code == 0, ended.err
    assert set(times_acted(emulator)) == set(wanted)
    counts = ended.json["ids"]
    assert counts["excluded"] == 1000 - len(range(90, 1000, 3))
    assert counts["accepted"] == len(wanted)
    assert "selected by --skip 30" in ended.json["notes"]
    report = await program("report", program.run_dir(), "--outcomes", "excluded", "--json")
    assert report.code == 0, report.err
    rows = (program.run_dir() / "excluded.csv").read_text("utf-8").splitlines()
    assert len(rows) == counts["excluded"] + 1
    assert rows[1].startswith("user-0000000,IN,skip,")
    assert rows[2].startswith("user-0000001,DE,where,")
    audited = await program("audit", program.run_dir(), "--json")
    assert audited.code == 0, audited.out
    assert json.loads((program.run_dir() / "plan.json").read_text("utf-8"))["bound"]["selection"]
