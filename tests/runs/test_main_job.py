"""The main job from outside: the real program, real sockets, the emulator's word for the truth."""

import asyncio
import json
import signal
from typing import Any

import pytest

from tests.conftest import Emulate, Program, times_acted


def balanced(report: Any) -> bool:  # noqa: ANN401 - JSON
    """S6: what was read is the sum of the eight states."""
    states = {name: count for name, count in report["ids"].items() if name != "read"}
    return len(states) == 8 and report["ids"]["read"] == sum(states.values())


async def test_every_id_is_sent_once_and_the_run_is_sealed(
    program: Program, emulate: Emulate
) -> None:
    """1,234 IDs: each acted on exactly once, never more than 3 in flight, exit 0."""
    emulator = await emulate(latency=0.01)
    path, ids = program.ids(1234)
    ended = await program.run(path)
    assert ended.code == 0, ended.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    assert emulator.state.stats()["max_in_flight"] <= 3
    assert ended.json["state"] == "finished"
    assert ended.json["ids"]["accepted"] == 1234
    assert ended.json["chunks"] == {
        "planned": 13,
        "accepted": 13,
        "rejected": 0,
        "ambiguous": 0,
        "unsent": 0,
    }
    assert balanced(ended.json)
    assert (program.run_dir() / "report.html").read_text("utf-8").startswith("<!")


async def test_c2_a_finished_run_is_not_sent_again(program: Program, emulate: Emulate) -> None:
    """The same command once more sends nothing, repeats the exit code and says why."""
    emulator = await emulate()
    path, _ = program.ids(250)
    first = await program.run(path)
    second = await program.run(path)
    assert (first.code, second.code) == (0, 0)
    assert second.json["reason"]["code"] == "already_finished"
    assert emulator.state.stats()["requests"] == 3
    third = await program.run(path, "--again")
    assert third.code == 0
    assert emulator.state.stats()["requests"] == 6


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
async def test_p8_a_signal_drains_and_nothing_is_sent_twice(
    program: Program, emulate: Emulate, number: int, code: int
) -> None:
    """One signal: requests in flight finish, the exit code says so, the resume re-sends nothing."""
    emulator = await emulate(latency=0.05)
    path, ids = program.ids(3000)
    process = await program.start(*program.sending("run", path, "--json"))
    while emulator.state.stats()["requests"] < 7:
        await asyncio.sleep(0.005)
    process.send_signal(number)
    out, _ = await process.communicate()
    assert process.returncode == code
    report = json.loads(out)
    assert (report["state"], report["exit_code"]) == ("interrupted", code)
    assert report["ids"]["ambiguous"] == 0
    assert 0 < report["ids"]["unsent"] < 3000
    assert (await program.run(path)).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_p4_sigkill_in_flight_loses_nothing_and_resends_only_what_was_out(
    program: Program, emulate: Emulate
) -> None:
    """Five hard kills with requests in flight: all IDs acted on, re-sends within S8."""
    emulator = await emulate(latency=0.05)
    path, ids = program.ids(4000)
    kills = 0
    while True:
        process = await program.start(*program.sending("run", path, "--json"))
        seen = emulator.state.stats()["requests"]
        while process.returncode is None and kills < 5:
            stats = emulator.state.stats()
            if stats["requests"] >= seen + 5 and stats["in_flight"]:
                process.kill()
                kills += 1
                break
            await asyncio.sleep(0.003)
        out, err = await process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, err
        status = await program("status", program.run_dir(), "--json")
        assert status.code == 0
        assert balanced(status.json)
        assert status.json["state"] == "interrupted"
        assert status.json["ids"]["ambiguous"] <= 300
    times = times_acted(emulator)
    assert kills == 5
    assert times.keys() == set(ids)
    twice = sum(count - 1 for count in times.values())
    assert twice <= kills * 3 * 100
    report = json.loads(out)
    assert report["ids"]["accepted"] == 4000
    assert balanced(report)


async def test_v9_wrong_credentials_stop_after_the_canary(
    program: Program, emulate: Emulate
) -> None:
    """401: exit 5 after one request; nothing is in doubt."""
    emulator = await emulate(passcode="another")
    path, _ = program.ids(1000)
    ended = await program.run(path)
    assert ended.code == 5
    assert emulator.state.stats()["requests"] == 1
    assert ended.json["ids"]["unsent"] == 1000
    assert "doctor" in ended.json["reason"]["hint"]


