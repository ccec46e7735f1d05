"""The README stays true: its help block, its exit codes, its examples."""

import re
from pathlib import Path

import pytest

from bulkdelete import errors
from tests.conftest import Emulate, Program
from tests.terminal import at_terminal

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(autouse=True)
def _as_a_user_starts_it(program: Program) -> None:
    """Each command here is one that a reader may type."""
    program.cold = True


async def test_the_help_block_is_what_help_prints(program: Program) -> None:
    """The block between the marks equals `bulkdelete --help` on 80 columns."""
    program.env["COLUMNS"] = "80"
    printed = (await program("--help")).out.strip()
    block = re.search(
        r"<!-- help:bulkdelete -->\n```text\n(.*?)```\n<!-- /help -->",
        README.read_text(),
        re.DOTALL,
    )
    assert block is not None
    shown = "\n".join(line.rstrip() for line in block[1].strip().splitlines())
    assert shown == "\n".join(line.rstrip() for line in printed.splitlines())


def test_every_exit_code_of_the_errors_is_in_the_table() -> None:
    """No error has a code that the README does not explain."""
    table = set(re.findall(r"^\| (\d+)(?: / (\d+) / (\d+))? \|", README.read_text(), re.MULTILINE))
    known = {int(code) for row in table for code in row if code}
    kinds = [one for one in vars(errors).values() if isinstance(one, type)]
    codes = {one.exit_code for one in kinds if issubclass(one, errors.BulkdeleteError)}
    assert codes <= known
    assert {0, 3, 130, 143, 129} <= known


@pytest.mark.parametrize(
    "command",
    [
        "inspect",
        "plan",
        "run",
        "apply",
        "fleet",
        "status",
        "report",
        "verify",
        "audit",
        "doctor",
        "emulator",
        "demo",
        "live",
    ],
)
async def test_each_command_has_help_and_knows_the_flags_of_the_readme(
    program: Program, command: str
) -> None:
    """`--help` works everywhere, and no flag of the README is unknown to all commands."""
    ended = await program(command, "--help")
    assert ended.code == 0
    assert "Usage: bulkdelete" in ended.out


async def test_flags_of_the_readme_exist(program: Program) -> None:
    """Each `--flag` that the README names is a flag of some command."""
    program.env["COLUMNS"] = "200"
    helps = [
        (await program(command, "--help")).out
        for command in (
            "run",
            "apply",
            "report",
            "audit",
            "doctor",
            "plan",
            "status",
            "verify",
            "approve",
            "fleet",
        )
    ]
    known = set(re.findall(r"--[a-z][a-z-]+", " ".join(helps)))
    named = set(re.findall(r"--[a-z][a-z-]+", README.read_text()))
    assert named - known == {"--help", "--version"}


async def test_the_ci_example_runs(program: Program, emulate: Emulate) -> None:
    """Plan in one step, apply the digest in another, as the README shows."""
    emulator = await emulate()
    path, _ = program.ids(120)
    planned = (await program("plan", path, "--endpoint", program.url, "--json")).json
    applied = await program(
        "apply", program.place / planned["run_dir"], "--approve", planned["plan_digest"], "--json"
    )
    assert applied.code == 0
    nightly = ("--yes", "--max-deletes", 50000, "--json")
    for _ in range(2):
        ended = await program("run", path, "--endpoint", program.url, *nightly)
        assert (ended.code, ended.json["ids"]["accepted"]) == (0, 120)
    assert emulator.state.stats()["requests"] == 2, "what was sent to its end is not sent again"


def closed_accounts(program: Program) -> None:
    """Write the list and the protect list of the walk."""
    rows = [f"u-{number:04d},2026-11-01" for number in range(250)]
    program.write("users.csv", "identity,closed", *rows, "12345.0,2026-11-01", rows[7])
    program.write("vip.txt", "u-0042", "u-0100")
    program.env["CLEVERTAP_ACCOUNT_ID"] = "XXX-XXX-XXXX"


def walk(name: str) -> tuple[str, list[str]]:
    """Return a command of the walk, and the lines that the README shows of it."""
    block = re.search(
        rf"<!-- walk:{name} -->\n```text\n\$ (.*?)\n(.*?)```\n<!-- /walk -->",
        README.read_text("utf-8"),
        re.DOTALL,
    )
    assert block is not None
    return block[1], block[2].splitlines()


async def test_what_is_typed_at_the_terminal(program: Program, emulate: Emulate) -> None:
    """The dialogue of the README, but for digests, seconds and the bar's way."""
    await emulate(account_id="XXX-XXX-XXXX", latency=0.05)
    closed_accounts(program)
    words = ("users.csv", "--endpoint", program.url, "--protect", "vip.txt", "--json")
    planned = (await program("plan", *words)).json
    command, shown = walk("apply")
    applied = ("apply", planned["run_dir"])
    assert command.split()[:2] == ["bulkdelete", "apply"]
    code, seen = await at_terminal(program, "XXX-XXX-XXXX\n249\n", *applied)
    assert code == 0, seen
    digest = planned["plan_digest"].removeprefix("sha256:")
    theirs = _DIGEST.search("\n".join(shown))
    assert theirs is not None
    text = _SECONDS.sub(" took a while", seen)
    for line in shown:
        wanted = line.replace(theirs[1], digest).replace(theirs[1][:12], digest[:12])
        wanted = _SECONDS.sub(" took a while", _TYPED.sub(r"\1", wanted)).lstrip("━ ")
        assert wanted == "[…]" or wanted in text, (wanted, seen)


_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_SECONDS = re.compile(r" took [0-9.]+ s(, slots in use [0-9.]+%)?")
"""Three requests on a busy machine may leave no moment of which a share can be told."""
_TYPED = re.compile(r"^(To send this plan, type .*?: ).*")


async def test_the_walk_is_what_a_new_user_sees(program: Program) -> None:
    """Plan and apply, as the README shows them: the same words, digest and warning."""
    closed_accounts(program)
    command, lines = walk("plan")
    ended = await program(*command.split()[1:])
    assert ended.code == 0
    shown = (ended.err + ended.out).replace(f"{program.place}/", "")
    assert shown.splitlines() == lines
    apply = re.search(r"^bulkdelete (apply \S+ --approve \w+)$", README.read_text(), re.MULTILINE)
    assert apply is not None
    dry = await program(*apply[1].split(), "--dry-run")
    assert dry.code == 0, dry.err
    vip = program.write("vip.txt", "u-0042")
    changed = await program(*apply[1].split(), "--json")
    assert (changed.code, changed.json["reason"]["code"]) == (6, "protect_changed"), vip
