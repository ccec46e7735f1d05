"""S15: neither the passcode nor an ID is written or printed anywhere but where it must be."""

import asyncio
import gzip
import json
import signal
import zlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from bulkdelete.core.model import State
from tests.conftest import ACCOUNT, Ended, Program
from tests.faults.bugs import BUGS, customise, plant
from tests.faults.canaries import PASSCODE, STEM, files, forms, hits, person
from tests.faults.raw_server import (
    WHOLE,
    Reader,
    Script,
    Server,
    Writer,
    answer,
    closed_port,
    following,
    ids_of,
    then_close,
)

SECRETS = {"the passcode": PASSCODE, "an ID": STEM}
OUTCOMES = [f"{state}.{kind}" for state in State for kind in ("csv", "jsonl")]


@pytest.fixture
def secretive(program: Program) -> Program:
    """Give the program secrets that can be found again; all that it writes is in its place."""
    temporary = program.place / "tmp"
    temporary.mkdir()
    program.env |= {
        "CLEVERTAP_PASSCODE": PASSCODE,
        "TMPDIR": str(temporary),
        "HOME": str(program.place),
        "PYTHONWARNINGS": "default",
        "PYTHONASYNCIODEBUG": "0",
    }
    return program


def people(program: Program, count: int) -> Path:
    """Write a list of IDs: some twice, some that cannot be."""
    ids = [person(number) for number in range(count)]
    bad = [f"bad\x01-{STEM}", f"{STEM}-{'x' * 1100}", f"{STEM}\x9f"]
    lines = [json.dumps({"identity": one}) for one in [*ids, *ids[:7], *bad]]
    return program.write("people.jsonl", *lines)


def traces(program: Program, *ended: Ended) -> dict[str, bytes]:
    """Return all that was written and printed, but for what may hold IDs."""
    inputs = ("people.jsonl", "protect.jsonl", "input.spool", "secrets.txt", "passcode")
    found = dict(files(program.place, *inputs, *OUTCOMES))
    for number, one in enumerate(ended):
        found[f"stdout {number}"] = one.out.encode()
        found[f"stderr {number}"] = one.err.encode()
    return {name: text for name, text in found.items() if not name.endswith(".pyc")}


# --- the searcher ---


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_s15_the_searcher_finds_what_is_planted(secret: str) -> None:
    """In every form, at the beginning, in the middle and at the end, whatever stands around it."""
    for before, after in (("", ""), ("a", "bc"), ("ab", "c"), ("abc", "a")):
        raw = f"{before}{secret}{after}".encode()
        planted = [
            raw,
            raw.hex().encode(),
            b64encode(raw),
            quote(raw).encode(),
            json.dumps(raw.decode()).encode(),
            raw.decode()[::-1].encode(),
            repr({"a": raw.decode()}).encode(),
            repr(raw).encode(),
            json.dumps({"body": json.dumps(raw.decode())}).encode(),
        ]
        for one in planted:
            assert hits({"it": secret}, {"here": b"xyz" + one + b"xyz"}), one
            assert not hits({"it": secret}, {"here": b"xyz" + one[:-25] + b"xyz"}) or len(one) > 99
    assert hits({"it": secret}, {secret: b""})


def test_s15_the_searcher_cries_no_wolf() -> None:
    """No form is so short that it would be found by chance."""
    for secret in SECRETS.values():
        assert min(map(len, forms(secret).values())) >= 20
    noise = zlib.compress(gzip.compress(bytes(range(256)) * 4096)) * 50
    assert not hits(SECRETS, {"noise": noise})


# --- runs ---


def echo(status: int, *lines: str) -> Script:
    """Answer with all that came, in the status line, the headers and the body."""

    async def step(server: Server, _: Reader, writer: Writer) -> None:
        request = server.requests[-1].decode()
        account = [PASSCODE, *ids_of(server.requests[-1])[:3]]
        body = json.dumps({"status": "fail", "error": request, "code": status, "who": account})
        header = f"X-Echo: {PASSCODE} {quote(STEM)}"
        whole = answer(status, body.encode(), header, *lines)
        writer.write(whole.replace(b"Some Reason", PASSCODE.encode(), 1))

    return step


