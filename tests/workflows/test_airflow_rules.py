"""The parts of Airflow's operators that decide: without Airflow, which is not installed here."""

import asyncio
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import bulkdelete
from bulkdelete import errors
from bulkdelete.airflow import provider
from bulkdelete.airflow.access import Access
from bulkdelete.airflow.chosen import (
    AIRFLOW_GRACE,
    NOT_HERE,
    SWITCHES,
    Chosen,
    check_inputs,
    check_named,
    choose,
)
from bulkdelete.airflow.drive import KILLED, TIMED_OUT, Drive, Halted
from bulkdelete.airflow.memory import Memory
from bulkdelete.airflow.resuming import sent
from bulkdelete.airflow.rules import Ending, counts, of_error, of_report, summed_up
from bulkdelete.airflow.telling import Narrator
from bulkdelete.options import ApplyOptions, PlanOptions, RunOptions, VerifyOptions
from tests.conftest import ACCOUNT, PASSCODE, Emulate, Program, times_acted
from tests.workflows.connection import Connection

RUNS = {"runs_dir": "/srv/runs"}


def chosen(options: dict[str, object], kind: type = RunOptions, **more: Any) -> Chosen:  # noqa: ANN401
    """Put a connection's word and options together."""
    return choose(Access.of(Connection(**more)), options, kind)


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (errors.UsageError("x", "x"), Ending.FAIL),
        (errors.InputError("x", "x"), Ending.FAIL),
        (errors.GuardError("x", "x"), Ending.FAIL),
        (errors.ServerError("x", "x"), Ending.FAIL),
        (errors.IntegrityError("x", "x"), Ending.FAIL),
        (errors.BusyError("x", "x"), Ending.AGAIN),
        (errors.Stopped("x", "x"), Ending.AGAIN),
        (errors.Interrupted(signal.SIGTERM, "x"), Ending.AGAIN),
    ],
)
def test_only_what_is_resumable_is_tried_again(
    error: errors.BulkdeleteError, ending: Ending
) -> None:
    """Exit codes 7, 75 and those of signals are worth a retry; the others wait for a person."""
    assert of_error(error) is ending
    assert (ending is Ending.AGAIN) == (error.exit in {7, 75, 143})


async def test_reports_end_as_they_should(program: Program, emulate: Emulate) -> None:
    """Done; a refused ID fails; nothing to do, done before, a dry run: skip. Counts are numbers."""
    path, ids = program.ids(20)
    await emulate(refuse_ids=frozenset({ids[3]}))
    say: list[str] = []
    found: list[Path] = []
    audience = bulkdelete.Audience(tell=Narrator(say.append, found.append).tell)
    options: Any = {
        "endpoint": program.url,
        "runs_dir": program.place / "runs",
        "credentials": bulkdelete.Credentials(ACCOUNT, PASSCODE),
        "yes": True,
        "max_deletes": 20,
        "audience": audience,
    }
    dry = await bulkdelete.run(path, dry_run=True, **options)
    assert of_report(dry, dry_run=True) is Ending.SKIP
    assert summed_up(dry, dry_run=True) == "a dry run: 20 IDs would be sent, and nothing was"
    bad = await bulkdelete.run(path, max_failures=100, **options)
    assert of_report(bad) is Ending.FAIL
    assert summed_up(bad).startswith("not_all_accepted: finished, but 1 IDs were rejected")
    path = program.write("good.csv", "identity", "me@example.com", "17.0")
    good = await bulkdelete.run(path, max_invalid=100, accept_damage=["trailing_zero"], **options)
    assert of_report(good) is Ending.DONE
    again = await bulkdelete.run(path, **options)
    assert of_report(again) is Ending.SKIP
    assert summed_up(again).startswith("already_finished: ")
    nothing = await bulkdelete.run(program.write("none.csv", "identity"), **options)
    assert of_report(nothing) is Ending.SKIP
    assert set(found) == {Path(one.run_dir) for one in (bad, good, nothing)}
    told = counts(bad)
    assert told["exit_code"] == 3
    assert {type(one) for one in leaves(told)} == {int}
    text = "\n".join(say)
    where = f"for {ACCOUNT} at {program.url}"
    assert f"plan {bad.plan_digest} {where}: 20 IDs read, 20 planned" in text
    assert "WARNING: trailing_zero: 1 of 2 IDs" in text
    assert not any(one in text for one in [*ids, "me@example.com"])


