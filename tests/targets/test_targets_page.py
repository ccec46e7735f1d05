"""docs/targets.md is followed: its file, its entry point, the conformance suite, a whole run."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bulkdelete import targets
from bulkdelete.errors import UsageError
from tests.targets import test_conformance as conformance
from tests.targets.cases import ACCOUNT, BUILT_IN, SECRET, case_of

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "targets.md").read_text("utf-8")


def block(language: str) -> str:
    """Return the one block of the page in that language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the page's target: its file, and the facts of a package with its entry point."""
    where = tmp_path / "site"
    facts = where / "acme_target-1.0.dist-info"
    facts.mkdir(parents=True)
    (where / "acme_target.py").write_text(block("python"), "utf-8")
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-target\nVersion: 1.0\n")
    heading, entry = block("toml").strip().splitlines()
    assert heading == '[project.entry-points."bulkdelete.targets"]'
    (facts / "entry_points.txt").write_text(f"[{targets.GROUP}]\n{entry.replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(str(where))
    monkeypatch.delitem(sys.modules, "acme_target", raising=False)
    return where


@pytest.mark.usefixtures("place")
def test_the_target_of_the_page_conforms() -> None:
    """What every target is asked of its bytes and its verdicts."""
    assert "acme" in targets.names()
    case = case_of("acme")
    asked = 0
    for name, check in vars(conformance).items():
        if name.startswith("test_") and list(inspect.signature(check).parameters) == ["case"]:
            check(case)
            asked += 1
    assert asked > 9
    for body in conformance.NO_SUCCESS:
        conformance.test_s5_nothing_else_is(case, body)


@pytest.mark.usefixtures("place")
async def test_the_target_of_the_page_runs(tmp_path: Path) -> None:
    """Whole runs against its look-alike: all of it, and with a chunk that is refused."""
    case = case_of("acme")
    await conformance.test_s6_s8_a_run_of_each_kind(case, tmp_path)
    (tmp_path / "other").mkdir()
    await conformance.test_s5_a_refused_chunk_is_searched(case, tmp_path / "other")


@pytest.mark.usefixtures("place")
async def test_a_kind_that_it_does_not_take_is_refused(tmp_path: Path) -> None:
    """Said by a flag, by the header, or by each record: exit 2, and nothing is sent."""
    case = case_of("acme")
    (tmp_path / "said.csv").write_text("user\n1\n")
    (tmp_path / "guid.csv").write_text("guid\n1\n")
    (tmp_path / "typed.csv").write_text("Type,Identity\ni,1\n")
    async with case.emulator() as emulator:
        with pytest.raises(UsageError, match="one of identity, acme_user is wanted"):
            await case.run(emulator.url, tmp_path / "said.csv", id_type="guid")
        for name in ("guid.csv", "typed.csv"):
            with pytest.raises(UsageError, match="of the kind guid, and Acme takes none"):
                await case.run(emulator.url, tmp_path / name)
        assert emulator.state.requests == 0


@pytest.mark.conformance
def test_the_whole_suite_on_the_target_of_the_page(place: Path) -> None:
    """As the page says it: with kills, resumes, and its own pace."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/targets/test_conformance.py", "--target", "acme"],
        cwd=TOP,
        env=os.environ | {"PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert "passed" in ended.stdout


def test_the_look_alike_of_the_page_is_an_emulator(place: Path) -> None:
    """It starts as the command starts it, with the target's own names for who asks."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bulkdelete", "emulator", "--target", "acme"],
        env=os.environ | {"PYTHONPATH": str(place), "EMULATOR_ACCOUNT_ID": ACCOUNT},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    process.terminate()
    process.communicate()
    assert "emulator at http://127.0.0.1:" in lines[0]
    assert f"ACME_ACCOUNT={ACCOUNT} ACME_KEY=emulator bulkdelete run LIST --target acme" in lines[2]


@pytest.mark.parametrize("vendor", BUILT_IN)
def test_the_table_is_true(vendor: str) -> None:
    """Each built-in target: its call, its limits, its variables, its regions."""
    target = case_of(vendor).target
    rows = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| ")]
    heads = [one.strip(" `") for one in next(row for row in rows if "`clevertap`" in row[1])]
    column = "\n".join(row[heads.index(vendor)] for row in rows if len(row) == len(heads))
    assert f"`POST {target.delete_path}`" in column
    for word in (*target.kinds.values(), target.account_variable, target.secret_variable):
        assert f"`{word}`" in column
    assert re.search(rf"^ {target.max_ids} $", column, re.MULTILINE)
    assert re.search(rf"^ {target.in_flight}, ", column, re.MULTILINE)
    rate = "any" if target.per_minute is None else f"{target.per_minute:,}"
    assert re.search(rf"^ {rate}\b", column, re.MULTILINE)
    for region in (next(iter(target.regions)), list(target.regions)[-1]):
        assert region in column
    verified = "no (exit 2)" if target.probe is None else "yes"
    assert column.endswith(f" {verified} ")
    assert SECRET not in PAGE