async def garble(server: Server, _: Reader, writer: Writer) -> None:
    """Echo, as something that is no HTTP."""
    writer.write(f"{PASSCODE} HTTP/{STEM}\r\n{PASSCODE}\r\n\r\n".encode() + server.requests[-1])
    writer.close()


LOUD = ("--log-level", "debug", "--log-format", "json")


async def test_s15_v16_servers_that_echo(secretive: Program) -> None:
    """Whatever is echoed in whatever answer: nothing of it is kept or printed."""
    path = people(secretive, 170)
    script: list[bytes | Script] = [WHOLE]
    for status in (200, 400, 404, 422, 500, 503):
        script += [echo(status), WHOLE]
    script += [echo(429, f"Retry-After: {PASSCODE}"), WHOLE, echo(503, f"Retry-After: {PASSCODE}")]
    script += [WHOLE, garble, WHOLE, then_close(b""), WHOLE]
    flags = ("--chunk-size", 1, "--max-failures", 100, "--max-invalid", 50, *LOUD)
    async with Server(following(*script)).running() as server:
        secretive.url = server.url
        ended = [await secretive.run(path, *flags)]
        assert ended[0].code in {0, 3, 75}, ended[0].err
        server.script = following()
        ended.append(await secretive.run(path, *flags))
        assert ended[1].code == 3, ended[1].err
    assert server.fired == len(script)
    run_dir = secretive.run_dir()
    commands: list[tuple[object, ...]] = [
        ("status", run_dir),
        ("status", run_dir, "--json"),
        ("status",),
        ("audit", run_dir, "--json"),
        ("report", run_dir, "--outcomes", "all"),
        ("report", run_dir, "--outcomes", "all", "--outcome-format", "jsonl", "--json"),
    ]
    ended += [await secretive(*words) for words in commands]
    assert {one.code for one in ended[2:]} == {0}, [one.err for one in ended]
    assert "identity" in (run_dir / "rejected.csv").read_text("utf-8")
    assert hits(SECRETS, traces(secretive, *ended)) == []


@pytest.mark.parametrize("status", [401, 403, 405, 302])
async def test_s15_v16_v9_v7_refusals_that_echo(secretive: Program, status: int) -> None:
    """Those that stop the run: neither the words of the reason nor the place they point to."""
    path = people(secretive, 40)
    script = following(then=echo(status, f"Location: https://x.example/{PASSCODE}?{quote(STEM)}"))
    async with Server(script).running() as server:
        secretive.url = server.url
        ended = [await secretive.run(path, "--max-invalid", 50, *LOUD)]
        ended.append(await secretive.run(path, "--max-invalid", 50))
    assert [one.code for one in ended] == [5, 5], ended[0].err
    assert len(server.requests) == 2
    assert hits(SECRETS, traces(secretive, *ended)) == []


@pytest.mark.slow
async def test_s15_plans_refusals_and_mistakes(secretive: Program) -> None:
    """Plans, shown and refused, with protected, doubled and impossible IDs; and mistyped words."""
    path = people(secretive, 40)
    protect = secretive.write("protect.jsonl", json.dumps({"identity": person(3).upper()}))
    secretive.url = f"http://127.0.0.1:{closed_port()}"
    secret_file = secretive.write("passcode", PASSCODE)
    secret_file.chmod(0o644)
    where = ("--endpoint", secretive.url)
    commands: list[tuple[tuple[object, ...], int]] = [
        (("plan", path, *where, "--max-invalid", 50, "--protect", protect), 0),
        (("plan", path, *where, "--max-invalid", 50, "--json"), 0),
        (("plan", path, *where, "--max-invalid", 0), 2),
        (("run", path, *where, "--max-invalid", 50), 4),
        (("run", path, *where, "--max-invalid", 50, "--passcode-file", secret_file), 2),
        (secretive_words(path, where, "--expect-count", 7), 4),
        (secretive_words(path, where, "--give-up-after", "0.1s", *LOUD), 75),
        (("plan", path, "--column", "nowhere"), 2),
        (("run", path, f"--passcode={PASSCODE}"), 2),
        (("run", path, f"--{STEM}", PASSCODE), 2),
        (("doctor", *where), 75),
        (("doctor", *where, "--json"), 75),
    ]
    ended = []
    for words, code in commands:
        ended.append(await secretive(*words))
        assert ended[-1].code == code, (words[0], ended[-1].err)
    secretive.env["CLEVERTAP_PASSCODE"] = f"{PASSCODE}é"
    ended.append(await secretive("run", path, *where, "--yes", "--max-deletes", 50))
    assert ended[-1].code == 2
    assert hits(SECRETS, traces(secretive, *ended)) == []