def leaves(of: Any) -> list[Any]:  # noqa: ANN401 - a tree
    """Return what a tree of dicts holds."""
    return [leaf for one in of.values() for leaf in leaves(one)] if isinstance(of, dict) else [of]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"login": None}, "account ID as login"),
        ({"password": ""}, "passcode as password"),
        ({"port": 443}, "a port, a schema or extras"),
        ({"schema": "http"}, "a port, a schema or extras"),
        ({"extra_dejson": {"max_deletes": 10**9}}, "a port, a schema or extras"),
    ],
)
def test_a_connection_says_who_and_where_and_nothing_else(
    more: dict[str, Any], complaint: str
) -> None:
    """What is missing is named; what would be ignored is refused, and not repeated."""
    with pytest.raises(errors.UsageError, match=complaint) as refused:
        Access.of(Connection(**more))
    assert PASSCODE not in str(refused.value)


def test_settings_come_from_connection_and_options() -> None:
    """Account, passcode and region by the connection; nothing shows the passcode."""
    found = chosen({**RUNS, "max_deletes": 5, "yes": True, "protect": ["/srv/vip.txt"]})
    assert (found.settings.host, found.settings.account) == (
        "https://eu1.api.clevertap.com",
        ACCOUNT,
    )
    assert found.settings.grace == AIRFLOW_GRACE
    assert found.who.passcode == PASSCODE
    assert found.besides == {"yes": True}
    assert PASSCODE not in repr(found)
    assert PASSCODE not in repr(Access.of(Connection()))
    assert set(found.applying()) == {"settings", "credentials", "protect", "yes"}
    host = chosen({**RUNS}, host="sg1.api.clevertap.com").settings.host
    assert host == "https://sg1.api.clevertap.com"
    assert chosen({**RUNS, "grace": 60}).settings.grace == 60


def test_another_target_is_an_option() -> None:
    """The connection then says who and where of that vendor."""
    found = chosen({**RUNS, "target": "braze"}, host="eu-01")
    assert found.settings.host == "https://rest.fra-01.braze.eu"
    assert (found.who.account, found.who.passcode) == (ACCOUNT, PASSCODE)
    with pytest.raises(errors.UsageError, match="name different places"):
        chosen({**RUNS, "target": "braze", "region": "eu-02"}, host="eu-01")


def test_a_retry_begins_nothing() -> None:
    """What begins anew is said of the first try; a retry must find the run."""
    told = chosen({**RUNS, "again": True, "abandon": True, "yes": True}).resuming()
    assert told["must_resume"] is True
    assert {"again", "abandon"}.isdisjoint(told)


def test_one_place_only() -> None:
    """Options that name another region than the connection, or no region at all."""
    with pytest.raises(errors.UsageError, match="name different places"):
        chosen({**RUNS, "region": "us1"})
    assert chosen({**RUNS, "region": "eu1"}).settings.host == "https://eu1.api.clevertap.com"
    assert chosen({**RUNS, "region": "us1"}, host="").settings.host is not None
    with pytest.raises(errors.UsageError, match="no such region"):
        chosen({**RUNS}, host="mars")


