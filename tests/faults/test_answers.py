"""What the API, or whoever stands in its place, may answer: the whole program judges it."""

import json
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from bulkdelete.core.target import MAX_ANSWER
from tests.conftest import Program
from tests.faults.doubts import SIZE, between, in_file, leaves_doubts
from tests.faults.raw_server import (
    OK,
    WHOLE,
    Reader,
    Script,
    Server,
    Step,
    Writer,
    answer,
    following,
    ids_of,
    then_close,
    unsized,
)

HTML = "Content-Type: text/html"
PAGE = b"<html><body>Welcome to the hotel's network</body></html>"


def said(**content: object) -> bytes:
    """Return the answer 200 with this JSON object."""
    return answer(200, json.dumps(content).encode())


def fail(status: int, code: int | None = None) -> bytes:
    """Return the API's failure."""
    body = {"status": "fail", "error": "Something is wrong", "code": code or status}
    return answer(status, json.dumps(body).encode())


async def test_v1_v6_every_2xx_that_says_success(program: Program) -> None:
    """Any 2xx with a whole JSON object that says so is an acceptance; what else it says is not."""
    bodies = [OK, b' {"status" : "success"}\n', b'{"status":"success","processed":10,"x":[1]}']
    steps = [answer(status, body) for status in (200, 201, 202, 206, 299) for body in bodies]
    path, ids = program.ids(SIZE * len(steps))
    async with Server(following(*steps)).running() as server:
        program.url = server.url
        ended = await program.run(path, "--chunk-size", SIZE)
    assert ended.code == 0, ended.err
    assert server.fired == len(server.requests) == len(steps)
    assert Counter(chain.from_iterable(server.sent_ids)) == Counter(ids)


DOUBTFUL: dict[str, list[Step]] = {
    "v2 another status": [
        said(status="nice"),
        said(status="error"),
        said(status="Success"),
        said(status="success "),
        said(status=None),
        said(status=True),
        said(status=["success"]),
        said(error="x"),
        said(),
    ],
    "v2 a server's trouble": [fail(200, 500), fail(200, 503), fail(200, 599)],
    "v3 nothing, or a page": [
        answer(200),
        answer(200, b"\n"),
        answer(200, PAGE, HTML),
        answer(200, PAGE),
        answer(200, OK + PAGE),
    ],
    "v4 no object": [
        answer(200, body)
        for body in (
            b"null",
            b"[]",
            b'"success"',
            b"1",
            b"[" * 50_000,
            b'{"status":"success","a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
            b'{"status":"fail","status":"success"}',
            b'{"status":"success","status":"success"}',
            b'{"status":"success"}{"status":"success"}',
            b'{"status":"success","n":NaN}',
        )
    ],
    "v5 unknown names": [
        said(status="success", unprocessed=["nobody"]),
        said(status="partial"),
        said(status="partial", unprocessed=[]),
        said(status="success", unprocessed={"user": 1}),
        said(status="success", unprocessed=[7]),
    ],
    "v6 another 2xx": [
        answer(202),
        answer(202, b'{"status":"accepted"}'),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        answer(206, OK[:9]),
        answer(299, b"{}"),
    ],
    "v12 5xx": [
        answer(status, body, *lines)
        for status in (500, 502, 503, 504, 520)
        for body, lines in ((PAGE, [HTML]), (OK, []))
    ],
    "v15 too much": [
        answer(200, OK + b" " * MAX_ANSWER),
        answer(200, OK, "X-Long: " + "x" * 1_000_000),
        answer(200, OK, *(f"X-{number}: {number}" for number in range(10_000))),
        unsized(200, b"", "X-Endless: " + "x" * 2_000_000),
    ],
    "v17 other encodings": [
        answer(200, OK.decode().encode("utf-16")),
        answer(200, OK.decode().encode("utf-32-le")),
        answer(200, b"\xef\xbb\xbf" + OK),
        answer(200, '{"status":"success","name":"é"}'.encode("latin-1")),
        answer(200, b'{"status":"success","name":"\xff\xfe"}'),
        answer(200, b'{"status":"success","name":"\xed\xa0\x80"}'),
    ],
}


