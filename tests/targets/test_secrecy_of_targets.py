"""S15: the credentials of a target stay out of what a run starts; the emulator's stay here."""

import json
import os
import shlex
import sys
from pathlib import Path
from unittest import mock

import pytest

import bulkdelete
from bulkdelete import running, targets
from bulkdelete.core import guards
from bulkdelete.errors import UsageError
from tests.targets.cases import SECRET, Case, ids_of, listed, swift

NOTES = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"


async def test_s15_a_command_that_is_told_does_not_see_them(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor those of another vendor, nor the account; whatever else is there it may see."""
    seen = tmp_path / "seen.json"
    for vendor in (case.target, *map(targets.find, targets.BUILT_IN)):
        for name in (vendor.account_variable, vendor.secret_variable):
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


def logs(run_dir: str) -> dict[str, bytes]:
    """Return what is in a run's logs."""
    return {one.name: one.read_bytes() for one in Path(run_dir).glob("*.log")}


async def test_the_emulator_s_account_is_not_applied_elsewhere(case: Case, tmp_path: Path) -> None:
    """A plan with it for a real host, however it came to be, is refused before it is approved."""
    kind, account = case.kinds[0], "EMULATOR"
    path = listed(tmp_path, kind, ids_of(kind, 3))
    with mock.patch.object(guards, "check_account"):
        planned = await bulkdelete.plan(
            path,
            target=case.target.name,
            region=next(iter(case.target.regions)),
            account_id=account,
            runs_dir=tmp_path / "runs",
            accept_damage=["identity_as_guid"],
        )
    assert planned.run_dir
    before = logs(planned.run_dir)
    assert before
    with (
        mock.patch.object(running, "Client", side_effect=AssertionError("it would be sent")),
        pytest.raises(UsageError) as caught,
    ):
        await bulkdelete.apply(
            planned.run_dir,
            credentials=bulkdelete.Credentials(account, SECRET),
            yes=True,
            max_deletes=10,
        )
    assert caught.value.code == "emulator_credentials"
    assert logs(planned.run_dir) == before
