"""`status --watch` from another process: what the bar shows, why it waits, and a clean end."""

import asyncio
import os
import pty
import signal
from io import StringIO
from typing import Any

import pytest

from bulkdelete.cli.progress import bar, holding, line, words
from bulkdelete.cli.watching import Looker
from bulkdelete.core.live import Answer
from bulkdelete.io.rundir import RunDir
from tests.conftest import Emulate, Program
from tests.runs.test_steering import SECONDS, going, over


async def first_line(process: Any) -> str:  # noqa: ANN401 - a process
    """Return the line that a watcher prints at once."""
    async with asyncio.timeout(SECONDS):
        found: bytes = await process.stdout.readline()
    return found.decode()


async def test_a_run_is_watched_while_it_goes_on_while_it_is_paused_and_to_its_end(
    program: Program, emulate: Emulate
) -> None:
    """`status` says paused, too; who watches may leave at any time."""
    emulator = await emulate(latency=0.1)
    process, run_dir, _ = await going(program, emulator)
    watcher = await program.start("status", "--watch", run_dir)
    seen = await first_line(watcher)
    assert " of 20,000 IDs, " in seen
    assert "of 3 in flight" in seen
    assert (await program("live", "pause", run_dir)).code == 0
    status = await program("status", run_dir, "--json")
    assert (status.json["state"], status.json["exit_code"]) == ("paused", None)
    leaving = await program.start("status", "--watch", run_dir)
    assert "paused: nothing new starts until `live unpause`" in await first_line(leaving)
    leaving.send_signal(signal.SIGINT)
    left = await over(leaving)
    assert (left.code, "Traceback" in left.err) == (130, False)
    assert (await program("live", "unpause", run_dir)).code == 0
    assert (await program("status", run_dir, "--json")).json["state"] == "running"
    assert (await program("live", "stop", run_dir)).code == 0
    assert (await over(process)).code == 75
    ended = await over(watcher)
    assert (ended.code, ended.err) == (0, "")
    assert f"Run {run_dir}: stopped, exit 75" in ended.out
    assert (await program("status", "--watch", run_dir, "--json")).json["state"] == "stopped"
    assert (await program("status", "--watch")).code == 2


@pytest.mark.slow  # it mostly waits
async def test_on_a_terminal_it_is_a_bar(program: Program, emulate: Emulate) -> None:
    """The same as the run's own; the balance stands below it at the end."""
    emulator = await emulate(latency=0.1)
    process, run_dir, _ = await going(program, emulator)
    ours, theirs = pty.openpty()
    program.env |= {"TERM": "xterm", "COLUMNS": "160"}
    watcher = await asyncio.create_subprocess_exec(
        *program.words("status", "--watch", run_dir),
        cwd=program.place,
        env=program.environment(),
        stdout=theirs,
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = await until_shown(ours, "20,000")
    assert "in flight" in shown
    assert (await program("live", "stop", run_dir)).code == 0
    assert (await over(process)).code == 75
    assert "stopped, exit 75" in await until_shown(ours, "exit 75")
    async with asyncio.timeout(SECONDS):
        assert await watcher.wait() == 0
    os.close(ours)


async def until_shown(terminal: int, text: str) -> str:
    """Read a terminal until it shows a text; return all that was read."""
    shown = ""
    async with asyncio.timeout(SECONDS):
        while text not in shown:
            shown += (await asyncio.to_thread(os.read, terminal, 4096)).decode("utf-8", "replace")
    return shown


async def test_where_the_process_cannot_be_asked_the_log_says_it(
    program: Program, emulate: Emulate
) -> None:
    """A run directory on a file system without sockets: the checkpoint is read."""
    await emulate()
    path, _ = program.ids(300)
    assert (await program.run(path, "--hold-after", 200)).code == 75
    run = RunDir(program.run_dir())
    look = Looker(run)
    assert await look() is None
    with run.lock():
        found = await look()
        assert found is not None
        assert (found.done, found.planned, found.held) == (200, 300, "log")
        assert await look() is found, "not read again at once"
    assert await look() is None


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (Answer(), ""),
        (Answer(held="paused", state="paused"), "paused: nothing new starts"),
        (Answer(held="window", held_s=90.0), "outside its --window, for 90 s"),
        (Answer(held="gate", held_s=12.0), "held by the gate: the server asked for less, for 12 s"),
        (Answer(held="outage", held_s=0.2), "the server is ill: one request at a time tries it"),
        (Answer(held="slots"), "other processes have all the slots"),
        (Answer(state="stopping", held="paused"), "stopping: what is in flight finishes"),
    ],
)
def test_what_holds_it_is_said(found: Answer, wanted: str) -> None:
    """And for how long, where that is known."""
    assert holding(found).startswith(wanted)
    assert (wanted in line(found, 0.0)) or not wanted


def test_a_line_says_what_the_bar_shows() -> None:
    """Done, speed, in flight, rate, retries, 429s, and the time that is left."""
    found = Answer(done=1500, planned=9000, in_flight=2, cap=3, rate=5.0, retries=4, throttled=1)
    assert line(found, 50.0) == (
        "1,500 of 9,000 IDs, 50 IDs/s, 2 of 3 in flight, 5/s, 4 retries, 1 throttled (429), "
        "150 s to go"
    )


@pytest.mark.parametrize(
    "found",
    [
        Answer(done=120, planned=120, cap=3),
        Answer(done=9_234_567, planned=10_000_000, cap=3, in_flight=3, retries=1234, throttled=56),
        Answer(done=5, planned=10_000_000, cap=3, held="outage", held_s=12.0),
        Answer(done=5, planned=10, cap=3, state="stopping"),
    ],
)
async def test_no_number_of_the_bar_is_cut_at_80_columns(
    found: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten million IDs, many retries, a reason to wait: the bar gives way, the words stay."""
    monkeypatch.setenv("COLUMNS", "80")
    answers = [found, None]

    async def look() -> Answer | None:
        return answers.pop(0)

    stream = StringIO()
    await bar(look, stream, color=False)
    assert words(found, 0.0) in stream.getvalue()
    assert len(words(found, 298.0)) <= 80