async def test_v8_a_bad_id_is_found_by_bisection(program: Program, emulate: Emulate) -> None:
    """A chunk with one poisonous ID is cut until that ID stands alone; the rest is accepted."""
    path, ids = program.ids(450)
    emulator = await emulate(refuse_ids=frozenset({ids[137], ids[288]}))
    ended = await program.run(path)
    assert ended.code == 3
    assert ended.json["ids"]["rejected"] == 2
    assert ended.json["ids"]["accepted"] == 448
    assert times_acted(emulator) == {one: 1 for one in ids if one not in {ids[137], ids[288]}}
    rejected = (program.run_dir() / "rejected.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[0] for line in rejected[1:]] == [ids[137], ids[288]]
    assert (program.run_dir() / "rejected.csv").stat().st_mode & 0o777 == 0o600


async def test_v12_v13_bad_weather_is_ridden_out(program: Program, emulate: Emulate) -> None:
    """5xx, answers lost after acting, 429s: all IDs accepted in the end, doubles within S8."""
    from bulkdelete.emulator import Faults  # noqa: PLC0415 - only here

    emulator = await emulate(
        latency=0.005, faults=Faults(throttle=0.03, error_5xx=0.05, drop_after=0.05, seed=4)
    )
    path, ids = program.ids(8000)
    for _ in range(4):
        ended = await program.run(path)
        if ended.code != 75:
            break
    assert ended.code == 0, ended.err
    times = times_acted(emulator)
    assert times.keys() == set(ids)
    doubles = sum(count - 1 for count in times.values())
    assert doubles <= ended.json["requests"]["ambiguous"] * 100
    faults = emulator.state.stats()["faults"]
    assert {"throttle", "error_5xx", "drop_after"} <= faults.keys()


async def test_s2_protected_ids_are_never_on_the_wire(program: Program, emulate: Emulate) -> None:
    """A protect list matches trimmed and case-folded, with wildcards; the rest is sent."""
    emulator = await emulate()
    path = program.write("list.csv", "identity", "Anna@x.org", "boss@staff.org", "joe", "kim")
    protect = program.write("protect.txt", " anna@X.ORG ", "*@STAFF.org")
    ended = await program.run(path, "--protect", protect)
    assert ended.code == 0
    assert times_acted(emulator) == {"joe": 1, "kim": 1}
    assert ended.json["ids"]["protected"] == 2


async def test_i16_a_protect_list_that_is_missing_or_empty_means_no_run(
    program: Program, emulate: Emulate
) -> None:
    """Exit 2 and no request."""
    emulator = await emulate()
    path, _ = program.ids(10)
    missing = await program.run(path, "--protect", "nowhere.txt")
    empty = await program.run(path, "--protect", program.write("empty.txt"))
    assert (missing.code, empty.code) == (2, 2)
    assert emulator.state.stats()["requests"] == 0


async def test_typed_list_keeps_the_kinds_apart(program: Program, emulate: Emulate) -> None:
    """A `Type,Identity` list: one kind in a body, both sent exactly."""
    rows = [f"{'ig'[number % 2]},id-{number}" for number in range(501)]
    emulator = await emulate()
    path = program.write("typed.csv", "Type,Identity", *rows)
    ended = await program.run(path)
    assert ended.code == 0, ended.err
    assert times_acted(emulator) == {f"id-{n}": 1 for n in range(0, 501, 2)}
    assert times_acted(emulator, "guid") == {f"id-{n}": 1 for n in range(1, 501, 2)}


async def test_standard_input_is_spooled_and_resumes_by_content(
    program: Program, emulate: Emulate
) -> None:
    """`-` runs, and the same content again is the same run."""
    emulator = await emulate()
    text = b"identity\n" + b"".join(b"user-%d\n" % n for n in range(230))
    first = await program.run("-", stdin=text)
    second = await program.run("-", stdin=text)
    assert (first.code, second.code) == (0, 0), first.err
    assert second.json["reason"]["code"] == "already_finished"
    assert len(times_acted(emulator)) == 230


async def test_h3_s10_an_edited_list_is_refused(program: Program, emulate: Emulate) -> None:
    """After a stop, the edited list is exit 6 without a request; `--abandon` starts afresh."""
    emulator = await emulate()
    path, ids = program.ids(1000)
    held = await program.run(path, "--hold-after", 200)
    assert held.code == 75
    assert held.json["reason"]["code"] == "hold_after"
    assert len(times_acted(emulator)) == 200
    before = emulator.state.stats()["requests"]
    program.write("list.csv", "identity", *ids, "one-more")
    refused = await program.run(path)
    assert refused.code == 6
    assert "content" in refused.json["reason"]["message"]
    assert emulator.state.stats()["requests"] == before
    fresh = await program.run(path, "--abandon")
    assert fresh.code == 0
    assert len(times_acted(emulator)) == 1001


async def test_guards_before_the_first_request(program: Program, emulate: Emulate) -> None:
    """Ceiling, expected count, missing approval, wrong digest, `--yes` alone: refused, 0 sent."""
    emulator = await emulate()
    path, _ = program.ids(100)
    place = ("--endpoint", program.url, "--json")
    table: list[tuple[tuple[object, ...], int]] = [
        (("--yes", "--max-deletes", 99), 4),
        (("--yes", "--max-deletes", 100, "--expect-count", 99), 4),
        (("--yes",), 2),
        (("--yes", "--max-deletes", 0), 2),
        ((), 4),
        (("--approve", "0123456789ab"), 4),
    ]
    for flags, code in table:
        ended = await program("run", path, *place, *flags)
        assert ended.code == code, (flags, ended.err)
        assert ended.json["exit_code"] == code
        assert ended.json["reason"]["message"]
    assert emulator.state.stats()["requests"] == 0


async def test_plan_then_apply_with_the_digest(program: Program, emulate: Emulate) -> None:
    """A plan is made offline, approved by its first 12 digits, and applied as it is."""
    emulator = await emulate()
    path, ids = program.ids(150)
    planned = await program("plan", path, "--endpoint", program.url, "--json")
    assert planned.code == 0, planned.err
    assert planned.json["state"] == "planned"
    assert emulator.state.stats()["requests"] == 0
    digest = planned.json["plan_digest"]
    run_dir = program.place / planned.json["run_dir"]
    applied = await program("apply", run_dir, "--approve", digest[7:19], "--json")
    assert applied.code == 0, applied.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_i1_nothing_to_do_sends_nothing(program: Program, emulate: Emulate) -> None:
    """Empty, header only, all protected: exit 0 without a request."""
    emulator = await emulate()
    empty = program.place / "empty.csv"
    empty.write_bytes(b"")
    header = program.write("header.csv", "identity")
    some, ids = program.ids(5)
    protect = program.write("all.txt", *ids)
    for words in ((empty,), (header,), (some, "--protect", protect)):
        ended = await program.run(*words)
        assert ended.code == 0, (words, ended.err)
        assert ended.json["state"] == "finished"
    assert emulator.state.stats()["requests"] == 0


async def test_s15_neither_passcode_nor_ids_reach_the_run_directory(
    program: Program, emulate: Emulate
) -> None:
    """After a run with faults and debug logs, no file or output but outcome files holds either."""
    path, ids = program.ids(300)
    await emulate(refuse_ids=frozenset({ids[120]}))
    ended = await program.run(path, "--log-level", "debug", "--log-format", "json")
    assert ended.code == 3
    texts = {"out": ended.out.encode(), "err": ended.err.encode()}
    for file in program.run_dir().iterdir():
        if file.name != "rejected.csv":
            texts[file.name] = file.read_bytes()
    for name, text in texts.items():
        assert b"tests-passcode" not in text, name
        assert b"user-" not in text, name


async def test_x1_of_many_processes_one_works(program: Program, emulate: Emulate) -> None:
    """Six processes on one run: one works, the others exit 7; each ID once."""
    emulator = await emulate(latency=0.05)
    path, ids = program.ids(900)
    planned = await program("plan", path, "--endpoint", program.url, "--json")
    run_dir = program.place / planned.json["run_dir"]
    words = ("apply", run_dir, "--yes", "--max-deletes", 900, "--json")
    ended = await asyncio.gather(*(program(*words) for _ in range(6)))
    codes = sorted(one.code for one in ended)
    assert codes.count(0) >= 1
    assert set(codes) <= {0, 7}
    assert 7 in codes
    assert {one.json["exit_code"] for one in ended if one.code == 7} == {7}
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_two_lists_share_the_slots_of_one_account(program: Program, emulate: Emulate) -> None:
    """Two processes with different lists: never more than 3 in flight together, both finish."""
    emulator = await emulate(latency=0.03, limit=9)
    one, ids_one = program.ids(2500, "one.csv")
    lines = [f"other-{n}" for n in range(2500)]
    two = program.write("two.csv", "identity", *lines)
    ended = await asyncio.gather(program.run(one), program.run(two))
    assert [e.code for e in ended] == [0, 0]
    assert emulator.state.stats()["max_live_in_flight"] <= 3
    assert times_acted(emulator) == dict.fromkeys([*ids_one, *lines], 1)


async def test_status_and_audit_of_a_tampered_log(program: Program, emulate: Emulate) -> None:
    """A flipped bit in the middle of the log: audit, status and run exit 6, nothing is sent."""
    emulator = await emulate()
    path, _ = program.ids(500)
    assert (await program.run(path, "--hold-after", 300)).code == 75
    log = program.run_dir() / "checkpoint.log"
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 4
    log.write_bytes(data)
    before = emulator.state.stats()["requests"]
    for words in (("audit", program.run_dir()), ("status", program.run_dir())):
        assert (await program(*words, "--json")).code == 6
    assert (await program.run(path)).code == 6
    assert emulator.state.stats()["requests"] == before
