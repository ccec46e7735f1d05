"""What commands load: those that only look load nothing that plans or sends, and so are quick."""

import subprocess
import sys

import pytest

from bulkdelete.io.rundir import RunDir
from tests.microscope.papers import make_run

CODE = """
import sys
from bulkdelete.cli import main
try:
    main(sys.argv[1:])
finally:
    sys.stderr.write(" ".join(sys.modules))
"""
SENDS = {"aiohttp", "bulkdelete.io.client", "bulkdelete.running", "bulkdelete.sending"}
PLANS = {"aiofiles", "bulkdelete.planning", "bulkdelete.intake", "numpy", "xxhash"}
SHOWS = {"rich", "pygments"}
"""What structlog would load, and nothing here needs without a terminal."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """Plan a small list."""
    return make_run(tmp_path_factory.mktemp("planned"))


@pytest.mark.parametrize(
    ("words", "never", "wanted"),
    [
        (["status", "RUN"], SENDS | PLANS | SHOWS | {"jinja2"}, "bulkdelete.standing"),
        (["status", "--runs-dir", "PLACE"], SENDS | SHOWS | {"jinja2"}, "bulkdelete.cli.history"),
        (["report", "RUN"], SENDS | SHOWS, "jinja2"),
        (["apply", "RUN", "--dry-run"], SHOWS | {"jinja2", "numpy"}, "aiohttp"),
        (["audit", "RUN"], SENDS | SHOWS | {"jinja2"}, "bulkdelete.auditing"),
    ],
)
def test_who_only_looks_loads_nothing_that_sends(
    run: RunDir, words: list[str], never: set[str], wanted: str
) -> None:
    """The modules that a command loads are counted, not its seconds: those swing."""
    places = {"RUN": str(run.path), "PLACE": str(run.path.parent)}
    done = subprocess.run(
        [sys.executable, "-c", CODE, *(places.get(one, one) for one in words)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(done.stderr.split())
    assert wanted in loaded
    assert not loaded & never
