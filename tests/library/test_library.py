"""The library: what the command line does, awaited in a program that has more to do."""

import asyncio
import dataclasses
import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import bulkdelete
from bulkdelete import choosing, events
from bulkdelete.cli import flags
from bulkdelete.io import journal
from bulkdelete.options import RunOptions
from tests.conftest import ACCOUNT, PASSCODE, Emulate, Program, times_acted

WHO = bulkdelete.Credentials(ACCOUNT, PASSCODE)


class Listener:
    """Keeps what it is told; `on` is called besides."""

    def __init__(self, on: Any = lambda _: None) -> None:  # noqa: ANN401 - any callback
        self.heard: list[bulkdelete.Event] = []
        self._on = on
        self.audience = bulkdelete.Audience(tell=self._tell)

    def _tell(self, event: bulkdelete.Event) -> None:
        self.heard.append(event)
        self._on(event)

    def of(self, kind: type) -> list[Any]:
        """Return the events of a kind."""
        return [one for one in self.heard if isinstance(one, kind)]


async def test_plan_and_apply_with_events(program: Program, emulate: Emulate) -> None:
    """A plan, its approval by digest, each chunk told once it is durable; no ID in any event."""
    path, ids = program.ids(250)
    emulator = await emulate(refuse_ids=frozenset({ids[7]}))
    listener = Listener()
    planned = await bulkdelete.plan(
        path,
        endpoint=program.url,
        account_id=ACCOUNT,
        runs_dir=program.place / "runs",
        audience=listener.audience,
    )
    assert (planned.state, planned.ids["unsent"]) == ("planned", 250)
    report = await bulkdelete.apply(
        planned.run_dir,
        approve=planned.plan_digest,
        credentials=WHO,
        audience=listener.audience,
    )
    assert (report.exit_code, report.ids["accepted"], report.ids["rejected"]) == (3, 249, 1)
    assert times_acted(emulator) == {one: 1 for one in ids if one != ids[7]}
    assert [type(one) for one in listener.heard[:2]] == [bulkdelete.Looked, bulkdelete.Kept]
    # (In a container Fleeting comes between.)
    (began,) = listener.of(bulkdelete.Sending)
    assert began.chunks == 3
    settled = listener.of(bulkdelete.Settled)
    assert sum(one.accepted for one in settled) == 249
    assert sum(one.rejected for one in settled) == 1
    answers = listener.of(bulkdelete.Answered)
    assert len(answers) == report.requests["sent"]
    assert {one.verdict for one in answers} == {"accepted", "refused", "rejected"}
    assert listener.heard[-1] == bulkdelete.Ended(report)
    assert not any(one in repr(listener.heard) for one in ids)
    assert PASSCODE not in repr(listener.heard)
    assert await bulkdelete.status(report.run_dir) == report


async def test_run_resumes_and_refuses_as_the_command_does(
    program: Program, emulate: Emulate
) -> None:
    """Held, then resumed by the same call; approval is never assumed; each end is told."""
    emulator = await emulate()
    path, ids = program.ids(500)
    listener = Listener()
    place: bulkdelete.RunOptions = {
        "endpoint": program.url,
        "runs_dir": str(program.place / "runs"),
        "max_deletes": 500,
    }

    async def again(**more: Any) -> bulkdelete.Report:  # noqa: ANN401 - options
        return await bulkdelete.run(
            path, credentials=WHO, audience=listener.audience, **place, **more
        )

    with pytest.raises(bulkdelete.GuardError) as unapproved:
        await again()
    assert unapproved.value.code == "approval_missing"
    assert emulator.state.stats()["requests"] == 0
    with pytest.raises(bulkdelete.Stopped) as held:
        await again(yes=True, hold_after=200)
    assert (held.value.code, held.value.exit) == ("hold_after", 75)
    report = await again(yes=True)
    assert (report.exit_code, report.ids["accepted"]) == (0, 500)
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    ends = [one.report for one in listener.of(bulkdelete.Ended)]
    assert [(one.state, one.exit_code) for one in ends] == [
        ("refused", 4),
        ("stopped", 75),
        ("finished", 0),
    ]
    assert listener.of(bulkdelete.Resuming)[-1].accepted == 200
    nothing = await again(yes=True)
    assert nothing.reason is not None
    assert nothing.reason.code == "already_finished"


