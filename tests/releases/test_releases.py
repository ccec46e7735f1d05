"""What a version wrote, every later one reads and goes on with; what a newer one wrote is refused.

`0.1.0/` is a run of 60 IDs in chunks of 5 that was held after 40 of them: one ID was refused, two
chunks were in doubt. It was made with `bulkdelete emulator --port 17317 --refuse user-0013
--drop-after 0.3 --seed 5` and never changes. A release adds a directory of its own.
"""

import re
import shutil
from pathlib import Path

import google_crc32c
import pytest

from tests.conftest import Emulate, Program, times_acted

HERE = Path(__file__).parent
RELEASES = sorted(one.name for one in HERE.iterdir() if re.fullmatch(r"\d+\.\d+\.\d+", one.name))
PORT = 17317
WAS = {"read": 63, "accepted": 32, "rejected": 1, "ambiguous": 7, "unsent": 20}
WAS |= {"protected": 1, "duplicate": 1, "invalid": 1, "excluded": 0}


@pytest.fixture
def old(program: Program, request: pytest.FixtureRequest) -> Path:
    """Lay a release's run into the program's directory, as private as it was."""
    run_dir = program.place / "run"
    run_dir.mkdir(mode=0o700)
    for file in (HERE / request.param).iterdir():
        place = program.place if file.suffix in {".csv", ".txt"} else run_dir
        shutil.copyfile(file, place / file.name)
        (place / file.name).chmod(0o600)
    program.env |= {
        "CLEVERTAP_ACCOUNT_ID": "RELEASE-ACCT",
        "CLEVERTAP_PASSCODE": "release-pass",
    }
    return run_dir


def lists(program: Program) -> list[object]:
    """Return where the list and the protect list are now."""
    return ["--input", program.place / "list.csv"]


@pytest.mark.parametrize("old", RELEASES, indirect=True)
async def test_c5_a_run_of_an_older_version_is_read(program: Program, old: Path) -> None:
    """Its balance, its outcomes and its soundness, without a request."""
    told = await program("status", old, "--json")
    assert told.code == 0, told.err
    assert told.json["ids"] == WAS
    vouched = await program("audit", old, *lists(program), "--json")
    assert vouched.code == 0, vouched.err


@pytest.mark.parametrize("old", RELEASES, indirect=True)
async def test_c5_a_run_of_an_older_version_is_gone_on_with(
    program: Program, emulate: Emulate, old: Path
) -> None:
    """With fresh approval: the rest and what was in doubt, and nothing that was accepted."""
    emulator = await emulate(
        port=PORT,
        account_id="RELEASE-ACCT",
        passcode="release-pass",
        refuse_ids=frozenset({"user-0013"}),
    )
    words = ("--renew", "--yes", "--max-deletes", 100, "--max-failures", 50)
    ended = await program(
        "apply", old, *lists(program), "--protect", program.place / "protect.txt", *words, "--json"
    )
    assert ended.code == 3, ended.err
    assert ended.json["ids"] == WAS | {"accepted": 59, "ambiguous": 0, "unsent": 0}
    times = times_acted(emulator)
    assert len(times) == 59 - WAS["accepted"]
    assert set(times.values()) == {1}


@pytest.mark.parametrize("old", RELEASES[-1:], indirect=True)
async def test_c5_a_log_of_a_newer_format_is_refused(program: Program, old: Path) -> None:
    """Sound, and of a format that nobody knows yet: exit 6 from all that read it."""
    log = old / "checkpoint.log"
    head = log.read_bytes().splitlines(keepends=True)[0]
    newer = head[:-10].replace(b'"format":1', b'"format":9')
    assert newer != head[:-10]
    log.write_bytes(newer + b" %08x\n" % google_crc32c.value(newer))
    for words in (("status",), ("apply", "--renew", "--yes", "--max-deletes", 100), ("audit",)):
        ended = await program(words[0], old, *words[1:], "--json")
        assert ended.code == 6, (words, ended.out)
        assert "format" in ended.out + ended.err, ended.out
    assert log.stat().st_size == len(newer) + 10, "not a byte was added"
