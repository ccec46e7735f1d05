"""The report of real runs: JSON by its schema, Markdown on the summary page of a CI job."""

import asyncio
import json
import re
import signal

import msgspec
import pytest

from bulkdelete.core.full import FullReport
from tests.conftest import Emulate, Program
from tests.render.schema import DOCS, PUBLISHED, schema


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_schemas_are_the_programs(name: str) -> None:
    """Those in docs/ are made from what the program writes."""
    assert (DOCS / name).read_text("utf-8") == schema(PUBLISHED[name])


async def test_reports_of_a_finished_run(program: Program, emulate: Emulate) -> None:
    """Every number adds up across the three; failures have masked examples; nothing is secret."""
    page = program.write("summary.md", "# A job")
    program.env["GITHUB_STEP_SUMMARY"] = str(page)
    await emulate(refuse_ids=frozenset({"secret-person-0042@example.com"}), latency=0.01)
    ids = [f"secret-person-{number:04d}@example.com" for number in range(900)]
    path = program.write("list.csv", "identity", *ids)
    ended = await program.run(path)
    assert ended.code == 3, ended.err
    run_dir = program.run_dir()
    text = (run_dir / "report.json").read_bytes()
    report = msgspec.json.decode(text, type=FullReport)
    assert msgspec.json.decode(msgspec.json.encode(report)) == json.loads(text)
    assert sum(report.series.accepted_ids) == report.ids["accepted"] == 899
    assert sum(band.accepted_ids for band in report.bands) == 899
    assert sum(report.series.requests) == report.requests["sent"]
    (failure,) = report.failures
    assert failure.reason == "http_400"
    (example,) = failure.examples
    assert example.startswith(f"{path}:44 ")
    assert report.slots_s["server"] > 0
    assert set(report.slots_s) <= {
        *("server", "gate", "disk", "pace", "input", "retry", "canary", "end"),
    }
    assert report.bands[0].settings["max-deletes"] == str(10**9)
    for name in ("report.json", "report.html", "report.md"):
        shown = (run_dir / name).read_text("utf-8")
        assert "tests-passcode" not in shown
        assert not re.search(r"secret-person-\d{4}@", shown)
    assert page.read_text("utf-8") == "# A job\n" + (run_dir / "report.md").read_text("utf-8")
    assert "| accepted | 899 |" in page.read_text("utf-8")
    # Written again without the input, the examples stay.
    path.unlink()
    assert (await program("report", run_dir)).code == 0
    again = msgspec.json.decode((run_dir / "report.json").read_bytes(), type=FullReport)
    assert again.failures == report.failures


async def test_a_crash_and_a_signal_are_bands(program: Program, emulate: Emulate) -> None:
    """Killed, interrupted, finished: three process starts, with how each of them ended."""
    emulator = await emulate(latency=0.1)
    path, _ = program.ids(3000)
    for number in (signal.SIGKILL, signal.SIGTERM):
        before = emulator.state.stats()["requests"]
        process = await program.start(*program.sending("run", path))
        while emulator.state.stats()["requests"] < before + 4:
            assert process.returncode is None
            await asyncio.sleep(0.01)
        process.send_signal(number)
        await process.communicate()
    assert (await program.run(path)).code == 0
    report = msgspec.json.decode((program.run_dir() / "report.json").read_bytes(), type=FullReport)
    assert [band.how for band in report.bands] == ["crashed", "stopped", "sealed"]
    assert [band.exit for band in report.bands] == [None, 143, 0]
    ends = [(band.begin, band.end) for band in report.bands]
    assert ends[0][1] == ends[1][0] < ends[1][1] == ends[2][0]
    shown = (program.run_dir() / "report.html").read_text("utf-8")
    assert shown.count('class="h-crashed"') == 4
