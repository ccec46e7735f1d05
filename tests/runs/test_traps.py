"""What the public clients of this endpoint get wrong, each as a test."""

import asyncio
import json

import pytest

from tests.conftest import Emulate, Program, times_acted


def sizes(emulator: object) -> list[int]:
    """Return how many IDs each request held."""
    return [attempt.count for attempt in emulator.state.log]  # type: ignore[attr-defined]


async def test_trap_no_empty_last_request(program: Program, emulate: Emulate) -> None:
    """Rows that are a multiple of 100 give no empty request."""
    emulator = await emulate()
    path, _ = program.ids(300)
    assert (await program.run(path)).code == 0
    assert sizes(emulator) == [100, 100, 100]


async def test_trap_blank_lines_are_not_ids(program: Program, emulate: Emulate) -> None:
    """Blank lines are no records; an empty cell of a record is one invalid ID."""
    emulator = await emulate()
    path = program.write("list.csv", "name,identity", "", "Ann,ann-1", "", "Bob,", "", "Cid,cid-3")
    ended = await program.run(path, "--max-invalid", 50)
    assert ended.code == 0, ended.err
    assert times_acted(emulator) == {"ann-1": 1, "cid-3": 1}
    assert (ended.json["ids"]["read"], ended.json["ids"]["invalid"]) == (3, 1)


@pytest.mark.parametrize(
    ("word", "code", "state"),
    [
        ('200 {"status":"fail","error":"x"}', 3, "rejected"),
        ('200 {"status":"nice"}', 0, "accepted"),
        ("empty_200", 0, "accepted"),
        ("html_200", 0, "accepted"),
    ],
)
async def test_v2_v3_trap_the_body_decides(
    program: Program, emulate: Emulate, word: str, code: int, state: str
) -> None:
    """A 200 that does not say success is a refusal or a doubt (then sent again), never a yes."""
    path, ids = program.ids(101)
    emulator = await emulate(script=("ok", word))
    ended = await program.run(path)
    assert ended.code == code, ended.err
    assert ended.json["ids"][state] >= 1
    doubts = 0 if state == "rejected" else 1
    assert ended.json["requests"]["ambiguous"] == doubts
    assert (ids[-1] in times_acted(emulator)) == (state == "accepted")


@pytest.mark.parametrize("word", ["401", "403", "405", "307", "404"])
async def test_v7_v9_v10_trap_refusals_of_us_are_not_retried(
    program: Program, emulate: Emulate, word: str
) -> None:
    """401, 403, 405, a redirect, a 404 at the canary: one request, exit 5, no stray request."""
    emulator = await emulate(script=(word,) * 5)
    path, _ = program.ids(500)
    ended = await program.run(path)
    assert ended.code == 5
    stats = emulator.state.stats()
    assert (stats["requests"], stats["strays"]) == (1, 0)


async def test_v3_trap_html_at_the_canary_is_not_the_api(
    program: Program, emulate: Emulate
) -> None:
    """A captive portal answers 200 with HTML: exit 5 after one request."""
    emulator = await emulate(script=("html_200",) * 9)
    path, _ = program.ids(500)
    ended = await program.run(path)
    assert (ended.code, ended.json["reason"]["code"]) == (5, "not_the_api")
    assert emulator.state.stats()["requests"] == 1
    assert ended.json["ids"]["ambiguous"] == 100


async def test_r5_trap_others_use_the_account(program: Program, emulate: Emulate) -> None:
    """With one slot free of three the run does not drown in 429s, and finishes."""
    emulator = await emulate(limit=1, latency=0.02)
    path, ids = program.ids(12_000)
    ended = await program.run(path)
    assert ended.code == 0, ended.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    assert ended.json["requests"]["throttled"] <= 12


