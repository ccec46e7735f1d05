"""Public mass-change accidents, replayed: each is stopped before its first request.

Where only the server can tell, it is stopped at the canary. What happened is in the table of
docs/accidents.md; the guard that each would have met is what is tested here.
"""

import asyncio
import os
import re
import time
from pathlib import Path
from typing import Any

from tests.conftest import Emulate, Ended, Program, times_acted

DOCS = Path(__file__).parents[2] / "docs"


def refused(ended: Ended) -> tuple[int, Any]:
    """Return exit code and reason of a command that refused."""
    return ended.code, ended.json["reason"]["code"]


def requests(emulator: Any) -> int:  # noqa: ANN401 - a running emulator
    """Return how many delete requests the server saw."""
    count: int = emulator.state.stats()["requests"]
    return count


def test_each_accident_of_the_page_is_replayed() -> None:
    """docs/accidents.md and these tests name the same accidents."""
    page = (DOCS / "accidents.md").read_text("utf-8")
    told = set(re.findall(r"`(test_accident_\w+)`", page))
    assert told == {name for name in globals() if name.startswith("test_accident_")}


async def test_accident_atlassian_2022_ids_of_the_other_kind(
    program: Program, emulate: Emulate
) -> None:
    """The API took both kinds of ID, and the list was of the other kind."""
    emulator = await emulate()
    guids = [f"{n:08x}{'5e' * 12}" for n in range(883)]
    path = program.write("list.csv", "site", *guids)
    assert refused(await program.run(path)) == (2, "id_type_needed")
    assert refused(await program.run(path, "--id-type", "identity")) == (4, "damage")
    named = program.write("named.csv", "guid", *guids)
    against = await program.run(named, "--id-type", "identity")
    assert refused(against) == (2, "kind_against_header")
    both = program.write("both.csv", "identity,guid", *(f"u-{n},{g}" for n, g in enumerate(guids)))
    assert refused(await program.run(both)) == (2, "which_column")
    assert requests(emulator) == 0


async def test_accident_atlassian_2022_where_only_the_server_can_tell(
    program: Program, emulate: Emulate
) -> None:
    """A list that nobody can tell from a right one is stopped at its canary: 100 IDs of 88,300."""
    path, ids = program.ids(88_300)
    emulator = await emulate(refuse_ids=frozenset(ids))
    assert refused(await program.run(path)) == (4, "canary")
    assert requests(emulator) <= 16
    assert times_acted(emulator) == {}


async def test_accident_gitlab_2017_the_right_command_at_the_wrong_host(
    program: Program, emulate: Emulate
) -> None:
    """Staging was meant, production was logged in: account and host are pinned in the plan."""
    production = await emulate()
    production_url = program.url
    staging = await emulate()
    path, _ = program.ids(300)
    planned = await program("plan", path, "--endpoint", program.url, "--json")
    apply = ("apply", program.run_dir(), "--approve", planned.json["plan_digest"], "--json")
    assert refused(await program(*apply, "--endpoint", production_url)) == (6, "other_host")
    program.env["CLEVERTAP_ACCOUNT_ID"] = "PROD-ACCOUNT"
    assert refused(await program(*apply)) == (6, "other_account")
    profile = '[profiles.default]\naccount-id = "TEST-ACCT"\nenvironment = "staging"\n'
    (program.place / "bulkdelete.toml").write_text(profile)
    mixed = await program("plan", path, "--endpoint", program.url, "--json")
    assert refused(mixed) == (2, "two_places")
    assert requests(production) == requests(staging) == 0


