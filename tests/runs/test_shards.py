"""Shards of a list: each ID is sent by one of them, and together they are the unsharded run."""

import asyncio
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkdelete.core import index as codes
from bulkdelete.core.layout import Reading
from bulkdelete.core.model import State
from bulkdelete.core.selection import Condition, Selection
from bulkdelete.core.shard import OTHER_SHARD, Shard, owner
from bulkdelete.errors import BusyError
from bulkdelete.io.rundir import Draft
from bulkdelete.planning import Planned
from tests.conftest import Emulate, Ended, Program, times_acted
from tests.runs.test_real_lists import opened, planned, read_again

ROWS = st.tuples(
    st.sampled_from(("i", "g", "i", "?")),
    st.sampled_from((*(f"user-{number}" for number in range(12)), "", "null", "vip-1", "vip-2")),
    st.sampled_from(("IN", "DE")),
)


def table(path: Path, rows: list[tuple[str, str, str]]) -> None:
    """Write a list of both kinds, with a country for each."""
    lines = "".join(f"{kind},{one},{country}\n" for kind, one, country in rows)
    path.write_text(f"Type,Identity,country\n{lines}", "utf-8")


@given(st.lists(ROWS, max_size=40), st.integers(1, 5), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
async def test_shards_together_are_the_plan_without_them(
    tmp_path: Path, rows: list[tuple[str, str, str]], count: int, selected: bool
) -> None:
    """Each record is owned once, with repetitions, invalid and protected ones, of both kinds."""
    path, protect = tmp_path / "x.csv", tmp_path / "vip.txt"
    table(path, rows)
    protect.write_text("VIP-*\n", "utf-8")
    more: dict[str, object] = {
        "protect": (protect,),
        "selection": Selection((Condition.parse("country=IN"),) if selected else ()),
    }
    whole = await planned(Reading(), path, **more)
    sent: list[tuple[str, str]] = []
    owned: Counter[str] = Counter()
    for index in range(count):
        made = await planned(Reading(), path, shard=Shard(index, count), **more)
        plan = made.plan
        assert (plan.job_digest, plan.whole) == (whole.plan.digest, whole.plan.counts)
        chunks, *rests = await read_again(made, opened(made, tmp_path / "index"))
        assert all(rest == chunks[len(chunks) - len(rest) :] for rest in rests)
        assert len(chunks) == plan.counts.chunks
        mine = [(chunk.kind.value, one) for chunk in chunks for one in chunk.ids]
        assert {owner(one, count) for _, one in mine} <= {index}
        sent += mine
        owned += owned_by(made)
    chunks, *_ = await read_again(whole, opened(whole, tmp_path / "index"))
    assert sorted(sent) == sorted((chunk.kind.value, one) for chunk in chunks for one in chunk.ids)
    assert owned == owned_by(whole)
    assert owned.total() == len(rows)


def owned_by(made: Planned) -> Counter[str]:
    """Count the records of a plan by what became of them, less those of other shards."""
    shape = codes.IndexShape.unpack(made.sections[0])
    found = codes.unpacked(made.sections[1], 0, shape.records)
    names = iter(made.plan.reasons[number] for number in made.sections[2])
    words = [next(names) if code == codes.OUT else str(code) for code in found]
    return Counter(word for word in words if word != OTHER_SHARD)


async def shard(program: Program, number: str, *words: object) -> Ended:
    """Run one shard of the list."""
    place = ("--endpoint", program.url, "--shard", number, "--json")
    return await program("run", "list.csv", *place, *words)


async def test_shards_send_what_one_run_sends(program: Program, emulate: Emulate) -> None:
    """Side by side, under one approval of the whole list; each ID once, and none besides."""
    emulator = await emulate()
    path, ids = program.ids(450)
    protect = program.write("vip.txt", *ids[:7])
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{one}\n" for one in (*ids[100:140], "null")))
    words = ("--protect", protect, "--skip", 2)
    seen = await program("plan", "list.csv", *words, "--endpoint", program.url, "--json")
    digest = seen.json["plan_digest"]
    ended = await asyncio.gather(
        *(shard(program, f"{index}/3", *words, "--approve", digest) for index in range(3))
    )
    assert [one.code for one in ended] == [0, 0, 0], [one.err for one in ended]
    assert times_acted(emulator) == dict.fromkeys(ids[7:], 1)
    for index, one in enumerate(ended):
        assert one.json["job"]["digest"] == digest
        assert one.json["ids"]["accepted"] == sum(owner(x, 3) == index for x in ids[7:])
        assert one.json["run_dir"].endswith(f"list.csv-{digest[7:19]}-shard-{index}-of-3")
    await check_as_one(program, [one.json["run_dir"] for one in ended])


async def check_as_one(program: Program, places: list[str]) -> None:
    """Look at the shards as one: all of them, one missing, and with what is none of them."""
    found = (await program("status", *places, "--json")).json
    ids = {"accepted": 443, "protected": 5, "duplicate": 40, "invalid": 1, "excluded": 2}
    assert {name: number for name, number in found["ids"].items() if number} == ids | {"read": 491}
    assert (found["schema"], found["state"]) == ("bulkdelete.job/1", "finished")
    program.env["GITHUB_STEP_SUMMARY"] = str(program.place / "summary.md")
    reported = await program("report", *places, "--outcomes", "all")
    assert "accepted 443 of 443 planned IDs" in reported.out
    stem = f"job-{found['job_digest'][7:19]}-of-3"
    kept = {one.suffix: one for one in (program.place / places[0]).parent.glob(f"{stem}.*")}
    assert set(kept) == {".json", ".html", ".md"}
    assert f"report       {Path(places[0]).parent / stem}.html" in reported.err
    assert json.loads(kept[".json"].read_bytes()) == found
    shown = kept[".html"].read_text("utf-8")
    assert "Finished: the server accepted all 443 planned IDs." in shown
    assert 'data-field="ids.duplicate">40<' in shown
    assert (program.place / "summary.md").read_text("utf-8") == kept[".md"].read_text("utf-8")
    for state in State:
        files = [program.place / place / f"{state}.csv" for place in places]
        rows = [row for one in files for row in one.read_text("utf-8").splitlines()[1:]]
        assert (state, len(set(rows)), len(rows)) == (state, *[ids.get(state, 0)] * 2)
        assert not [row for row in rows if OTHER_SHARD in row]
    told = await program("report", *places, "--id", "-", stdin=b"user-0000008-3310\n")
    assert re.findall(r": accepted|other_shard", told.out) == [": accepted"], told.out
    some = await program("status", *places[:2])
    assert some.code == 0
    assert "MISSING      shards 2 of 3" in some.out
    (whole,) = (program.place / "bulkdelete-runs").glob("list.csv-????????????")
    for command in ("status", "report"):
        mixed = await program(command, *places, whole)
        assert (mixed.code, "no shard of a job" in mixed.err) == (2, True)


async def test_the_guards_look_at_the_whole_job(program: Program, emulate: Emulate) -> None:
    """A shard of 25 does not pass where the job of 100 must not; nor does another's approval."""
    emulator = await emulate()
    _, ids = program.ids(100)
    for words, code in (
        (("--yes", "--max-deletes", 99), "max_deletes"),
        (("--yes", "--max-deletes", 100, "--expect-count", 25), "expect_count"),
        (("--approve", "0" * 12), "approve_digest"),
    ):
        ended = await shard(program, "1/4", *words)
        assert (ended.code, ended.json["reason"]["code"]) == (4, code)
    assert not emulator.state.profiles.times["identity"]
    allowed = ("--yes", "--max-deletes", 100, "--expect-count", 100)
    ended = await shard(program, "1/4", *allowed)
    assert ended.code == 0, ended.err
    assert times_acted(emulator) == {one: 1 for one in ids if owner(one, 4) == 1}


async def test_a_shard_finds_its_own_run_and_no_other(program: Program, emulate: Emulate) -> None:
    """It goes on with that; cut in another way, while one is unfinished, the list is refused."""
    emulator = await emulate()
    _, ids = program.ids(900)
    yes = ("--yes", "--max-deletes", 900)
    for number in ("0/2", "1/2"):
        assert (await shard(program, number, *yes, "--hold-after", 100)).code == 75
    for other in (("--shard", "0/3"), ()):
        refused = await program.run("list.csv", *other)
        assert (refused.code, refused.json["reason"]["code"]) == (6, "input_changed")
        assert "--shard changed" in refused.json["reason"]["message"]
    program.env["BULKDELETE_SHARD"] = "1/2"
    ended = await program.run("list.csv", "--must-resume")
    assert ended.code == 0, ended.err
    assert times_acted(emulator).keys() > {one for one in ids if owner(one, 2) == 1}
    del program.env["BULKDELETE_SHARD"]
    ended = await shard(program, "0/2", *yes)
    assert ended.code == 0, ended.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    again = await shard(program, "1/2", *yes)
    assert (again.code, again.json["reason"]["code"]) == (0, "already_finished")
    assert len(list((program.place / "bulkdelete-runs").iterdir())) == 2


async def test_a_list_that_was_sent_is_not_sent_again_in_shards(
    program: Program, emulate: Emulate
) -> None:
    """Nor as a plan that was made of one before; `--again` does it, for the shard it is said of."""
    emulator = await emulate()
    _, ids = program.ids(40)
    yes = ("--yes", "--max-deletes", 40)
    whole = await program.run("list.csv")
    assert whole.code == 0, whole.err
    place = ("--endpoint", program.url, "--shard", "1/2")
    assert (await program("plan", "list.csv", *place)).code == 0
    for number in ("0/2", "1/2", "0/1"):
        refused = await shard(program, number, *yes)
        assert (refused.code, refused.json["reason"]["code"]) == (4, "already_done")
        assert "this list was deleted on 20" in refused.json["reason"]["message"]
        assert whole.json["run_dir"] in refused.json["reason"]["message"]
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    for number in ("0/2", "1/2"):
        assert (await shard(program, number, *yes, "--again")).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 2)
    again = await shard(program, "1/2", *yes)
    assert (again.code, again.json["reason"]["code"]) == (0, "already_finished")


