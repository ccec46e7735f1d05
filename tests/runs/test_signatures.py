"""Four eyes: a plan that demands a signature is sent only when somebody else signed it."""

import asyncio
import getpass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Emulate, Ended, Program, times_acted


async def key(program: Program, name: str) -> Path:
    """Make an SSH key."""
    path = program.place / name
    words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path))
    process = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    return path


async def signers(program: Program, **named: Path) -> None:
    """Write the file of allowed signers, and a profile that demands one of them."""
    lines = [
        f"{name.replace('_', '@')} {path.with_suffix('.pub').read_text().rpartition(' ')[0]}"
        for name, path in named.items()
    ]
    program.write("allowed_signers", *lines)
    profile = '[profiles.default]\nsigners = "allowed_signers"\n'
    (program.place / "bulkdelete.toml").write_text(profile)


def code(ended: Ended) -> tuple[int, Any]:
    """Return exit code and reason."""
    return ended.code, ended.json["reason"]["code"]


async def test_h4_somebody_else_signs_and_then_it_is_sent(
    program: Program, emulate: Emulate
) -> None:
    """No digest, no --yes stands in; the planner's own and a stranger's signature count nothing."""
    emulator = await emulate()
    path, ids = program.ids(150)
    mine, ana, eve = [await key(program, name) for name in ("mine", "ana", "eve")]
    await signers(program, **{f"{getpass.getuser()}_x.org": mine, "ana_x.org": ana})
    planned = await program("plan", path, "--endpoint", program.url, "--json")
    assert planned.code == 0, planned.err
    assert f"bulkdelete approve {planned.json['run_dir']} --sign KEY" in planned.err
    run_dir = program.place / planned.json["run_dir"]
    apply = ("apply", run_dir, "--json", "--approve", planned.json["plan_digest"])
    assert code(await program(*apply)) == (4, "signatures_missing")
    assert code(await program.run(path)) == (4, "signatures_missing")
    for wrong in (mine, eve):
        assert (await program("approve", run_dir, "--sign", wrong)).code == 0
        assert code(await program(*apply)) == (4, "signatures_missing")
    assert emulator.state.stats()["requests"] == 0
    assert (await program("approve", run_dir, "--sign", ana)).code == 0
    sent = await program("apply", run_dir, "--json")
    assert sent.code == 0, sent.err
    assert times_acted(emulator) == dict.fromkeys(ids, 1)
    assert b'"how":"signed"' in (run_dir / "checkpoint.log").read_bytes()


async def test_h3_a_signature_is_for_one_plan_of_one_run(
    program: Program, emulate: Emulate
) -> None:
    """Carried to another run of the very same list it is worth nothing; nor under new signers."""
    emulator = await emulate()
    path, _ = program.ids(150)
    ana, bob = [await key(program, name) for name in ("ana", "bob")]
    await signers(program, ana=ana)
    for name in ("one", "two"):
        planned = await program("plan", path, "--endpoint", program.url, "--run-dir", name)
        assert planned.code == 0, planned.err
    assert (await program("approve", "one", "--sign", ana)).code == 0
    signature = program.place / "one" / "approval-1.sig"
    assert (await program("approve", "two", "--add", signature)).code == 0
    assert code(await program("apply", "two", "--json")) == (4, "signatures_missing")
    await signers(program, ana=ana, bob=bob)
    assert code(await program("apply", "one", "--json")) == (6, "signers_changed")
    (program.place / "bulkdelete.toml").unlink()
    assert code(await program("apply", "one", "--json", "--yes", "--max-deletes", 999)) == (
        4,
        "signers_unknown",
    )
    assert emulator.state.stats()["requests"] == 0


async def test_approve_shows_what_is_signed_and_refuses_a_key_that_is_none(
    program: Program, emulate: Emulate
) -> None:
    """Without a key it prints the text; with a wrong one it is exit 2."""
    await emulate()
    path, _ = program.ids(150)
    planned = await program("plan", path, "--endpoint", program.url, "--json")
    shown = await program("approve", program.run_dir())
    assert f"plan {planned.json['plan_digest']}\n" in shown.out
    assert "ids 150" in shown.out
    ended = await program("approve", program.run_dir(), "--sign", path, "--json")
    assert code(ended) == (2, "sign")
    draft = await program("plan", path, "--run-dir", "draft")
    assert draft.code == 0
    assert (await program("approve", "draft", "--sign", path)).code == 2


@pytest.mark.parametrize("line", ["signatures = 1", "signatures = 0", 'signers = ""'])
async def test_g3_half_a_demand_is_none(program: Program, line: str) -> None:
    """Signatures without signers, none, or a blank name: exit 2."""
    (program.place / "bulkdelete.toml").write_text(f"[profiles.default]\n{line}\n")
    path, _ = program.ids(3)
    assert (await program("plan", path)).code == 2