async def test_accident_unisuper_2024_a_blank_parameter(program: Program, emulate: Emulate) -> None:
    """Left blank, it must not become a default: neither by flag, by variable nor by file."""
    emulator = await emulate()
    path, _ = program.ids(300)
    for flag in ("--max-deletes", "--protect", "--expect-count", "--plan-ttl", "--max-percent"):
        ended = await program("run", path, "--endpoint", program.url, flag, "", "--json")
        assert refused(ended) == (2, "blank"), flag
    for name in ("BULKDELETE_MAX_DELETES", "BULKDELETE_PROTECT", "CLEVERTAP_ACCOUNT_ID"):
        program.env[name] = ""
        assert refused(await program.run(path)) == (2, "blank"), name
        del program.env[name]
    config = program.place / "bulkdelete.toml"
    config.write_text('[profiles.default]\nregion = ""\n')
    assert refused(await program("run", path, "--json")) == (2, "blank")
    config.unlink()
    nowhere = await program("run", path, "--yes", "--max-deletes", 999, "--json")
    assert refused(nowhere) == (2, "region_missing")
    assert requests(emulator) == 0


async def test_accident_diskerase_empty_did_not_mean_everything(
    program: Program, emulate: Emulate
) -> None:
    """Started again after success, and with an empty set: nothing is left, so nothing is sent."""
    emulator = await emulate()
    path, ids = program.ids(300)
    assert (await program.run(path)).code == 0
    before = requests(emulator)
    for _ in range(3):
        again = await program.run(path)
        assert (again.code, again.json["reason"]["code"]) == (0, "already_finished")
    program.write("empty.csv", "identity")
    (program.place / "nothing.csv").write_bytes(b"")
    program.write("protect.txt", *ids)
    for name, flags in (("empty.csv", ()), ("nothing.csv", ("--id-type", "identity")),
                        ("list.csv", ("--protect", "protect.txt", "--again"))):  # fmt: skip
        assert (await program.run(name, *flags)).code == 0, name
    star = program.write("star.csv", "identity", "*")
    assert (await program.run(star)).code == 2
    assert requests(emulator) == before


async def test_accident_google_music_2012_a_stale_copy(program: Program, emulate: Emulate) -> None:
    """The copy was old, and users had come back since: the age of list and approval is limited."""
    emulator = await emulate()
    path, ids = program.ids(300)
    month = time.time() - 30 * 86400
    os.utime(path, (month, month))
    assert refused(await program.run(path, "--max-list-age", "7d")) == (4, "list_age")
    program.write("seen.csv", "identity,seen", *(f"{one},2026-01-02" for one in ids))
    back = await program.run("seen.csv", "--last-seen", "seen", "--exported-at", "2026-01-01")
    assert (back.code, back.json["ids"]["protected"]) == (0, 300)
    assert requests(emulator) == 0
    assert (await program.run(path, "--plan-ttl", "1s", "--hold-after", 100)).code == 75
    sent = requests(emulator)
    await asyncio.sleep(1.1)
    assert refused(await program.run(path)) == (4, "expired")
    assert requests(emulator) == sent == 1


async def test_accident_azure_devops_2023_the_other_deletion(
    program: Program, emulate: Emulate
) -> None:
    """A call that deletes something larger cannot be made: one path, one host, no redirect."""
    emulator = await emulate(script=("307",) * 9)
    path, _ = program.ids(300)
    for address in (f"{program.url}/1/delete/servers.json", f"{program.url}?all=1"):
        ended = await program("run", path, "--endpoint", address, "--json")
        assert refused(ended) == (2, "endpoint")
    assert requests(emulator) == 0
    assert refused(await program.run(path)) == (5, "redirect")
    assert requests(emulator) == 1
    assert times_acted(emulator) == {}


async def test_accident_kpmg_2020_the_whole_tenant(program: Program, emulate: Emulate) -> None:
    """One account was meant, and the policy hit all: count, share and four eyes."""
    emulator = await emulate()
    path, _ = program.ids(14_500)
    assert refused(await program.run(path, "--expect-count", 1)) == (4, "expect_count")
    share = ("--max-percent", 1, "--population", 145_000)
    assert refused(await program.run(path, *share)) == (4, "max_percent")
    program.write("allowed_signers")
    (program.place / "bulkdelete.toml").write_text(
        '[profiles.default]\nsigners = "allowed_signers"\n'
    )
    assert refused(await program.run(path)) == (4, "signatures_missing")
    assert requests(emulator) == 0


