"""A command line that cannot be read: what is wrong with it, and nothing that was given to it."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

import pytest

from bulkdelete.cli import main


@pytest.mark.parametrize(
    ("words", "said", "after"),
    [
        (
            ("run", "x.csv", "--protected=vip.txt"),
            "there is no flag --protected; did you mean --protect?",
            "bulkdelete run --help",
        ),
        (
            ("live", "tune", "--rat", "5"),
            "there is no flag --rat; did you mean --rate?",
            "bulkdelete live tune --help",
        ),
        (("run", "-zSECRET"), "there is no flag -z", "bulkdelete run --help"),
        (
            ("emulator", "--passcode=SECRET"),
            "there is no flag --passcode",
            "bulkdelete emulator --help",
        ),
        (
            ("stats", "SECRET"),
            "there is no command of that name; did you mean status?",
            "bulkdelete --help",
        ),
        (("SECRET",), "there is no command of that name", "bulkdelete --help"),
        (("audit", "a", "b"), "the last word is too many", "bulkdelete audit --help"),
        (
            ("audit", "a", "b", "c"),
            "the last 2 words are too many",
            "bulkdelete audit --help",
        ),
        (
            ("audit",),
            'Command "audit" parameter RUN_DIR requires an argument.',
            "bulkdelete audit --help",
        ),
        (
            ("report",),
            "this is about one run: name its directory",
            "bulkdelete report --help",
        ),
    ],
)
def test_what_cannot_be_read(
    capsys: pytest.CaptureFixture[str], words: Sequence[str], said: str, after: str
) -> None:
    """The word that is wrong and the nearest right one, never a value: it might be a secret."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"bulkdelete: {said}\n  next: {after}\n"


@pytest.mark.parametrize(
    ("chosen", "credentials"),
    [
        ({}, "account EMULATOR, passcode emulator"),
        (
            {"EMULATOR_ACCOUNT_ID": "BENCH", "EMULATOR_PASSCODE": "SECRET"},
            "account BENCH, passcode that of EMULATOR_PASSCODE",
        ),
    ],
)
async def test_the_emulator_says_how_to_reach_it(chosen: dict[str, str], credentials: str) -> None:
    """Address, account and passcode, unless somebody chose the passcode."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bulkdelete", "emulator"),
        env=os.environ | chosen,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(3)]
    process.send_signal(signal.SIGTERM)
    rest, _ = await process.communicate()
    url = lines[0].removeprefix("emulator at ").strip()
    assert url.startswith("http://127.0.0.1:")
    assert lines[1] == f"  {credentials}; nothing here is real\n"
    account = chosen.get("EMULATOR_ACCOUNT_ID", "EMULATOR")
    passcode = '"$EMULATOR_PASSCODE"' if "EMULATOR_PASSCODE" in chosen else "emulator"
    who = f"CLEVERTAP_ACCOUNT_ID={account} CLEVERTAP_PASSCODE={passcode}"
    assert lines[2] == f"  try it: {who} bulkdelete run LIST --endpoint {url}\n"
    assert (rest, process.returncode) == (b"", 0)
