"""The two endpoints and the control path, over real sockets."""

import asyncio
import hashlib
import io
import json

import pytest

from bulkdelete.emulator import EmulatorConfig, running
from tests.emulator.emulator_client import CREDENTIALS, call

NOW = EmulatorConfig(latency=0)


@pytest.mark.parametrize(
    ("body", "kind", "count"),
    [
        ({"identity": "a"}, "identity", 1),
        ({"identity": ["a", "b"]}, "identity", 2),
        ({"guid": "-h1"}, "guid", 1),
        ({"guid": [f"g{n}" for n in range(100)]}, "guid", 100),
    ],
)
async def test_a_good_request_is_accepted(body: object, kind: str, count: int) -> None:
    """All four documented bodies delete, with the exact success body and the emulator's mark."""
    async with running(NOW) as emulator:
        client = call(emulator)
        answer = await client.delete(body)
        assert answer.is_success
        assert answer.headers["X-Emulator"] == "bulkdelete"
        stats = await client.stats()
        assert stats["ids_acted"] == {"identity": 0, "guid": 0} | {kind: count}
        assert (stats["requests"], stats["accepted_requests"], stats["in_flight"]) == (1, 1, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        [],
        "a",
        None,
        {},
        {"identity": "a", "guid": "b"},
        {"identity": []},
        {"identity": ""},
        {"identity": ["a", ""]},
        {"identity": 7},
        {"identity": [7]},
        {"identity": None},
        {"identity": ["a"] * 101},
    ],
    ids=lambda body: repr(body)[:30],
)
async def test_a_bad_body_is_a_400(body: object) -> None:
    """Nothing is acted on, and the answer is the API's failure object."""
    async with running(NOW) as emulator:
        client = call(emulator)
        answer = await client.delete(body)
        assert answer.status == 400
        assert json.loads(answer.body)["status"] == "fail"
        assert json.loads(answer.body)["code"] == 400
        assert emulator.state.stats()["rejected"] == 1
        assert emulator.state.acted_requests == 0


async def test_a_body_beyond_reason_is_a_413() -> None:
    """A body larger than any 100 IDs can be is refused, not swallowed."""
    async with running(NOW) as emulator:
        answer = await call(emulator).delete(b"", data=io.BytesIO(b"a" * 5_000_000))
        assert (answer.status, emulator.state.stats()["rejected"]) == (413, 1)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        CREDENTIALS | {"X-CleverTap-Passcode": "wrong"},
        CREDENTIALS | {"X-CleverTap-Account-Id": "wrong"},
    ],
)
async def test_wrong_credentials_are_a_401(headers: dict[str, str]) -> None:
    """Both endpoints answer the failure object with code 401, and nothing is acted on."""
    async with running(NOW) as emulator:
        client = call(emulator)
        answer = await client.delete({"identity": "a"}, headers=headers)
        assert answer.status == json.loads(answer.body)["code"] == 401
        read = await client.request("GET", "/1/profile.json?identity=a", headers=headers)
        assert read.status == 401
        assert emulator.state.acted_requests == 0


async def test_one_poisonous_id_refuses_its_chunk() -> None:
    """The chunk is refused whole, by a listed ID or by the pattern; its halves without are not."""
    config = EmulatorConfig(latency=0, refuse_ids=frozenset({"bad"}), refuse_pattern="^x-")
    async with running(config) as emulator:
        client = call(emulator)
        statuses = [
            (await client.delete({"identity": ids})).status
            for ids in (["a", "bad"], ["a", "x-1"], ["a", "ax-1"], ["bad"])
        ]
        assert statuses == [400, 400, 200, 400]
        assert emulator.state.verdicts == {"refused_ids": 3, "accepted": 1}


@pytest.mark.parametrize(("style", "status"), [("404", 404), ("400", 400), ("200", 200)])
async def test_a_profile_is_there_and_then_gone(style: str, status: int) -> None:
    """A read finds the record until the delete, and then answers in the chosen style."""
    config = EmulatorConfig(latency=0, gone_style=style)  # type: ignore[arg-type]
    async with running(config) as emulator:
        client = call(emulator)
        found = await client.read({"objectId": "g"})
        assert json.loads(found.body) == {"status": "success", "record": {"objectId": "g"}}
        await client.delete({"guid": "g"})
        gone = await client.read({"objectId": "g"})
        assert gone.status == status
        assert "record" not in json.loads(gone.body)
        assert (await client.read({"identity": "g"})).status == 200
        assert (await client.read({})).status == 400