async def test_trap_one_kind_in_a_body(program: Program, emulate: Emulate) -> None:
    """Both kinds in one list never meet in one body: the emulator would refuse it with 400."""
    emulator = await emulate()
    rows = [f"{'gi'[n % 3 == 0]},x-{n}" for n in range(400)]
    ended = await program.run(program.write("t.csv", "Type,Identity", *rows))
    assert ended.code == 0
    assert emulator.state.stats()["rejected"] == 0
    assert {attempt.kind for attempt in emulator.state.log} == {"identity", "guid"}


async def test_g1_trap_no_region_is_no_run(program: Program) -> None:
    """No region: exit 2; and a plan without one is a draft that cannot be applied."""
    path, _ = program.ids(10)
    refused = await program("run", path, "--yes", "--max-deletes", 10, "--json")
    assert (refused.code, refused.json["reason"]["code"]) == (2, "region_missing")
    draft = await program("plan", path, "--json")
    assert (draft.code, draft.json["state"]) == (0, "draft")
    run_dir = program.place / draft.json["run_dir"]
    applied = await program("apply", run_dir, "--yes", "--max-deletes", 10, "--json")
    assert applied.code == 2


async def test_g1_trap_the_passcode_has_no_flag(program: Program) -> None:
    """`--passcode=…` is an unknown flag, and what was given is not echoed."""
    path, _ = program.ids(10)
    for words in (("--passcode=hunter2secret",), ("--passcode", "hunter2secret")):
        ended = await program("run", path, *words)
        assert ended.code == 2
        assert "--passcode" in ended.err
        assert "hunter2secret" not in ended.err + ended.out


async def test_s16_trap_a_dry_run_sends_nothing(program: Program, emulate: Emulate) -> None:
    """`--dry-run` plans and checks; no request of any kind reaches the server."""
    emulator = await emulate()
    path, _ = program.ids(250)
    ended = await program("run", path, "--endpoint", program.url, "--dry-run", "--json")
    assert (ended.code, ended.json["state"]) == (0, "planned")
    assert ended.json["ids"]["unsent"] == 250
    assert emulator.state.stats()["requests"] == 0


async def test_r2_a_wait_hint_is_waited_for(program: Program, emulate: Emulate) -> None:
    """After a 429 with Retry-After 1 nothing starts for a second."""
    from bulkdelete.emulator import Faults  # noqa: PLC0415 - only here

    emulator = await emulate(script=("ok", "throttle"), faults=Faults(retry_after="1"))
    path, _ = program.ids(400)
    ended = await program.run(path)
    assert ended.code == 0, ended.err
    log = emulator.state.log
    refused = next(a for a in log if a.verdict not in {"accepted", "pending"})
    after = [a.arrived for a in log if a.arrived > refused.arrived + 0.02]
    assert min(after) - refused.arrived >= 0.99


async def test_r3_a_hint_longer_than_the_patience_stops(program: Program, emulate: Emulate) -> None:
    """Retry-After of an hour with --give-up-after 5m: exit 75 at once, all unsent."""
    from bulkdelete.emulator import Faults  # noqa: PLC0415 - only here

    await emulate(script=("throttle",), faults=Faults(retry_after="3600"))
    path, _ = program.ids(400)
    ended = await program.run(path, "--give-up-after", "5m")
    assert (ended.code, ended.json["reason"]["code"]) == (75, "wait_hint")
    assert ended.json["ids"]["unsent"] == 400


async def test_v14_an_outage_ends_in_75_and_one_more_run_finishes(
    program: Program, emulate: Emulate
) -> None:
    """A server that only says 503 is given up on, resumable; once well, the run finishes (S9)."""
    emulator = await emulate(script=("ok", *("503",) * 60))
    path, ids = program.ids(3000)
    ended = await program.run(path, "--give-up-after", "2s")
    assert ended.code == 75, ended.err
    assert ended.json["reason"]["code"] in {"outage", "retry_budget"}
    emulator.emulation.turn({"script": []})
    again = await program.run(path)
    assert again.code == 0, again.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_n1_nobody_listens(program: Program) -> None:
    """A closed port: no byte left, all unsent, exit 75 after --give-up-after."""
    path, _ = program.ids(200)
    program.url = "http://127.0.0.1:9"
    ended = await program.run(path, "--give-up-after", "1s")
    assert ended.code == 75
    assert ended.json["ids"]["unsent"] == 200
    assert ended.json["requests"]["sent"] == 0
    assert ended.json["requests"]["failed"] > 0