@pytest.mark.parametrize("place", [(), ("--run-dir", "here")])
async def test_a_shard_that_was_sent_is_not_sent_again_cut_otherwise(
    program: Program, emulate: Emulate, place: tuple[str, ...]
) -> None:
    """Not in the whole list and not in shards of another size; the others of its size are sent."""
    emulator = await emulate()
    _, ids = program.ids(40)
    yes = ("--yes", "--max-deletes", 40)
    first = await shard(program, "1/2", *yes, *place)
    assert first.code == 0, first.err
    runs = sorted(program.place.glob("bulkdelete-runs/*")), sorted(program.place.glob("here*"))
    for other in (("--shard", "1/3"), ()):
        refused = await program.run("list.csv", *other, *place)
        assert (refused.code, refused.json["reason"]["code"]) == (4, "already_done")
        assert "shard 1/2 of this list was deleted" in refused.json["reason"]["message"]
    assert runs == (
        sorted(program.place.glob("bulkdelete-runs/*")),
        sorted(program.place.glob("here*")),
    )
    assert (await shard(program, "0/2", *yes, *place)).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_a_shard_that_sent_nothing_is_in_nobodys_way(
    program: Program, emulate: Emulate
) -> None:
    """Of a list so short that none of its IDs fell to it."""
    emulator = await emulate()
    _, (one,) = program.ids(1)
    empty = await shard(program, f"{1 - owner(one, 2)}/2", "--yes", "--max-deletes", 1)
    assert (empty.code, empty.json["state"]) == (0, "finished")
    assert (await program.run("list.csv")).code == 0
    assert times_acted(emulator) == {one: 1}