@pytest.mark.parametrize(
    "other", [{"shard": "1/2"}, {"limit": 7}, {"endpoint": "http://127.0.0.1:9"}]
)
async def test_a_run_that_another_took_the_place_of_is_not_sent(
    program: Program,
    emulate: Emulate,
    monkeypatch: pytest.MonkeyPatch,
    other: dict[str, Any],
) -> None:
    """Between the choice of a run directory and its sending, it came to hold something else."""
    emulator = await emulate()
    path, _ = program.ids(20)
    place = program.place / "here"
    chosen = choosing.choose
    common: Any = {"endpoint": program.url, "run_dir": place}

    async def replaced(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - what it stands for takes
        found = await chosen(*args, **more)
        place.rename(program.place / "aside")
        await bulkdelete.plan(path, **common | {"account_id": ACCOUNT} | other)
        return found

    monkeypatch.setattr(choosing, "choose", replaced)
    with pytest.raises(bulkdelete.IntegrityError, match="nothing was sent") as refused:
        await bulkdelete.run(path, credentials=WHO, yes=True, max_deletes=20, **common)
    assert refused.value.code == ("other_host" if "endpoint" in other else "other_plan")
    assert emulator.state.stats()["requests"] == 0


async def test_cancelling_drains(program: Program, emulate: Emulate) -> None:
    """Who cancels the task gets its cancellation once what was in flight is on record."""
    emulator = await emulate(latency=0.05)
    path, ids = program.ids(3000)
    sent = asyncio.Event()
    listener = Listener(lambda one: sent.set() if isinstance(one, bulkdelete.Settled) else None)
    options: Any = {
        "endpoint": program.url,
        "runs_dir": program.place / "runs",
        "yes": True,
        "max_deletes": 3000,
        "credentials": WHO,
        "audience": listener.audience,
    }
    task = asyncio.create_task(bulkdelete.run(path, **options))
    async with asyncio.timeout(30):
        await sent.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ended = listener.heard[-1]
    assert isinstance(ended, bulkdelete.Ended)
    assert (ended.report.state, ended.report.exit_code) == ("interrupted", 143)
    assert ended.report.ids["ambiguous"] == 0
    assert 0 < ended.report.ids["unsent"] < 3000
    assert (await bulkdelete.run(path, **options)).exit_code == 0
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


async def test_cancelling_twice_ends_at_once(program: Program, emulate: Emulate) -> None:
    """The second cancellation waits for no answer: what was out is in doubt, and on record."""
    emulator = await emulate(latency=30.0)
    path, _ = program.ids(300)
    listener = Listener()
    task = asyncio.create_task(
        bulkdelete.run(
            path,
            endpoint=program.url,
            runs_dir=program.place / "runs",
            yes=True,
            max_deletes=300,
            credentials=WHO,
            audience=listener.audience,
        )
    )
    async with asyncio.timeout(30):
        while not emulator.state.stats()["in_flight"]:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.2)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 20)
    (run_dir,) = (program.place / "runs").iterdir()
    report = await bulkdelete.status(run_dir)
    assert (report.ids["ambiguous"], report.ids["unsent"]) == (100, 200)


