"""S15: the credentials of a target stay out of what a run starts."""

import json
import os
import shlex
import sys
from pathlib import Path

import pytest

from tests.targets.cases import SECRET, Case, ids_of, listed, swift

NOTES = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"


async def test_s15_a_command_that_is_told_does_not_see_them(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor the name of the account; whatever else is there it may see."""
    seen = tmp_path / "seen.json"
    for name in (case.target.account_variable, case.target.secret_variable):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    kind = case.kinds[0]
    path = listed(tmp_path, kind, ids_of(kind, 3))
    async with case.emulator() as emulator:
        with swift():
            notify = shlex.join([sys.executable, "-c", NOTES, str(seen)])
            report = await case.run(emulator.url, path, notify=[notify])
    assert report.exit_code == 0
    environment = json.loads(seen.read_text())
    assert environment["SOMETHING_ELSE"] == "1"
    assert SECRET not in environment.values()
    assert os.environ[case.target.secret_variable] == SECRET