def test_a_profile_tightens_and_contradicts_nobody(tmp_path: Path) -> None:
    """Signers come from a profile; one of another account or region is refused."""
    access = Access.of(Connection())
    toml = tmp_path / "bulkdelete.toml"
    signers = f"[profiles.default]\nsigners = '{tmp_path}/allowed'\nmax_deletes = 9\n"
    toml.write_text(signers)
    found = choose(access, {**RUNS}, RunOptions, None, str(tmp_path))
    assert (found.settings.signatures, found.settings.max_deletes) == (1, 9)
    for line in ("account_id = 'OTHER'", "region = 'us1'"):
        toml.write_text(f"{signers}{line}\n")
        with pytest.raises(errors.UsageError, match=r"another account|different places"):
            choose(access, {**RUNS}, RunOptions, "default", str(tmp_path))
    with pytest.raises(errors.UsageError, match="needs profile_dir"):
        choose(access, {**RUNS}, RunOptions, "default")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"yes": "False"}, "yes is not True or False"),
        ({"max_deletes": None}, "max_deletes is None"),
        ({"runs_dir": "runs"}, "from the root on"),
        ({"runs_dir": " "}, "blank"),
        ({"where": []}, r"where is \[\]"),
        ({"protect": ()}, r"protect is \(\)"),
        ({"limit": []}, r"limit is \[\]"),
        ({"accept_damage": ""}, "accept_damage is ''"),
        ({"protect": "None"}, "'None' does not begin at the root"),
        ({"key_file": "None"}, "'None' does not begin at the root"),
        ({"kill_file": "stop"}, "'stop' does not begin at the root"),
        ({"metrics_file": ""}, "metrics_file is ''"),
    ],
)
def test_values_that_a_template_may_make(options: dict[str, object], complaint: str) -> None:
    """Text is no yes, None and nothing are no value, a place does not depend on the worker."""
    with pytest.raises(errors.UsageError, match=complaint):
        chosen(RUNS | options)
    with pytest.raises(errors.UsageError, match="want runs_dir"):
        chosen({})


def test_names_are_checked_when_a_dag_is_read() -> None:
    """An option that is none; one whose value is a secret; the switches are all that there are."""
    with pytest.raises(errors.UsageError, match="'max_delete' is no option"):
        check_named({"max_delete": 5}, RunOptions)
    for name in NOT_HERE:
        with pytest.raises(errors.UsageError, match=f"{name} is no option in a DAG"):
            check_named({name: "x"}, RunOptions)
    with pytest.raises(errors.UsageError, match="'full' is no option"):
        check_named({"full": True}, ApplyOptions)
    kinds = (RunOptions, PlanOptions, ApplyOptions, VerifyOptions)
    hints = {name: hint for kind in kinds for name, hint in kind.__annotations__.items()}
    assert {name for name, hint in hints.items() if hint in {bool, "bool"}} == SWITCHES


def test_a_sample_of_what_was_sent_is_none_of_a_list() -> None:
    """`sample` and `seed` mean something else to the sensor, and are not settings there."""
    found = chosen({"sample": 7, "now": True, "timeout": 9}, VerifyOptions)
    assert found.besides == {"sample": 7, "now": True}
    assert (found.settings.selection.sample, found.settings.timeout) == (None, 9.0)


def test_inputs_begin_at_the_root() -> None:
    """A path, a glob, a list of them, or an address; never relative, never standard input."""
    assert check_inputs("/srv/*.csv") == ("/srv/*.csv",)
    assert check_inputs([Path("/a"), "s3://bucket/b"]) == ("/a", "s3://bucket/b")
    for bad in ("list.csv", "-"):
        with pytest.raises(errors.UsageError, match="begin at the root"):
            check_inputs(["/a", bad])


async def _until_stopped(at_end: list[str], began: threading.Event) -> None:
    began.set()
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
        at_end.append("drained")
        raise


@pytest.mark.parametrize(("number", "why"), [(signal.SIGUSR1, KILLED), (signal.SIGALRM, TIMED_OUT)])
def test_a_signal_becomes_one_cancellation(number: signal.Signals, why: str) -> None:
    """`on_kill` in a handler, or Airflow's alarm: it drains, says why, and puts handlers back."""
    drive, at_end, began = Drive(), list[str](), threading.Event()

    def shoot() -> None:
        began.wait(30)
        for _ in range(3):
            signal.pthread_kill(main, number)

    def wrong(*_: object) -> None:
        raise AssertionError("an exception in a handler drains nothing")

    main = threading.main_thread().ident or 0
    before = {signal.SIGALRM: signal.signal(signal.SIGALRM, wrong)}
    before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, lambda *_: drive.stop(KILLED))
    thread = threading.Thread(target=shoot)
    try:
        thread.start()
        with pytest.raises(Halted, match=why):
            drive.run(_until_stopped(at_end, began))
        thread.join()
        assert signal.getsignal(signal.SIGALRM) is wrong
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        for one, handler in before.items():
            signal.signal(one, handler)
    assert at_end == ["drained"]