async def test_cancelling_waits_for_no_log(
    program: Program, emulate: Emulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the log of an earlier start is: nothing was sent, and nothing has to end."""
    emulator = await emulate()
    path, _ = program.ids(300)
    options: Any = {
        "endpoint": program.url,
        "runs_dir": program.place / "runs",
        "yes": True,
        "max_deletes": 300,
        "credentials": WHO,
    }
    with pytest.raises(bulkdelete.Stopped):
        await bulkdelete.run(path, hold_after=100, **options)
    reading, on = threading.Event(), threading.Event()
    replay = journal.replay

    def slow(*args: Any) -> None:  # noqa: ANN401 - what it stands for takes
        reading.set()
        assert on.wait(30)
        replay(*args)

    monkeypatch.setattr(journal, "replay", slow)
    task = asyncio.create_task(bulkdelete.run(path, **options))
    try:
        assert await asyncio.to_thread(reading.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 20)
        assert not on.is_set()
    finally:
        on.set()
    monkeypatch.undo()
    assert (await bulkdelete.run(path, **options)).exit_code == 0
    assert emulator.state.stats()["requests"] == 3


async def test_a_stop_reads_only_what_no_snapshot_is_of(
    program: Program, emulate: Emulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long a run went on so far adds nothing to how long its report is waited for."""
    monkeypatch.setattr(journal, "SNAPSHOT_AFTER", 16_384)
    await emulate()
    path, _ = program.ids(400)
    records: list[int] = []
    replay = journal.replay

    def counted(file: Any, reader: Any, apply: Any, witness: Any = None) -> None:  # noqa: ANN401
        records.append(0)

        def one(record: Any) -> None:  # noqa: ANN401
            records[-1] += 1
            apply(record)

        replay(file, reader, one, witness)

    monkeypatch.setattr(journal, "replay", counted)
    with pytest.raises(bulkdelete.Stopped):
        await bulkdelete.run(
            path,
            endpoint=program.url,
            runs_dir=program.place / "runs",
            yes=True,
            max_deletes=400,
            chunk_size=1,
            hold_after=390,
            credentials=WHO,
        )
    (run_dir,) = (program.place / "runs").iterdir()
    assert len(records) == 2  # before the first request, and for the report
    assert 0 < records[1] < 100
    report = json.loads((run_dir / "report.json").read_bytes())
    assert sum(report["series"]["accepted_ids"]) == report["ids"]["accepted"] >= 390
    (run_dir / "checkpoint.snapshot").unlink()
    await bulkdelete.report(run_dir)
    assert records[2] > 780
    again = json.loads((run_dir / "report.json").read_bytes())
    assert {**again, "checksum": "", "reason": report["reason"]} == {**report, "checksum": ""}


async def test_a_listener_that_fails_stops_nothing(program: Program, emulate: Emulate) -> None:
    """Whatever it raises: the run goes on to its end."""
    await emulate()
    path, _ = program.ids(150)

    def fail(_: object) -> None:
        raise RuntimeError("a bug of the caller")

    report = await bulkdelete.run(
        path,
        endpoint=program.url,
        runs_dir=program.place / "runs",
        yes=True,
        max_deletes=150,
        credentials=WHO,
        audience=bulkdelete.Audience(tell=fail),
    )
    assert report.exit_code == 0


async def test_the_environment_says_nothing_here(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable, a passcode there included, is the command line's; settings may carry it."""
    path, _ = program.ids(10)
    monkeypatch.setenv("BULKDELETE_MAX_DELETES", "5")
    monkeypatch.setenv("CLEVERTAP_PASSCODE", PASSCODE)
    runs = program.place / "runs"
    planned = await bulkdelete.plan(path, runs_dir=runs)
    assert planned.state == "draft"
    with pytest.raises(bulkdelete.UsageError) as missing:
        await bulkdelete.run(path, runs_dir=runs, region="eu1", account_id=ACCOUNT)
    assert missing.value.code == "passcode_missing"
    with pytest.raises(bulkdelete.GuardError):
        await bulkdelete.plan(path, runs_dir=runs, expect_count=0)


@pytest.mark.parametrize("name", ["where", "protect", "limit", "max_list_age", "notify"])
async def test_an_empty_list_is_no_default(program: Program, name: str) -> None:
    """Conditions that came to nothing would mean everybody, protect lists nobody."""
    path, _ = program.ids(10)
    nothing: Any = {name: []}
    with pytest.raises(bulkdelete.UsageError, match=f"{name} is an empty list"):
        await bulkdelete.run(path, runs_dir=program.place / "runs", region="eu1", **nothing)
    assert not (program.place / "runs").exists()


async def test_an_option_that_is_none_is_refused(program: Program) -> None:
    """A protect list under a misspelt name would protect nobody; so before anything is done."""
    path, _ = program.ids(10)
    place = program.place / "runs"
    calls: list[Any] = [
        lambda said: bulkdelete.plan(path, runs_dir=place, **said),
        lambda said: bulkdelete.run(path, runs_dir=place, credentials=WHO, **said),
        lambda said: bulkdelete.apply(place, credentials=WHO, **said),
        lambda said: bulkdelete.verify(place, credentials=WHO, **said),
    ]
    for call in calls:
        with pytest.raises(bulkdelete.UsageError, match="'protekt' is no option here"):
            await call({"protekt": ["vip.txt"]})
    assert not place.exists()


def test_the_options_are_the_flags() -> None:
    """All that say how a list is read, checked and sent; none that is about the terminal."""
    classes = [one for one in vars(flags).values() if dataclasses.is_dataclass(one)]
    named = {one.name for kind in classes for one in dataclasses.fields(kind)}
    terminal = {"json", "log_format", "log_level", "no_color", "profile", "quiet"}
    options = RunOptions.__annotations__.keys()
    assert named - terminal == options - {"again", "abandon", "must_resume", "dry_run"}


@pytest.mark.parametrize("wrong", [{"sample": 0}, {"sample": "None"}, {"seed": "x"}])
async def test_numbers_of_a_verification_are_checked(
    program: Program, wrong: dict[str, object]
) -> None:
    """As those of a plan are; before anything is looked for."""
    said: Any = wrong
    with pytest.raises(bulkdelete.UsageError, match=f"--{next(iter(wrong))}"):
        await bulkdelete.verify(program.place / "none", credentials=WHO, **said)


async def test_one_place_need_not_be_a_list(program: Program) -> None:
    """Text is one path, or one rule, and not its letters."""
    path = program.write("list.csv", "identity", "user-1", "17.0")
    one: Any = {"accept_damage": "trailing_zero", "protect": str(program.write("vip", "user-1"))}
    planned = await bulkdelete.plan(path, runs_dir=program.place / "runs", **one)
    assert (planned.ids["protected"], planned.ids["unsent"]) == (1, 1)
    path.rename(program.place / "moved.csv")
    where: Any = str(program.place / "moved.csv")
    (told,) = await bulkdelete.story(planned.run_dir, "17.0", input=where)
    assert told.state == "unsent"


async def test_outcomes_and_a_story(program: Program, emulate: Emulate) -> None:
    """`report` writes the files it names; `story` tells what became of one ID."""
    path, ids = program.ids(40)
    await emulate(refuse_ids=frozenset({ids[3]}))
    listener = Listener()
    done = await bulkdelete.run(
        path,
        endpoint=program.url,
        runs_dir=program.place / "runs",
        yes=True,
        max_deletes=40,
        credentials=WHO,
    )
    await bulkdelete.report(done.run_dir, outcomes=["accepted"], audience=listener.audience)
    assert listener.heard == [events.Wrote(Path(done.run_dir) / "accepted.csv")]
    (entry,) = await bulkdelete.story(done.run_dir, ids[3])
    assert entry.state == "rejected"
    with pytest.raises(bulkdelete.UsageError):
        await bulkdelete.report(done.run_dir, outcomes=["deleted"])


async def test_the_example_of_the_page_runs(program: Program, emulate: Emulate) -> None:
    """The example of docs/library.md, as it stands, against the emulator."""
    page = Path(__file__).parents[2] / "docs" / "library.md"
    found = re.search(r"<!-- library:example -->\n```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert found is not None
    emulator = await emulate()
    program.ids(120, "users.csv")
    script = program.write(
        "example.py", found[1].replace('region="eu1"', f'endpoint="{program.url}"')
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        script,
        cwd=program.place,
        env=program.environment(),
        stdout=subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    told = ["chunk 0: 100 accepted, 0 rejected", "chunk 1: 20 accepted, 0 rejected"]
    assert out.decode().splitlines()[:-1] == told  # and no line of a log among them
    assert len(times_acted(emulator)) == 120


def test_the_import_costs_next_to_nothing() -> None:
    """`import bulkdelete` loads none of what is slow; a name that is used is there."""
    code = (
        "import sys; before = set(sys.modules); import bulkdelete; "
        "print(*sorted(set(sys.modules) - before)); bulkdelete.UsageError"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = [one for one in done.stdout.split() if not one.startswith("__editable__")]
    assert "bulkdelete.version" in loaded
    assert {one.partition(".")[0] for one in loaded} <= {"bulkdelete", "importlib", "typing"} | set(
        sys.stdlib_module_names
    )
    assert not {"asyncio", "bulkdelete.library", "bulkdelete.settings"} & set(loaded)


def test_all_public_names_are_there() -> None:
    """What `__all__` names can be had, and nothing else; each function says what it does."""
    for name in bulkdelete.__all__:
        assert getattr(bulkdelete, name) is not None
    assert set(bulkdelete.__all__) <= set(dir(bulkdelete))
    with pytest.raises(AttributeError):
        _ = bulkdelete.delete_all  # type: ignore[attr-defined]
