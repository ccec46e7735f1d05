"""Change the guards, one small change at a time, and see that the core's own tests notice.

Prints the score by module. Fails below 95 %, and when a mutant survives that docs/mutants.md does
not list with the reason why it is the same program.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = (
    "guards",
    "identities",
    "plan",
    "damage",
    "shapes",
    "anomaly",
    "sketch",
    "activity",
    "times",
)
LEAST = 95.0
SLOW = "not clean_lists"
"""100,000 IDs of many kinds for each mutant would take days."""

CONFIG = """
[tool.pytest.ini_options]
pythonpath = ["."]
[tool.mutmut]
source_paths = ["bulkdelete"]
only_mutate = {mutate}
also_copy = ["bulkdelete"]
pytest_add_cli_args = ["-q", "-p", "no:cacheprovider", "-k", "{slow}"]
pytest_add_cli_args_test_selection = {tests}
"""
KILLED = {1, 3}
TIMED_OUT = {36, 24, -24, 152, 255}


def main(place: Path) -> int:
    """Mutate, run, judge."""
    prepare(place)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    mutmut = Path(sys.executable).with_name("mutmut")
    subprocess.run([mutmut, "run"], cwd=place, env=environment, check=False)
    return judge(place, (ROOT / "docs" / "mutants.md").read_text("utf-8"))


def prepare(place: Path) -> None:
    """Copy what the core's tests need, with a configuration of its own."""
    shutil.rmtree(place, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "bulkdelete", place / "bulkdelete", ignore=ignored)
    names = (*(name for name in MODULES if name != "sketch"), "boundaries", "words")
    tests = [f"tests/core/test_{name}.py" for name in names]
    (place / "tests" / "core").mkdir(parents=True)
    for name in (*tests, "tests/plans.py"):
        shutil.copy(ROOT / name, place / name)
    mutate = [f"bulkdelete/core/{name}.py" for name in MODULES]
    text = CONFIG.format(mutate=json.dumps(mutate), tests=json.dumps(tests), slow=SLOW)
    (place / "pyproject.toml").write_text(text)


def verdicts(place: Path) -> dict[str, int | None]:
    """Return what became of each mutant: an exit code of pytest, or None."""
    found: dict[str, int | None] = {}
    for name in MODULES:
        file = place / "mutants" / "bulkdelete" / "core" / f"{name}.py.meta"
        found |= json.loads(file.read_text("utf-8"))["exit_code_by_key"]
    return found


def judge(place: Path, page: str) -> int:
    """Print the score; 0 when it is good enough and each survivor has its reason."""
    all_of: Counter[str] = Counter()
    killed: Counter[str] = Counter()
    survivors = []
    for name, code in sorted(verdicts(place).items()):
        module = name.split(".")[2]
        all_of[module] += 1
        if code in KILLED or code in TIMED_OUT:
            killed[module] += 1
        else:
            survivors.append(name)
    for module, count in all_of.items():
        say(f"{module:12} {killed[module]:5} of {count:5}  {killed[module] / count:7.1%}")
    score = 100 * killed.total() / all_of.total()
    say(f"{'all':12} {killed.total():5} of {all_of.total():5}  {score:6.1f}%")
    told = set(re.findall(r"`(bulkdelete\.\S+__mutmut_\d+)`", page))
    untold = [name for name in survivors if name not in told]
    say("\n  ".join(("survivors without a reason in docs/mutants.md:", *(untold or ["none"]))))
    return 0 if score >= LEAST and not untold else 1


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