async def test_accident_kyoto_2021_overwritten_while_it_ran(
    program: Program, emulate: Emulate
) -> None:
    """Script replaced under the running job, variable undefined: what changed stops it."""
    emulator = await emulate(latency=0.05)
    ids = [f"user-{n:06d}-{'x' * 500}" for n in range(10_000)]  # far more than is read ahead
    path = program.write("list.csv", "identity", *ids)
    undefined = await program("run", path, "--endpoint", program.url, "--protect", "", "--json")
    assert refused(undefined) == (2, "blank")
    assert requests(emulator) == 0
    process = await program.start(*program.sending("run", path, "--json"))
    async with asyncio.timeout(60):
        while requests(emulator) < 3:
            await asyncio.sleep(0.02)
    others = "".join(one.replace("user", "else") + "\n" for one in ids)
    with path.open("r+", encoding="utf-8") as file:
        file.write("identity\n" + others)
    async with asyncio.timeout(60):
        await process.wait()
    assert process.returncode == 6
    assert set(times_acted(emulator)) <= set(ids)


async def test_accident_aws_s3_2017_one_input_too_large(program: Program, emulate: Emulate) -> None:
    """A mistyped number took far more than was meant: a ceiling, and none that means unlimited."""
    emulator = await emulate()
    path, _ = program.ids(5000)
    where = ("run", path, "--endpoint", program.url, "--json", "--yes")
    assert refused(await program(*where, "--max-deletes", 500)) == (4, "max_deletes")
    assert refused(await program(*where, "--max-deletes", 0)) == (2, "bad_value")
    assert refused(await program(*where)) == (2, "yes_needs_max_deletes")
    assert requests(emulator) == 0


async def test_accident_cloudflare_2025_the_product_instead_of_the_bucket(
    program: Program, emulate: Emulate
) -> None:
    """What must stay is on a list that is always on, whoever forgets the flag."""
    emulator = await emulate()
    path, ids = program.ids(300)
    program.write("keep.txt", *ids[:150])
    config = program.place / "bulkdelete.toml"
    config.write_text('[profiles.default]\nprotect = ["keep.txt"]\n')
    ended = await program.run(path)
    assert (ended.code, ended.json["ids"]["protected"]) == (0, 150)
    assert set(times_acted(emulator)) == set(ids[150:])
    before = requests(emulator)
    (program.place / "keep.txt").unlink()
    assert (await program.run(path, "--again")).code == 2
    program.write("keep.txt")
    assert refused(await program.run(path, "--again")) == (2, "protect_empty")
    assert requests(emulator) == before


async def test_accident_dynamodb_2025_a_stale_plan_after_its_check(
    program: Program, emulate: Emulate
) -> None:
    """The check was passed, then it took too long: the time to live counts at every chunk."""
    emulator = await emulate(latency=0.3)
    path, ids = program.ids(20_000)
    ended = await program.run(path, "--plan-ttl", "2s")
    assert refused(ended) == (4, "expired")
    assert 0 < len(times_acted(emulator)) < len(ids)
    assert max(times_acted(emulator).values()) == 1


async def test_accident_facebook_2021_the_guard_had_a_bug(
    program: Program, emulate: Emulate
) -> None:
    """A guard that breaks is a refusal, never a yes."""
    emulator = await emulate()
    path, _ = program.ids(300)
    broken = program.place / "broken"
    broken.mkdir()
    program.env["PYTHONPATH"] = f"{broken}:{Path(__file__).parents[2]}"
    for guard in ("check_size", "check_invalid", "check_damage", "check_percent", "check_age"):
        (broken / "sitecustomize.py").write_text(
            "from bulkdelete.core import guards\n"
            "def broken(*a, **k): raise ZeroDivisionError\n"
            f"guards.{guard} = broken\n"
        )
        ended = await program.run(path)
        assert refused(ended) == (1, "bug"), guard
        assert "ZeroDivisionError" in ended.err
    assert requests(emulator) == 0
