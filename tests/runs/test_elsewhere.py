"""Lists behind an address: planned, sent, resumed; and what is secret in the address stays so."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Emulate, Ended, Program, times_acted
from tests.io.web_server import Files, Kept, serving

SIGNED = "?X-Amz-Signature=5ecre7sign&X-Amz-Expires=900"


@pytest.fixture
def files() -> Iterator[Files]:
    """Serve files on loopback."""
    with serving() as found:
        yield found


def lines(count: int, word: str = "user") -> bytes:
    """Return a list of so many identities."""
    return b"identity\n" + b"".join(b"%s-%06d\n" % (word.encode(), n) for n in range(count))


def ids(count: int) -> dict[str, int]:
    """Return the same, each acted on once."""
    return {f"user-{number:06d}": 1 for number in range(count)}


def check_secrecy(program: Program, *ended: Ended) -> None:
    """Look for the signature in all that was written."""
    written = [one for one in program.place.rglob("*") if one.is_file()]
    assert any(one.name == "plan.json" for one in written)
    for path in written:
        assert b"5ecre7" not in path.read_bytes(), path
    for one in ended:
        assert "5ecre7" not in one.out + one.err


def code_of(ended: Ended) -> Any:  # noqa: ANN401 - what the object says
    """Return exit and reason."""
    return ended.code, ended.json["reason"]["code"]


async def test_a_signed_address_is_resumed_by_a_newer_one_and_written_nowhere(
    program: Program, emulate: Emulate, files: Files
) -> None:
    """The same command goes on; what an address hides is asked for again, and never kept."""
    for signature in (SIGNED, "?X-Amz-Signature=5ecre7new"):
        files.kept[f"/list.csv{signature}"] = Kept(lines(500))
    emulator = await emulate()
    first = f"{files.url}/list.csv{SIGNED}"
    held = await program.run(first, "--hold-after", 100, "--log-level", "debug")
    assert code_of(held) == (75, "hold_after"), held.err
    blind = await program(*program.sending("apply", program.run_dir(), "--json"))
    assert code_of(blind) == (2, "input_missing")
    assert "--input" in blind.err
    newer = f"{files.url}/list.csv?X-Amz-Signature=5ecre7new"
    again = await program.run(newer, "--hold-after", 100)
    assert code_of(again) == (75, "hold_after"), again.err
    last = await program(*program.sending("apply", program.run_dir(), "--input", first, "--json"))
    assert last.code == 0, last.err
    assert times_acted(emulator) == ids(500)
    shown = await program("inspect", first)
    assert shown.code == 0, shown.err
    assert "?***" in shown.out
    wrote = await program("report", program.run_dir(), "--outcomes", "accepted", "--input", newer)
    assert wrote.code == 0, wrote.err
    check_secrecy(program, held, blind, again, last, shown, wrote)
    asked = [one for one in files.asked if one[1] != "bytes=0-0"]
    assert len(asked) < 20


async def test_h3_what_changed_behind_an_address_is_refused(
    program: Program, emulate: Emulate, files: Files
) -> None:
    """Whatever its server says of the version; the same bytes under a new version are the same."""
    files.kept["/list.csv"] = Kept(lines(300), '"v1"')
    emulator = await emulate()
    words = ("--endpoint", program.url, "--json")
    planned = (await program("plan", f"{files.url}/list.csv", *words)).json
    (part,) = json.loads((program.run_dir() / "plan.json").read_text())["parts"]
    assert part["version"] == 'etag:"v1"'
    apply = program.sending("apply", planned["run_dir"], "--json")
    for changed in (Kept(lines(300, "USER"), '"v2"'), Kept(lines(299), '"v2"')):
        files.kept["/list.csv"] = changed
        assert code_of(await program(*apply)) == (6, "input_changed")
    # A server that lies about its version: each chunk is looked at before it leaves.
    files.kept["/list.csv"] = Kept(lines(300, "USER"), '"v1"')
    assert code_of(await program(*apply)) == (6, "input_changed")
    # A version that is no proof is none: all is read again.
    files.kept["/list.csv"] = Kept(lines(300, "USER"), 'W/"v1"')
    assert code_of(await program(*apply)) == (6, "input_changed")
    assert not times_acted(emulator)
    files.kept["/list.csv"] = Kept(lines(300), '"v3"')
    assert (await program(*apply)).code == 0
    assert times_acted(emulator) == ids(300)


@pytest.mark.parametrize("answer", [403, 404])
async def test_who_lets_us_in_no_more_can_do_so_later(
    program: Program, emulate: Emulate, files: Files, answer: int
) -> None:
    """A signature that runs out, a list that is gone while it is sent stops the run, resumable."""
    for number, count in ((1, 3000), (2, 3200)):
        files.kept[f"/{number}.csv"] = Kept(lines(count))
    emulator = await emulate()
    shut: list[int] = []

    def fault(_number: int, path: str) -> int | None:
        if times_acted(emulator) and path == "/2.csv":
            shut.append(1)
            return answer
        return None

    files.fault = fault
    names = [f"{files.url}/{number}.csv" for number in (1, 2)]
    stopped = await program.run(*names)
    assert shut
    assert code_of(stopped) == (75, "input_withdrawn"), stopped.err
    assert 0 < len(times_acted(emulator)) <= 3000
    files.fault = lambda _number, _path: None
    assert (await program.run(*names)).code == 0
    assert times_acted(emulator) == ids(3200)