def test_what_was_killed_before_it_began_does_not_begin() -> None:
    """A kill between two steps of Airflow is not forgotten."""
    drive, at_end = Drive(), list[str]()
    drive.stop(KILLED)
    with pytest.raises(Halted, match=KILLED):
        drive.run(_until_stopped(at_end, threading.Event()))
    assert at_end == []


class Remembering:
    """Airflow's store of a task's state, and its XComs."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.told: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        """Return a value."""
        return self.kept.get(key)

    def set(self, key: str, value: str) -> None:
        """Keep a value."""
        self.kept[key] = value

    def xcom_push(self, key: str, value: str) -> None:
        """Keep a value."""
        self.told[key] = value


def test_a_run_is_remembered() -> None:
    """As a path from the root on, for the next try; and told to later tasks."""
    airflow = Remembering()
    assert Memory(airflow, airflow).run_dir is None
    Memory(airflow, airflow).keep(Path("/srv/runs/one"))
    assert Memory(airflow, airflow).run_dir == Path("/srv/runs/one")
    assert airflow.told == {"run_dir": "/srv/runs/one"}


async def test_a_task_has_one_run_whatever_happens_between_its_tries(
    program: Program, emulate: Emulate
) -> None:
    """Unapproved, corrected, held, resumed, finished, its list renewed, its disk lost."""
    emulator = await emulate()
    program.ids(100)
    airflow, runs, lines = Remembering(), program.place / "bulkdelete-runs", list[str]()

    async def attempt(**more: object) -> bulkdelete.Report:
        memory = Memory(airflow, airflow)
        options = {"endpoint": program.url, "runs_dir": runs, "max_deletes": 400, "again": True}
        made = chosen(options | more, host="")
        audience = bulkdelete.Audience(tell=Narrator(lines.append, memory.keep).tell)
        return await sent((str(program.place / "list.csv"),), made, memory, audience)

    with pytest.raises(bulkdelete.GuardError, match="not approved"):
        await attempt()
    path, ids = program.ids(300)  # what nobody approved binds nobody
    with pytest.raises(bulkdelete.Stopped):
        await attempt(yes=True, hold_after=100)
    first = airflow.told["run_dir"]
    program.write("vip.txt", ids[250])
    with pytest.raises(bulkdelete.IntegrityError, match="protect list"):
        await attempt(yes=True, protect=[str(program.place / "vip.txt")])
    assert times_acted(emulator) == dict.fromkeys(ids[:100], 1)
    assert (await attempt(yes=True)).ids["accepted"] == 300
    finished = await attempt(yes=True)  # Airflow was not told; `again` begins no second run
    assert of_report(finished) is Ending.DONE
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    program.write(path.name, "identity", "somebody-else")
    with pytest.raises(bulkdelete.IntegrityError, match="changed"):
        await attempt(yes=True)
    shutil.move(first, program.place / "lost")
    with pytest.raises(bulkdelete.IntegrityError, match="which is not there") as gone:
        await attempt(yes=True)
    assert gone.value.code == "run_gone"
    assert airflow.told["run_dir"] == first
    assert times_acted(emulator) == dict.fromkeys(ids, 1)


def test_nothing_of_airflow_is_imported_before_it_is_used() -> None:
    """The package and what decides do without; the hook names what is missing."""
    (kind,) = provider.info()["connection-types"]
    module, _, name = kind["hook-class-name"].rpartition(".")
    code = f"""
import sys
import bulkdelete.airflow, bulkdelete.airflow.provider, bulkdelete.airflow.chosen
assert "airflow" not in sys.modules
sys.modules["airflow"] = None
assert "{name}" in bulkdelete.airflow.__all__ and "{module}" == "bulkdelete.airflow.hook"
try:
    bulkdelete.airflow.{name}
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "airflow" in done.stdout