@pytest.mark.parametrize("steps", DOUBTFUL.values(), ids=DOUBTFUL)
async def test_v2_v3_v4_v5_v6_v12_v15_v17_doubts(program: Program, steps: list[Step]) -> None:
    """What says neither yes nor no is a doubt, for every answer of the table."""
    await leaves_doubts(program, *steps)


@pytest.mark.parametrize("answered", [answer(200), said(status="nice"), answer(503, PAGE, HTML)])
async def test_v3_v12_a_first_chunk_in_doubt_goes_alone(program: Program, answered: bytes) -> None:
    """Until its attempts are spent: then 75, and no other chunk was sent."""
    path, ids = program.ids(500)
    async with Server(following(then=answered)).running() as server:
        program.url = server.url
        ended = await program.run(path, "--max-attempts", 2)
        assert (ended.code, ended.json["reason"]["code"]) == (75, "canary_ambiguous"), ended.err
        assert server.sent_ids == [ids[:100]] * 2
        assert (ended.json["ids"]["ambiguous"], ended.json["ids"]["unsent"]) == (100, 400)
        server.script = following()
        assert (await program.run(path)).code == 0
    assert Counter(chain.from_iterable(server.sent_ids)) == Counter([*ids, *ids[:100] * 2])


@pytest.mark.parametrize("answered", [answer(200, PAGE, HTML), answer(404, PAGE), fail(404)])
async def test_v3_v10_whoever_is_not_the_api_gets_one_request(
    program: Program, answered: bytes
) -> None:
    """A captive portal, or a 404, at the canary: exit 5 after one request."""
    path, _ = program.ids(500)
    async with Server(following(answered)).running() as server:
        program.url = server.url
        ended = await program.run(path)
    assert ended.code == 5, ended.err
    assert (server.fired, len(server.requests)) == (1, 1)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410, 451, 101, 600])
async def test_v9_v10_refusals_of_us_stop_the_run(program: Program, status: int) -> None:
    """After an acceptance, too: at most three more requests, exit 5, all the rest unsent."""
    path, _ = program.ids(2000)
    refusal = answer(status, PAGE) if status in {404, 600} else fail(status)
    async with Server(following(WHOLE, WHOLE, then=refusal)).running() as server:
        program.url = server.url
        ended = await program.run(path)
        assert ended.code == 5, ended.err
        assert ended.json["reason"]["code"] == f"http_{status}"
        assert 3 <= len(server.requests) <= 2 + 3
        assert ended.json["ids"]["accepted"] == 200
        assert ended.json["ids"]["unsent"] == 1800


async def test_v2_v8_v10_refused_ids_are_rejected_once(program: Program) -> None:
    """400, 404 with the API's JSON, 409, 422, and `fail`: no second try, exit 3, rejected.csv."""
    refusals = [fail(400), fail(404), fail(409), fail(422), said(status="fail", error="bad")]
    refusals += [fail(200, 400), fail(200, 404), answer(400, PAGE, HTML)]
    steps = between(refusals)
    path, ids = program.ids(len(steps))
    flags = ("--chunk-size", 1, "--max-failures", 100)
    async with Server(following(*steps)).running() as server:
        program.url = server.url
        ended = await program.run(path, *flags)
    assert ended.code == 3, ended.err
    assert server.fired == len(server.requests) == len(steps)
    assert sorted(chain.from_iterable(server.sent_ids)) == sorted(ids)
    bad = chain.from_iterable(server.sent_ids[1::2])
    assert sorted(in_file(program, "rejected")) == sorted(bad)
    assert ended.json["ids"]["rejected"] == len(refusals)


