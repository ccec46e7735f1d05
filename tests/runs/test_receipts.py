"""`report --receipt`: true, signed so that a stranger can check it, and without personal data."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from bulkdelete.core import stamps
from tests.conftest import Emulate, Ended, Program
from tests.render.test_html import Page
from tests.runs.test_shred import hits
from tests.runs.test_signatures import key, signers

PEOPLE = [f"person-{number}@example.com" for number in range(250)]


def checked(program: Program, paper: Path, principal: str) -> bool:
    """Check a signature as the README tells the receiver to."""
    words = ("ssh-keygen", "-Y", "verify", "-f", "senders", "-I", principal)
    more = ("-n", "bulkdelete-receipt", "-s", f"{paper}.sig")
    ended = subprocess.run(
        [*words, *more],
        cwd=program.place,
        input=paper.read_bytes(),
        capture_output=True,
        check=False,
    )
    return not ended.returncode


def fingerprint(program: Program) -> str:
    """Return the fingerprint of Ana's key, as ssh-keygen shows it."""
    words = ["ssh-keygen", "-l", "-f", str(program.place / "ana.pub")]
    return subprocess.run(words, capture_output=True, check=True).stdout.decode().split()[1]


async def sent(program: Program, emulate: Emulate) -> Ended:
    """Send a list of people, one of whom is refused, over an approval by signature."""
    await emulate(refuse_ids=frozenset(PEOPLE[7:8]))
    path = program.write("eve.smith.csv", "identity", *PEOPLE, PEOPLE[0])
    ana = await key(program, "ana")
    await signers(program, ana=ana)
    planned = await program("plan", path, "--endpoint", program.url)
    assert planned.code == 0, planned.err
    assert (await program("approve", program.run_dir(), "--sign", ana)).code == 0
    return await program("apply", program.run_dir(), "--json")


async def test_a_receipt_that_a_stranger_can_check(program: Program, emulate: Emulate) -> None:
    """What was asked, approved, answered and looked up; signed; altered by a byte it is refused."""
    assert (await sent(program, emulate)).code == 3
    run_dir = program.run_dir()
    verified = await program("verify", run_dir, "--now", "--full", "--json")
    assert verified.code == 0, verified.err
    ended = await program("report", run_dir, "--receipt", "--sign", program.place / "ana", "--json")
    assert ended.code == 0, ended.err
    html, facts = run_dir / "receipt.html", run_dir / "receipt.json"
    found = json.loads(facts.read_text("utf-8"))
    report = json.loads((run_dir / "report.json").read_text("utf-8"))
    assert ended.json == found | {"checksum": stamps.BLANK}
    assert found["answered"]["ids"] == report["ids"]
    assert found["answered"]["requests"] == report["requests"]
    assert found["asked"]["plan_digest"] == report["plan_digest"]
    assert found["evidence"]["chain_head"] == report["chain_head"]
    (approval,) = found["approved"]["approvals"]
    assert (approval["how"], approval["who"]) == ("signed", "ana")
    assert found["approved"]["signatures"] == [{"key": fingerprint(program)}]
    (looked,) = found["verified"]
    assert (looked["way"], looked["gone"], looked["sentence"]) == (
        "full",
        249,
        verified.json["sentence"],
    )
    page = Page(html.read_text("utf-8"))
    assert page.alive() == []
    for wanted in (*found["statement"], "249 gone", report["chain_head"], "ana", "250 of 251 read"):
        assert str(wanted) in page.shown
    public = (program.place / "ana.pub").read_text().rpartition(" ")[0]
    program.write("senders", f"dpo@example.org {public}")
    for paper in (html, facts):
        assert stamps.holds(paper.read_bytes())
        assert checked(program, paper, "dpo@example.org")
        assert not checked(program, paper, "eve@example.org")
        whole = paper.read_bytes()
        paper.write_bytes(whole.replace(b"249", b"250", 1))
        assert not checked(program, paper, "dpo@example.org")
        paper.write_bytes(whole)


async def test_no_person_is_in_a_receipt(program: Program, emulate: Emulate) -> None:
    """Neither an ID nor a plain hash of one, nor what the list was called; nor deleted, ever."""
    assert (await sent(program, emulate)).code == 3
    run_dir = program.run_dir()
    assert (await program("report", run_dir, "--outcomes", "all")).code == 0
    ended = await program("report", run_dir, "--receipt")
    assert ended.code == 0
    assert "rejected.csv" in hits(run_dir, PEOPLE)
    assert not {"receipt.html", "receipt.json"} & set(hits(run_dir, PEOPLE))
    for name in ("receipt.html", "receipt.json"):
        text = (run_dir / name).read_text("utf-8")
        assert "smith" not in text
        assert str(program.place) not in text
        assert "deleted" not in text.lower()
    assert "nobody has looked up yet" in ended.out


@pytest.mark.slow  # it mostly waits
async def test_a_receipt_made_anew_has_no_signature_of_the_old_one(
    program: Program, emulate: Emulate
) -> None:
    """A key that is none leaves all as it was; without a key the signature goes."""
    assert (await sent(program, emulate)).code == 3
    run_dir, ana = program.run_dir(), program.place / "ana"
    assert (await program("report", run_dir, "--sign", ana)).code == 0
    before = hashlib.sha256((run_dir / "receipt.html").read_bytes()).hexdigest()
    wrong = await program("report", run_dir, "--receipt", "--sign", program.place / "eve.smith.csv")
    assert wrong.code == 2
    assert hashlib.sha256((run_dir / "receipt.html").read_bytes()).hexdigest() == before
    assert (run_dir / "receipt.html.sig").exists()
    assert (await program("report", run_dir, "--receipt")).code == 0
    assert list(run_dir.glob("receipt.*.sig")) == []


async def test_a_list_of_one_person_has_no_fingerprint(program: Program, emulate: Emulate) -> None:
    """The file may be the ID and nothing else; its hash would be the ID's."""
    await emulate()
    path = program.place / "one.txt"
    path.write_text(PEOPLE[0], "utf-8")
    vip = program.place / "vip.txt"
    vip.write_text(PEOPLE[1], "utf-8")
    words = ("--id-type", "identity", "--format", "lines", "--protect", vip)
    assert (await program.run(path, *words, "--accept-protect-mismatch")).code == 0
    run_dir = program.run_dir()
    assert (await program("report", run_dir, "--receipt")).code == 0
    assert not {"receipt.html", "receipt.json"} & set(hits(run_dir, PEOPLE[:2]))
    assert "left out" in Page((run_dir / "receipt.html").read_text("utf-8")).shown


async def test_a_draft_has_no_receipt(program: Program) -> None:
    """It names no account: there is nothing that could have been asked."""
    path, _ = program.ids(3)
    assert (await program("plan", path)).code == 0
    ended = await program("report", program.run_dir(), "--receipt", "--json")
    assert (ended.code, ended.json["reason"]["code"]) == (2, "draft")
