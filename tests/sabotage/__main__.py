"""`make sabotage`: plant each bug in a copy of the program, and see whether a test catches it.

    python -m tests.sabotage                the targeted tests of each, which must fail within 20 s
                                            (`make sabotage-quick`)
    python -m tests.sabotage --whole        the whole suite (`make test`) against each, in which
                                            the files of these tests come first, up to a failure
    python -m tests.sabotage --only NAME    just those whose name holds NAME

First the tests are run on an untouched copy: they must pass, or their failing would say nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from rich.console import Console
from rich.table import Table

from tests.sabotage.saboteurs import SABOTEURS, Saboteur

ROOT = Path(__file__).parents[2]
COPIED = (
    *("bulkdelete", "tests", "sample_data", "docs", "deploy"),
    *("Makefile", "README.md", "pyproject.toml"),
)
SECONDS = 20.0
WHOLE_SECONDS = 600.0
CONTROL_SECONDS = 1200.0
SUITE = " and ".join(
    f"not {one}"
    for one in ("slow", "faults", "deploy", "stores", "conformance", "redis", "dask", "gcs")
)
"""What `make test` runs."""
_PASSED, _FAILED, _NONE = 0, 1, 5  # pytest's exit codes; any other says that nothing was tested
_ON = {_PASSED, _NONE}


@dataclass(frozen=True, slots=True)
class Found:
    """What the tests said of one saboteur; `seen_by` is the first test that failed."""

    saboteur: Saboteur
    caught: bool
    seconds: float
    seen_by: str


def main() -> int:
    """Run, print the table, and return 0 only when every bug was caught."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--whole", action="store_true", help="the whole suite against each")
    parser.add_argument("--only", default="", help="those whose name holds this")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each may take")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    said = parser.parse_args()
    chosen = [one for one in SABOTEURS if said.only in one.name]
    with tempfile.TemporaryDirectory(prefix="bulkdelete-sabotage-") as place:
        copies = [_copy(Path(place) / str(number)) for number in range(said.jobs)]
        *_, tests = _rounds(chosen, whole=said.whole)
        side_by_side = ["-n", str(2 * said.jobs), "--dist", "worksteal"]
        if not _control(copies[0], tests + side_by_side):
            return 1
        free: SimpleQueue[Path] = SimpleQueue()
        for copy in copies:
            free.put(copy)

        def judged(one: Saboteur) -> Found:
            copy = free.get()
            try:
                seconds = WHOLE_SECONDS if said.whole else said.seconds
                return _judge(copy, one, seconds, whole=said.whole)
            finally:
                free.put(copy)

        with ThreadPoolExecutor(said.jobs) as pool:
            found = [_say(one) for one in pool.map(judged, chosen)]
    _print(found)
    return 0 if found and all(one.caught for one in found) else 1


def _copy(place: Path) -> Path:
    place.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)
    return place


def _rounds(chosen: list[Saboteur], *, whole: bool) -> list[list[str]]:
    """Return what is run against these: what is aimed at each of them, or the whole suite.

    Of that what is aimed comes first; pytest would put it back into its own order.
    """
    aimed = sorted({test for one in chosen for test in one.tests})
    if not whole:
        return [aimed]
    near = list(dict.fromkeys(one.partition("::")[0] for one in aimed))
    # A test that only looks whether a bug's line is there would "catch" them all.
    return [[*near, "-m", SUITE], ["tests", "--ignore=tests/sabotage", "-m", SUITE]]


def _control(copy: Path, tests: list[str]) -> bool:
    """See that the tests pass where nothing is planted."""
    code, text, _ = _pytest(copy, tests, CONTROL_SECONDS)
    if code != _PASSED:
        print(text[-4000:], "the tests fail without any bug planted", sep="\n")  # noqa: T201
    return code == _PASSED


def _judge(copy: Path, one: Saboteur, limit: float, *, whole: bool) -> Found:
    path = copy / "bulkdelete" / one.path
    sound = path.read_text("utf-8")
    if sound.count(one.old) != 1:
        return Found(one, caught=False, seconds=0.0, seen_by="its line is not there any more")
    _write(copy, path, sound.replace(one.old, one.new))
    try:
        spent = 0.0
        for tests in _rounds([one], whole=whole):
            code, text, seconds = _pytest(copy, tests, limit)
            spent += seconds
            if code not in _ON:
                break
    finally:
        _write(copy, path, sound)
    seen_by = _first_failure(text, code)
    # With -x pytest ends alike for a test that fails and for a file that it cannot even read.
    return Found(one, caught=code == _FAILED and "::" in seen_by, seconds=spent, seen_by=seen_by)


def _write(copy: Path, path: Path, text: str) -> None:
    """Change a module of a copy; two edits within a second look alike to the import system."""
    path.write_text(text, "utf-8")
    for compiled in _compiled(copy).rglob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def _compiled(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}-compiled")


def _pytest(copy: Path, tests: list[str], seconds: float) -> tuple[int | None, str, float]:
    """Run tests on a copy; the exit code is None when they took too long."""
    compiled = str(_compiled(copy))
    process = subprocess.Popen(
        (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests),
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy), "PYTHONPYCACHEPREFIX": compiled},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    began = time.monotonic()
    try:
        text, _ = process.communicate(timeout=seconds)
        code: int | None = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        text, _ = process.communicate()
        code = None
    return code, text, time.monotonic() - began


def _first_failure(text: str, code: int | None) -> str:
    if code is None:
        return "too slow"
    failed = [line for line in text.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0].partition(" ")[2] if failed else f"nobody (pytest: {code})"


def _say(found: Found) -> Found:
    """Say at once what came of one: the whole takes a while."""
    verdict = "caught" if found.caught else "NOT CAUGHT"
    print(f"{found.saboteur.name}: {verdict} ({found.seconds:.1f} s)", flush=True)  # noqa: T201
    return found


def _print(found: list[Found]) -> None:
    table = Table(title="planted bugs")
    for name in ("bug", "file", "caught", "s", "by"):
        table.add_column(name, overflow="fold")
    for one in found:
        verdict = "yes" if one.caught else "NO"
        row = (one.saboteur.name, one.saboteur.path, verdict, f"{one.seconds:.1f}", one.seen_by)
        table.add_row(*row)
    console = Console(width=140)
    console.print(table)
    caught = sum(one.caught for one in found)
    console.print(f"planted bugs caught: {caught} of {len(found)}")


if __name__ == "__main__":
    sys.exit(main())