async def test_v8_refusals_count_to_the_share_that_stops(program: Program) -> None:
    """With one ID in three refused the run stops at 4, after ten chunks."""
    path, _ = program.ids(600)

    async def one_in_three(_: Server, __: Reader, writer: Writer) -> None:
        writer.write(fail(422) if len(server.requests) % 3 == 0 else WHOLE)

    server = Server(following(then=one_in_three))
    async with server.running():
        program.url = server.url
        ended = await program.run(path, "--chunk-size", 1)
    assert (ended.code, ended.json["reason"]["code"]) == (4, "max_failures"), ended.err
    assert 10 <= len(server.requests) <= 10 + 3


async def test_v11_413_halves_the_chunk(program: Program) -> None:
    """A server that takes 30 IDs gets 25 at a time; the splits are on record, all are accepted."""
    path, ids = program.ids(300)

    async def small(server: Server, _: Reader, writer: Writer) -> None:
        fits = len(ids_of(server.requests[-1])) <= 30
        writer.write(WHOLE if fits else fail(413))

    async with Server(following(then=small)).running() as server:
        program.url = server.url
        ended = await program.run(path)
    assert ended.code == 0, ended.err
    sizes = Counter(map(len, server.sent_ids))
    assert sizes == {100: 3, 50: 6, 25: 12}
    taken = [one for one in server.sent_ids if len(one) == 25]
    assert Counter(chain.from_iterable(taken)) == Counter(ids)
    log = (program.run_dir() / "checkpoint.log").read_text("ascii")
    assert log.count('"split"') == 3 + 6


async def test_v5_ids_that_are_named_as_not_processed(program: Program) -> None:
    """As strings or in objects, with `success` or `partial`: those rejected, the rest accepted."""
    path, ids = program.ids(SIZE * 4)

    def partial(status: str, wrap: Callable[[str], object]) -> Script:
        async def step(server: Server, _: Reader, writer: Writer) -> None:
            named = [wrap(one) for one in ids_of(server.requests[-1])[2:5]]
            writer.write(said(status=status, processed=7, unprocessed=named))

        return step

    steps: list[Step] = [WHOLE, partial("success", str), partial("partial", str)]
    steps.append(partial("partial", lambda one: {"identity": one, "code": 513}))
    async with Server(following(*steps)).running() as server:
        program.url = server.url
        ended = await program.run(path, "--chunk-size", SIZE, "--max-failures", 100)
    assert ended.code == 3, ended.err
    assert server.fired == len(server.requests) == 4
    bad = [one for sent in server.sent_ids[1:] for one in sent[2:5]]
    assert sorted(in_file(program, "rejected")) == sorted(bad)
    assert ended.json["ids"]["accepted"] == len(ids) - 9


async def test_v14_good_and_bad_by_turns(program: Program) -> None:
    """Every second answer is a 500: retries stay in their budget, and another run ends it."""
    path, ids = program.ids(SIZE * 40)

    async def by_turns(_: Server, __: Reader, writer: Writer) -> None:
        writer.write(WHOLE if len(server.requests) % 2 else answer(500, PAGE, HTML))

    server = Server(following(then=by_turns))
    async with server.running():
        program.url = server.url
        flags = ("--chunk-size", SIZE, "--max-failures", 100)
        ended = await program.run(path, *flags)
        assert (ended.code, ended.json["reason"]["code"]) == (75, "retry_budget"), ended.err
        first = len(server.requests)
        assert first <= 40 * 1.25 + 10
        refused = first // 2
        server.script = following()
        assert (await program.run(path, *flags)).code == 0
    times = Counter(chain.from_iterable(server.sent_ids))
    assert times.keys() == set(ids)
    assert sum(times.values()) - len(ids) <= refused * SIZE


DATES = [
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Thu, 32 Foo 2026 99:99:99 GMT",
    "-1",
    "9" * 500,
    "",
]


