"""`report --id`: whether, when, in which chunk and attempts, and with which answer."""

from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bulkdelete.cli.story import lines
from bulkdelete.core.trail import Try
from bulkdelete.fates import fates
from bulkdelete.io.rundir import RunDir
from bulkdelete.reading import Part
from bulkdelete.tracing import Entry
from tests.conftest import Emulate, Program

if TYPE_CHECKING:
    from bulkdelete.fates import Fate

ROWS = ["identity", *(f"user-{n:07d}-{n * 7919 % 10007}" for n in range(250))]


async def stopped(program: Program, emulate: Emulate) -> RunDir:
    """Send the first 200 of a list with one bad, one protected, a duplicate and an invalid ID."""
    await emulate(refuse_ids=frozenset({ROWS[131]}), latency=0.002)
    path = program.write("list.csv", *ROWS, ROWS[3], "n/a", "vip@example.com")
    program.write("vip.txt", "vip@example.com")
    ended = await program.run(path, "--protect", "vip.txt", "--hold-after", 200)
    assert ended.code == 75, ended.err
    return RunDir(program.run_dir())


async def told(program: Program, identifier: str) -> list[dict[str, Any]]:
    """Ask for the story of one ID, by standard input."""
    ended = await program(
        "report", program.run_dir(), "--id", "-", "--json", stdin=f"{identifier}\n".encode()
    )
    assert ended.code == 0, ended.err
    assert identifier not in ended.out + ended.err
    found: list[dict[str, Any]] = ended.json["found"]
    return found


async def test_the_story_of_every_kind_of_id(program: Program, emulate: Emulate) -> None:
    """Accepted, refused in the end, duplicate, unsent, invalid, protected; each attempt named."""
    run = await stopped(program, emulate)
    files = {path: path.read_bytes() for path in run.path.iterdir()}
    first, duplicate = await told(program, ROWS[3])
    assert (first["state"], first["chunk"], first["number"], first["of"]) == ("accepted", 0, 3, 100)
    (attempt,) = first["attempts"]
    assert (attempt["verdict"], attempt["status"], attempt["attempt"]) == ("accepted", 200, 1)
    assert 0 < attempt["sent"] <= attempt["answered"]
    assert (duplicate["state"], duplicate["attempts"]) == ("duplicate", [])
    (bad,) = await told(program, ROWS[131])
    assert (bad["state"], bad["chunk"], bad["number"], bad["piece"]) == (
        "rejected",
        1,
        31,
        [31, 31],
    )
    pieces = [(one["lo"], one["hi"], one["verdict"]) for one in bad["attempts"]]
    assert pieces[0] == (0, 100, "refused")
    assert pieces[-1] == (30, 31, "rejected")
    assert len(pieces) == 8
    (near,) = await told(program, ROWS[132])
    assert (near["state"], near["attempts"][-1]["verdict"]) == ("accepted", "accepted")
    assert near["piece"][0] <= 32 <= near["piece"][1]
    for identifier, state in (
        (ROWS[249], "unsent"),
        ("n/a", "invalid"),
        ("vip@example.com", "protected"),
    ):
        (entry,) = await told(program, identifier)
        assert (entry["state"], entry["attempts"]) == (state, [])
    assert {path: path.read_bytes() for path in run.path.iterdir()} == files
    assert (await program("report", run.path, "--id", "nobody")).code == 2
    ended = await program("report", run.path, "--id", ROWS[131])
    assert "the piece of ID 31 alone" in ended.out
    assert ROWS[131] not in ended.out + ended.err


async def test_looking_for_one_finds_what_reading_all_does(
    program: Program, emulate: Emulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches without the ID are passed over, and its chunk and place come out the same."""
    run = await stopped(program, emulate)
    monkeypatch.setattr("bulkdelete.io.source.BLOCK", 512)
    everyone = await fated(run)
    assert len(everyone) == 253
    for wanted in (ROWS[1], ROWS[100], ROWS[101], ROWS[250], "n/a"):
        same = [one for one in await fated(run, wanted) if one[0] == wanted]
        assert same == [one for one in everyone if one[0] == wanted]


async def fated(run: RunDir, only: str | None = None) -> list[tuple[object, ...]]:
    """Return ID, place, state, chunk and position of each."""
    plan = run.plan()
    progress, _ = run.progress(plan)
    index = run.index(plan)
    parts = [Part(Path(one.path), one.path) for one in plan.parts]
    found: list[Fate] = []
    async with aclosing(fates(plan, parts, index, progress, only=only)) as stream:
        async for some in stream:
            found += some
    index.close()
    return [(one.identifier, one.place, one.state, one.chunk, one.position) for one in found]


async def test_a_long_list_is_gone_through_a_little_at_a_time(program: Program) -> None:
    """What became of each ID takes a hundred times the room of the ID: never of many at once."""
    path = program.write("long.csv", "identity", *(f"{n:036d}" for n in range(30_000)))
    assert (await program("plan", path, "--region", "eu1")).code == 0
    run = RunDir(program.run_dir())
    plan = run.plan()
    progress, _ = run.progress(plan)
    index = run.index(plan)
    parts = [Part(Path(one.path), one.path) for one in plan.parts]
    async with aclosing(fates(plan, parts, index, progress)) as stream:
        sizes = [len(found) async for found in stream]
    index.close()
    assert sum(sizes) == 30_000
    assert max(sizes) < 2_000


ENTRY = Entry(
    where="l.csv:2", kind="identity", state="ambiguous", reason="lost", chunk=7, number=4, of=9
)


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (Try(attempt=1, lo=0, hi=9, sent=0.0), "with the whole chunk: no answer is on record"),
        (
            Try(attempt=2, lo=2, hi=5, sent=0.0, answered=1.0, verdict="ambiguous", ms=9.0),
            "attempt 2 with IDs 3 to 5: there was no clear answer: the server may have acted (1970",
        ),
        (
            Try(attempt=1, lo=3, hi=4, sent=0.0, answered=1.0, verdict="partial", refused=True),
            "with ID 4 alone: the server did not process this ID",
        ),
        (
            Try(attempt=1, lo=0, hi=9, sent=0.0, answered=1.0, verdict="failed", reason="refused"),
            "no byte left this machine (1970-01-01 00:00:01 UTC, after 0 ms, refused)",
        ),
    ],
)
def test_the_words_for_an_attempt(one: Try, wanted: str) -> None:
    """When, with what, what came of it; and that an answer is missing."""
    entry = msgspec.structs.replace(ENTRY, attempts=(one,))
    assert wanted in "\n".join(lines(entry))