async def test_n5_a_silent_server_is_a_doubt_at_the_deadline(
    program: Program, emulate: Emulate
) -> None:
    """A request without an answer is ambiguous after --timeout, and is sent again."""
    emulator = await emulate(script=("ok", "hang"))
    path, ids = program.ids(300)
    ended = await program.run(path, "--timeout", "0.5")
    assert ended.code == 0, ended.err
    assert ended.json["requests"]["ambiguous"] == 1
    assert times_acted(emulator).keys() == set(ids)


async def test_p9_sigterm_while_waiting_leaves_at_once(program: Program, emulate: Emulate) -> None:
    """SIGTERM in a long wait: gone in well under two seconds, resumable."""
    from bulkdelete.emulator import Faults  # noqa: PLC0415 - only here

    emulator = await emulate(script=("ok", "throttle"), faults=Faults(retry_after="600"))
    path, _ = program.ids(900)
    process = await program.start(*program.sending("run", path, "--json"))
    while not emulator.state.stats()["throttled"]:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    process.terminate()
    async with asyncio.timeout(2):
        out, _ = await process.communicate()
    assert process.returncode == 143
    assert json.loads(out)["ids"]["ambiguous"] == 0


async def test_s12_failures_above_the_share_stop_the_run(
    program: Program, emulate: Emulate
) -> None:
    """With a fifth of the IDs refused the run stops at 4 after ten chunks' worth."""
    await emulate(refuse_pattern=r"-bad-")
    rows = [f"user-{n}" if n % 5 or n < 100 else f"user-bad-{n}" for n in range(5000)]
    path = program.write("list.csv", "identity", *rows)
    ended = await program.run(path)
    assert (ended.code, ended.json["reason"]["code"]) == (4, "max_failures")
    assert ended.json["ids"]["unsent"] > 2000


async def test_s12_a_canary_that_is_refused_whole_stops_at_4(
    program: Program, emulate: Emulate
) -> None:
    """Every ID refused: at most 16 requests without an acceptance, exit 4."""
    emulator = await emulate(refuse_pattern="user")
    path, _ = program.ids(1000)
    ended = await program.run(path)
    assert (ended.code, ended.json["reason"]["code"]) == (4, "canary")
    assert emulator.state.stats()["requests"] <= 16


async def test_s13_rate_paces_the_starts(program: Program, emulate: Emulate) -> None:
    """`--rate 20`: in no second more than 21 requests arrive, and nearly 20 do."""
    emulator = await emulate()
    path, _ = program.ids(5000)
    ended = await program.run(path, "--rate", 20)
    assert ended.code == 0, ended.err
    times = [attempt.arrived for attempt in emulator.state.log]
    assert max(sum(t <= one < t + 1 for one in times) for t in times) <= 21
    assert times[-1] - times[0] <= 50 / 20 * 1.25


async def test_max_duration_stops_resumable(program: Program, emulate: Emulate) -> None:
    """`--max-duration` ends with 75, drained; the same command goes on."""
    emulator = await emulate(latency=0.05)
    path, ids = program.ids(9000)
    ended = await program.run(path, "--max-duration", "0.7s")
    assert (ended.code, ended.json["reason"]["code"]) == (75, "max_duration")
    assert ended.json["ids"]["ambiguous"] == 0
    assert (await program.run(path)).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_an_unapproved_plan_is_shown_each_time(program: Program, emulate: Emulate) -> None:
    """Without approval and terminal: exit 4, the plan on stderr, also when it was made before."""
    await emulate()
    path, _ = program.ids(120)
    for _ in range(2):
        ended = await program("run", path, "--endpoint", program.url)
        assert ended.code == 4
        assert "planned               120 IDs" in ended.err
        assert "--approve" in ended.err