def secretive_words(path: Path, where: tuple[object, ...], *more: object) -> tuple[object, ...]:
    """Return a command that would send."""
    return ("run", path, *where, "--yes", "--max-deletes", 99, "--max-invalid", 50, *more)


def processes(pid: int) -> dict[str, bytes]:
    """Return the command line of a process, and all that /proc shows of those below it."""
    seen = {"command line": Path(f"/proc/{pid}/cmdline").read_bytes()}
    for child in children(pid):
        for name in ("cmdline", "environ"):
            seen[f"child {name}"] = Path(f"/proc/{child}/{name}").read_bytes()
    return seen


def children(pid: int) -> Iterator[int]:
    """Yield the processes below one."""
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listed.read_text("ascii").split()):
            yield child
            yield from children(child)


async def test_s15_p4_command_lines_children_kills_and_signals(secretive: Program) -> None:
    """As seen in /proc while it runs: its command line, and all of a child that it has."""
    path = people(secretive, 60)
    plant_child(secretive)
    seen: dict[str, bytes] = {}

    async def look(_: Server, __: Reader, writer: Writer) -> None:
        seen.update(processes(process.pid))
        writer.write(WHOLE)

    async def kill(_: Server, __: Reader, ___: Writer) -> None:
        process.kill()

    async def terminate(_: Server, __: Reader, writer: Writer) -> None:
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
        writer.write(WHOLE)

    steps: list[Script] = [look, kill, terminate]
    words = ("--chunk-size", 10, "--max-invalid", 50, "--max-in-flight", 1, "--json", *LOUD)
    ended = []
    async with Server(following(*steps)).running() as server:
        secretive.url = server.url
        for _ in range(3):
            process = await secretive.start(*secretive.sending("run", path, *words))
            out, err = await process.communicate()
            ended.append(Ended(process.returncode or 0, out.decode(), err.decode()))
    assert server.fired == 3
    assert [one.code for one in ended] == [-signal.SIGKILL, 143, 0], ended[-1].err
    assert {"command line", "child cmdline", "child environ"} == set(seen)
    assert b"bulkdelete" in seen["command line"]
    assert b"PATH=" in seen["child environ"]
    assert ACCOUNT.encode() in seen["child environ"]
    assert hits(SECRETS, seen | traces(secretive, *ended)) == []


def plant_child(program: Program) -> None:
    """Make the program have a child that inherits its environment, for as long as it runs."""
    customise(
        program,
        "import subprocess\n"
        "from bulkdelete.io.client import Client\n"
        "old = Client.__aenter__\n"
        "async def enter(self):\n"
        "    quiet = subprocess.DEVNULL\n"
        "    subprocess.Popen(['sleep', '20'], stdin=quiet, stdout=quiet, stderr=quiet)\n"
        "    return await old(self)\n"
        "Client.__aenter__ = enter\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
async def test_s15_p15_bugs_tell_where_and_not_what(secretive: Program, bug: str) -> None:
    """An exception with all secrets in its text, wherever it is raised: none is printed."""
    path = people(secretive, 40)
    mark = plant(secretive, bug, f"{PASSCODE} {person(1)} {person(2)}")
    async with Server(following()).running() as server:
        secretive.url = server.url
        ended = await secretive.run(path, "--max-invalid", 50, "--chunk-size", 10, *LOUD)
    assert mark.read_text() == "met"
    assert hits(SECRETS, traces(secretive, ended)) == []
    assert ended.code in {0, 1}, ended.err
    assert 'File "' in ended.err or "sitecustomize.py:" in ended.err
    assert "RuntimeError" in ended.err or bug == "in a warning, and in a library's log"