async def test_reads_have_a_limit_and_a_script_of_their_own() -> None:
    """Reads are throttled among themselves, and can be told to fail."""
    config = EmulatorConfig(latency=0.1, profile_limit=1)
    async with running(config) as emulator:
        client = call(emulator)
        both = await asyncio.gather(*(client.read({"identity": "a"}) for _ in range(2)))
        assert sorted(one.status for one in both) == [200, 429]
        await client.turn(profile_script=["403", "503"], latency=0)
        assert [(await client.read({"identity": "a"})).status for _ in range(3)] == [403, 503, 200]


async def test_strays_are_counted_and_marked() -> None:
    """Another path is a 404, another method a 405; both are marked and counted."""
    async with running(NOW) as emulator:
        client = call(emulator)
        lost = await client.request("POST", "/1/upload")
        wrong = await client.request("PUT", "/1/delete/profiles.json")
        assert (lost.status, wrong.status) == (404, 405)
        assert lost.headers["X-Emulator"] == wrong.headers["X-Emulator"] == "bulkdelete"
        stats = await client.stats()
        assert (stats["strays"], stats["requests"]) == (2, 0)


async def test_the_log_has_a_row_for_each_request() -> None:
    """Times, kind, count, the hash of the body, the verdict, and whether it acted."""
    body = b'{"identity": ["a", "b"]}'
    async with running(EmulatorConfig(latency=0, script=("ok", "503", "+503"))) as emulator:
        client = call(emulator)
        for _ in range(3):
            await client.delete(body)
        rows = await client.log()
        assert [row["verdict"] for row in rows] == ["accepted", "503", "503"]
        assert [row["acted"] for row in rows] == [True, False, True]
        assert {row["sha256"] for row in rows} == {hashlib.sha256(body).hexdigest()}
        assert [(row["seq"], row["kind"], row["count"]) for row in rows] == [
            (seq, "identity", 2) for seq in (1, 2, 3)
        ]
        assert all(row["arrived"] <= row["ended"] for row in rows)


async def test_accepted_ids_come_back_exactly() -> None:
    """An ID with a tab, a line feed or a line separator is still one line of the list."""
    odd = ["tab\there", "line\nfeed", "\u2028", "é", "=1+1"]
    async with running(NOW) as emulator:
        client = call(emulator)
        await client.delete({"identity": odd})
        await client.delete({"identity": odd[0]})
        answer = await client.request("GET", "/_emulator/accepted", headers={})
        rows = [line.split(b"\t") for line in answer.body.split(b"\n")[:-1]]
        assert [(row[0], int(row[1]), json.loads(row[2])) for row in rows] == [
            (b"identity", 2 if one == odd[0] else 1, one) for one in odd
        ]
        assert (await client.stats())["ids_acted_more_than_once"] == {"identity": 1, "guid": 0}


async def test_reset_begins_anew() -> None:
    """Counts, log, profiles and dials go back to the configuration."""
    async with running(NOW) as emulator:
        client = call(emulator)
        before = await client.stats()
        await client.delete({"identity": "a"})
        await client.turn(script=["401"], limit=9)
        await client.request("POST", "/_emulator/reset", headers={})
        assert await client.stats() == before
        assert (await client.log()) == []
        assert (await client.read({"identity": "a"})).status == 200
        assert (await client.delete({"identity": "a"})).is_success


async def test_a_reset_in_mid_flight_keeps_the_slot_and_counts_nothing() -> None:
    """A request from before the reset still ends properly."""
    async with running(EmulatorConfig(latency=0.1)) as emulator:
        client = call(emulator)
        early = asyncio.create_task(client.delete({"identity": "a"}))
        await asyncio.sleep(0.03)
        emulator.emulation.reset()
        assert emulator.state.slots.in_flight == 1
        assert (await early).is_success
        assert (emulator.state.slots.in_flight, emulator.state.accepted_requests) == (0, 0)


async def test_a_wrong_turn_is_a_400() -> None:
    """The answer names the setting; a right turn answers the dials as they stand."""
    async with running(NOW) as emulator:
        client = call(emulator)
        for patch in ({"limit": 0}, {"oops": 1}, {"throttle": 7}):
            assert (await client.turn(**patch)).status == 400
        answer = await client.turn(throttle=0.5, limit=5)
        assert json.loads(answer.body)["limit"] == 5
        shown = await client.request("GET", "/_emulator/faults", headers={})
        assert shown.body == answer.body