async def test_a_damaged_shard_does_not_stop_the_others(program: Program, emulate: Emulate) -> None:
    """Its own command is refused; what cuts the list in another way, too."""
    await emulate()
    program.ids(90)
    yes = ("--yes", "--max-deletes", 90)
    first = await shard(program, "0/2", *yes)
    (program.place / first.json["run_dir"] / "plan.json").write_text("{}", "utf-8")
    assert [(await shard(program, one, *yes)).code for one in ("0/2", "1/2", "0/3")] == [6, 0, 6]


async def test_shards_that_begin_at_once_have_one_key_file(tmp_path: Path) -> None:
    """Who comes second must not keep digests under a key that nobody has any more."""
    path, key_file = tmp_path / "x.csv", tmp_path / "key"
    path.write_text("identity\nuser-1\n", "utf-8")
    made = await planned(Reading(), path)
    drafts = [Draft(tmp_path / "runs", key_file) for _ in range(2)]
    first = drafts[0].finish(made.plan, made.sections, tmp_path / "runs" / "a")
    assert first.key() == drafts[0].key
    with pytest.raises(BusyError, match="just now"):
        drafts[1].finish(made.plan, made.sections, tmp_path / "runs" / "b")
    drafts[1].discard()
    again = Draft(tmp_path / "runs", key_file)
    second = again.finish(made.plan, made.sections, tmp_path / "runs" / "b")
    assert second.key() == first.key() == again.key
