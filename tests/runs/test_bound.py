"""What an approved plan is bound to is looked at again by `apply`, before the first request."""

import json
from pathlib import Path

import pytest

from bulkdelete.settings import Credentials
from tests.conftest import Emulate, Program, times_acted


async def _planned(program: Program, path: Path, *more: object) -> Path:
    """Make a plan of a list and return its run directory."""
    planned = await program("plan", path, "--endpoint", program.url, "--json", *more)
    assert planned.code == 0, planned.err
    return program.place / str(planned.json["run_dir"])


def _applying(run_dir: Path, most: int = 10**6) -> list[object]:
    return ["apply", run_dir, "--yes", "--max-deletes", most, "--json"]


async def test_h3_a_list_edited_at_its_end_is_refused_before_the_first_request(
    program: Program, emulate: Emulate
) -> None:
    """The first chunks, many of them, are those of the plan; nothing goes out all the same."""
    emulator = await emulate()
    path, ids = program.ids(5_000)
    run_dir = await _planned(program, path)
    text = path.read_text("utf-8")
    path.write_text(text.replace(ids[-1], "somebody-else"), "utf-8")
    ended = await program(*_applying(run_dir))
    assert (ended.code, ended.json["reason"]["code"]) == (6, "input_changed")
    assert emulator.state.stats()["requests"] == 0


async def test_s10_a_protect_list_edited_after_the_plan_is_refused(
    program: Program, emulate: Emulate
) -> None:
    """One more name on the list makes it another list: no request."""
    emulator = await emulate()
    path, ids = program.ids(200)
    protect = program.write("protect.txt", ids[0])
    run_dir = await _planned(program, path, "--protect", protect)
    protect.write_text(f"{ids[0]}\n{ids[1]}\n", "utf-8")
    ended = await program(*_applying(run_dir))
    assert (ended.code, ended.json["reason"]["code"]) == (6, "protect_changed")
    assert emulator.state.stats()["requests"] == 0


async def test_s12_the_ceiling_of_apply_is_looked_at(program: Program, emulate: Emulate) -> None:
    """A plan made without a ceiling meets the one of `apply`: exit 4, no request."""
    emulator = await emulate()
    path, _ = program.ids(200)
    run_dir = await _planned(program, path)
    ended = await program(*_applying(run_dir, most=199))
    assert (ended.code, ended.json["reason"]["code"]) == (4, "max_deletes")
    assert emulator.state.stats()["requests"] == 0


async def test_s10_an_index_that_was_altered_is_refused(program: Program, emulate: Emulate) -> None:
    """One bit of plan.index, where the two-bit codes are: exit 6, no request."""
    emulator = await emulate()
    path, _ = program.ids(200)
    run_dir = await _planned(program, path)
    index = run_dir / "plan.index"
    data = bytearray(index.read_bytes())
    data[45] ^= 0b01
    index.write_bytes(data)
    ended = await program(*_applying(run_dir))
    assert (ended.code, ended.json["reason"]["code"]) == (6, "run_dir_corrupt")
    assert emulator.state.stats()["requests"] == 0


async def test_a_doubt_of_a_stopped_run_is_held_when_it_goes_on(
    program: Program, emulate: Emulate
) -> None:
    """Held in doubt, then stopped half-way: the resume leaves the doubt, and sends the rest."""
    emulator = await emulate(script=("ok", "503"))
    path, ids = program.ids(1_000)
    words = ("--on-ambiguous", "hold", "--max-failures", 100)
    stopped = await program.run(path, *words, "--hold-after", 400)
    assert stopped.code == 75, stopped.err
    assert stopped.json["ids"]["ambiguous"] == 100
    ended = await program.run(path, *words)
    assert ended.code == 3, ended.err
    assert ended.json["ids"]["ambiguous"] == 100
    assert ended.json["ids"]["accepted"] == 900
    assert ended.json["requests"]["sent"] == 10
    assert set(times_acted(emulator).values()) == {1}
    assert len(times_acted(emulator)) in {900, len(ids)}


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{0!r:>80}".format])
def test_s15_the_passcode_is_in_no_text_of_the_credentials(show: object) -> None:
    """However credentials are shown, the passcode is not."""
    assert callable(show)
    text = show(Credentials("ACCOUNT", "very-secret"))
    assert "ACCOUNT" in text
    assert "secret" not in json.dumps(text)