@pytest.mark.slow
async def test_k2_v16_doctor_takes_any_answer(program: Program) -> None:
    """Odd dates, floods, nothing, and what is no HTTP: a judgement, never a bug of ours."""
    answers: list[Step] = [answer(404, b"{}", f"Date: {one}") for one in DATES]
    answers += [answer(200, b"[" * 60_000), then_close(unsized(200, b"{" * 70_000)), answer(204)]
    answers += [then_close(b""), then_close(b"\0" * 99), FLOODS["1xx answers"], answer(302)]
    codes = []
    for step in answers:
        server = Server(asked(step))
        async with server.running():
            ended = await program("doctor", "--endpoint", server.url, "--json")
        assert 1 <= server.fired <= 2  # a question may be asked twice
        assert "Error" not in ended.err, ended.err
        assert ended.json["exit_code"] == ended.code
        codes.append(ended.code)
    assert set(codes[: len(DATES)]) <= {0, 2}
    assert codes[len(DATES) :] == [5, 0, 5, 75, 75, 75, 5]


def asked(step: Step) -> Script:
    """Meet a question, which has no body."""

    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        server.fired += 1
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
            await reader.read(1)
        else:
            await step(server, reader, writer)

    return script


# --- answers without end ---


def endless(start: bytes, more: bytes) -> Script:
    """Write something for ever, as fast as it is taken."""

    async def step(server: Server, _: Reader, writer: Writer) -> None:
        writer.write(start)
        while True:
            writer.write(more)
            server.heard += b"."
            await writer.drain()

    return step


FLOODS: dict[str, Script] = {
    "a body": endless(unsized(200, b""), b"x" * 65_536),
    "a header": endless(b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 65_536),
    "headers": endless(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 4096),
    "chunks": endless(unsized(200, b"", "Transfer-Encoding: chunked"), b"1\r\nx\r\n" * 4096),
    "a chunk's extension": endless(
        unsized(200, b"", "Transfer-Encoding: chunked") + b"5;a=", b"x" * 65_536
    ),
    "trailers": endless(
        unsized(200, b"", "Transfer-Encoding: chunked") + b"0\r\n", b"X-A: b\r\n" * 4096
    ),
    "1xx answers": endless(b"", unsized(100, b"") * 2048),
    "1xx answers with headers": endless(b"", unsized(103, b"", "X-A: " + "x" * 4000) * 32),
    "empty lines": endless(b"", b"\r\n" * 8192),
    "a status": endless(b"HTTP/1.1 200 ", b"O" * 65_536),
    "a version": endless(b"HTTP/1.", b"1" * 65_536),
}


def peak(pid: int) -> int:
    """Return how much memory a process ever had, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


async def peaks(program: Program, name: str, step: Step) -> tuple[int, Server]:
    """Run three chunks, the second into `step`; return the peak of memory, seen at the third."""
    seen: list[int] = []

    async def look(_: Server, __: Reader, writer: Writer) -> None:
        seen.append(peak(process.pid))
        writer.write(WHOLE)

    path, _ = program.ids(300, f"{name.replace(' ', '-')}.csv")
    flags = ("--max-in-flight", 1, "--timeout", 2, "--on-ambiguous", "hold", "--max-failures", 100)
    async with Server(following(WHOLE, step, look)).running() as server:
        program.url = server.url
        process = await program.start(*program.sending("run", path, *flags, "--json"))
        out, err = await process.communicate()
    assert server.fired == 3, err
    assert process.returncode == (0 if step == WHOLE else 3), err
    assert json.loads(out)["ids"]["ambiguous"] == (0 if step == WHOLE else 100)
    return seen[0], server


@pytest.mark.slow
async def test_v15_memory_is_flat_under_a_flood(program: Program) -> None:
    """However it goes on: the answer is in doubt, and next to no memory went into it."""
    quiet, _ = await peaks(program, "quiet", WHOLE)
    for name, flood in FLOODS.items():
        flooded, server = await peaks(program, name, flood)
        assert flooded - quiet < 8 * 1024, name
        # Cut off, and long before the deadline.
        assert 0 < len(server.heard) < 500, name
