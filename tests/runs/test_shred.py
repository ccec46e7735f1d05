"""Shredding: afterwards nothing in the run directory can be tied to a person."""

import base64
import hashlib
from pathlib import Path

from tests.conftest import Emulate, Program


def hits(place: Path, ids: list[str]) -> list[str]:
    """Return the files that hold an ID, or a plain hash of one."""
    wanted = [one.encode() for one in ids]
    for name in ("md5", "sha1", "sha256", "sha512", "blake2b"):
        for one in ids:
            digest = hashlib.new(name, one.encode())
            wanted += [digest.digest(), digest.hexdigest().encode()]
            wanted += [base64.b64encode(one) for one in (digest.digest(), one.encode())]
    found = []
    for path in sorted(place.rglob("*")):
        content = path.read_bytes()
        found += [path.name] if any(one in content for one in wanted) else []
    return found


async def test_after_shredding_nothing_ties_to_a_person(program: Program, emulate: Emulate) -> None:
    """No ID, no hash of one, no key; the chain says so; the balance and the audit still hold."""
    ids = [f"person-{number}@example.com" for number in range(150)]
    await emulate(refuse_ids=frozenset(ids[7:8]))
    text = "".join(f"{one}\n" for one in ("identity", *ids)).encode()
    ended = await program.run("-", stdin=text)
    assert ended.code == 3, ended.err
    run_dir = program.run_dir()
    assert (await program("report", run_dir, "--outcomes", "all")).code == 0
    more = ("--outcomes", "all", "--outcome-format")
    for form in ("jsonl", "parquet"):
        assert (await program("report", run_dir, *more, form)).code == 0
    assert (await program("report", run_dir, "--receipt")).code == 0
    assert {"input.spool", "rejected.csv", "accepted.jsonl"} <= set(hits(run_dir, ids))
    assert (run_dir / "sketch.json").exists()
    shredded = await program("report", run_dir, "--shred")
    assert shredded.code == 0, shredded.err
    assert hits(run_dir, ids) == []
    left = {one.name for one in run_dir.iterdir()}
    assert not {"run.key", "sketch.json", "accepted.parquet", "input.spool"} & left
    assert {"receipt.html", "receipt.json", "plan.json", "checkpoint.log"} <= left
    assert '"type":"shred"' in (run_dir / "checkpoint.log").read_text()
    assert "example.com" not in (run_dir / "report.json").read_text()
    status = await program("status", run_dir, "--json")
    assert (status.code, status.json["ids"]["accepted"]) == (0, 149)
    assert "shredded" in status.json["notes"][0]
    audited = await program("audit", run_dir)
    assert audited.code == 0, audited.out


async def test_a_list_of_one_person_is_not_its_hash(program: Program, emulate: Emulate) -> None:
    """Of files that hold one ID and nothing else, not even the end of a line."""
    await emulate()
    people = ["ana@example.com", "vip@example.com"]
    for name, one in zip(("list.txt", "vip.txt"), people, strict=True):
        (program.place / name).write_text(one, "utf-8")
    words = ("--format", "lines", "--id-type", "identity", "--protect", program.place / "vip.txt")
    ended = await program.run(program.place / "list.txt", *words)
    assert ended.code == 0, ended.err
    run_dir = program.run_dir()
    assert (await program("report", run_dir, "--receipt")).code == 0
    assert (await program("audit", run_dir)).code == 0
    assert (await program("report", run_dir, "--shred")).code == 0
    assert hits(run_dir, people) == []


async def test_an_unfinished_run_keeps_its_key(program: Program, emulate: Emulate) -> None:
    """Going on needs it: exit 2, nothing removed."""
    await emulate()
    path, _ = program.ids(200)
    assert (await program.run(path, "--hold-after", 100)).code == 75
    refused = await program("report", program.run_dir(), "--shred")
    assert refused.code == 2
    assert (program.run_dir() / "run.key").exists()
    assert (await program.run(path)).code == 0
