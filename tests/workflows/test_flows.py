"""Prefect and Dagster, real ones in an environment of their own, run what is in deploy/."""

import asyncio
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ACCOUNT, PASSCODE, Emulate, Program, times_acted
from tests.workflows.waiting import sent_so_far

pytestmark = pytest.mark.deploy

ROOT = Path(__file__).parents[2]
BIN = ROOT / "build" / "flows" / "bin"

PREFECT = """
import asyncio
from prefect.blocks.system import Secret
Secret(value="{passcode}").save("clevertap-passcode", overwrite=True)
from purge import purge
print("counts:", asyncio.run(purge()))
"""


@dataclass
class Engine:
    """A workflow engine with a home of its own, and a recipe at home in a test."""

    name: str
    program: Program

    @property
    def home(self) -> Path:
        """Where the engine keeps what it writes."""
        return self.program.place / "home"

    def set_up(self, **options: object) -> None:
        """Write the recipe, changed: places, account, host, no waiting, further options."""
        self.home.mkdir(exist_ok=True)
        text = (ROOT / "deploy" / self.name / "purge.py").read_text("utf-8")
        said = "".join(f"{name}={value!r}, " for name, value in options.items())
        for old, new in (
            ("/srv/purge", str(self.program.place)),
            ("XXX-XXX-XXXX", ACCOUNT),
            ("region=region,", f"endpoint={self.program.url!r},"),
            ("region=clevertap.region,", f"endpoint={self.program.url!r},"),
            ("delay=900", "delay=0"),
            ("retry_delay_seconds=900", "retry_delay_seconds=0"),
            ('id_type="identity",', f'id_type="identity", {said}'),
        ):
            text = text.replace(old, new)
        (self.program.place / "purge.py").write_text(text, "utf-8")
        ours = PREFECT.format(passcode=PASSCODE)
        (self.home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", "utf-8")
        (self.program.place / "ours.py").write_text(ours, "utf-8")

    async def start(self) -> asyncio.subprocess.Process:
        """Start the flow, or the job."""
        strange = ("PREFECT", "DAGSTER", "CLEVERTAP")
        rest = {k: v for k, v in os.environ.items() if not k.startswith(strange)}
        words: dict[str, list[str | Path]] = {
            "prefect": [BIN / "python", "ours.py"],
            "dagster": [BIN / "dagster", "job", "execute", "-f", "purge.py", "-j", "purge"],
        }
        with (self.home / "said.log").open("ab") as said:
            return await asyncio.create_subprocess_exec(
                *words[self.name],
                cwd=self.program.place,
                env=rest
                | {
                    "PREFECT_HOME": str(self.home),
                    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "200",
                    "DO_NOT_TRACK": "1",
                    "DAGSTER_HOME": str(self.home),
                    "CLEVERTAP_PASSCODE": PASSCODE,
                },
                stdin=asyncio.subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    async def __call__(self, seconds: float = 300) -> int:
        """Run it to its end; return its exit code."""
        process = await self.start()
        async with asyncio.timeout(seconds):
            return await process.wait()

    def said(self) -> str:
        """Return all that it printed."""
        return (self.home / "said.log").read_text("utf-8", "replace")

    def keeps_secrets(self, ids: list[str]) -> None:
        """Fail when the passcode or an ID is in anything that the engine wrote."""
        files = [one for one in self.home.rglob("*") if one.is_file()]
        written = b"".join(one.read_bytes() for one in files)
        assert any(one.suffix == ".db" for one in files)
        assert PASSCODE.encode() not in written
        assert not [one for one in ids if one.encode() in written]


@pytest.fixture(params=["prefect", "dagster"])
def engine(request: pytest.FixtureRequest, program: Program) -> Engine:
    """Make an engine."""
    assert (BIN / request.param).exists(), "not here: `make test-flows` installs it"
    return Engine(request.param, program)


async def test_what_stops_is_tried_again_and_what_is_refused_is_not(
    engine: Engine, program: Program, emulate: Emulate
) -> None:
    """Held twice, it goes on with its run in three tries; a list that is too long has one."""
    emulator = await emulate()
    ids = program.ids(250)[1]
    program.write("protect.txt", ids[5])
    engine.set_up(hold_after=100)
    assert await engine() == 0, engine.said()
    assert times_acted(emulator) == {one: 1 for one in ids if one != ids[5]}
    assert len(list((program.place / "runs").glob("list.csv-*"))) == 1
    program.ids(60_000)
    requests = emulator.state.stats()["requests"]
    before = len(engine.said())
    assert await engine() != 0
    assert emulator.state.stats()["requests"] == requests
    refused = engine.said()[before:]
    assert "more than the 50,000 of --max-deletes" in refused, refused
    assert not re.search("awaiting retry|up_for_retry|will retry", refused, re.IGNORECASE)
    engine.keeps_secrets(ids)


async def test_terminated_it_drains_and_the_next_run_goes_on(
    engine: Engine, program: Program, emulate: Emulate
) -> None:
    """SIGTERM half-way: it ends, nothing is in doubt; the next run sends the rest, once."""
    emulator = await emulate(latency=0.1)
    ids = program.ids(6000)[1]
    program.write("protect.txt", ids[5])
    engine.set_up()
    process = await engine.start()
    await sent_so_far(emulator, 5, process, engine.said)
    async with asyncio.timeout(200):
        process.send_signal(signal.SIGTERM)
        assert await process.wait() != 0
    assert 0 < len(times_acted(emulator)) < 5999
    (run,) = (program.place / "runs").glob("list.csv-*")
    report = (await program("status", run, "--json")).json
    assert report["ids"]["ambiguous"] == 0
    assert await engine() == 0, engine.said()
    assert times_acted(emulator) == {one: 1 for one in ids if one != ids[5]}
    engine.keeps_secrets(ids)
