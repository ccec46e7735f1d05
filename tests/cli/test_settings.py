"""Settings: where they come from, and what is refused before anything is planned."""

import json
from pathlib import Path
from typing import Any

import pytest

from bulkdelete.core.keeper import Keeper
from bulkdelete.errors import UsageError
from bulkdelete.settings import Credentials, credentials, duration, endpoint_host, resolve
from bulkdelete.targets.clevertap import CLEVERTAP
from tests.conftest import Emulate, Program


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://eu1.dashboard.clevertap.com/XX/segments", "https://eu1.api.clevertap.com"),
        ("https://in1.dashboard.clevertap.com", "https://in1.api.clevertap.com"),
        ("https://us1.api.clevertap.com/", "https://us1.api.clevertap.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost:1", "http://localhost:1"),
    ],
)
def test_endpoints_that_are_understood(address: str, host: str) -> None:
    """A base URL or a dashboard address becomes a base URL."""
    assert endpoint_host(CLEVERTAP, address) == host


@pytest.mark.parametrize(
    "address",
    [
        "http://us1.api.clevertap.com",
        "https://10.0.0.1",
        "https://169.254.169.254",
        "https://[fe80::1]",
        "https://user:pw@host.example",
        "https://host.example/1/delete/profiles.json",
        "https://host.example?x=1",
        "ftp://host.example",
        "https://",
        "us1",
        "http://host.example:99999",
    ],
)
def test_t5_endpoints_that_are_refused(address: str) -> None:
    """No plain http but to loopback, no private address, no path, no user."""
    with pytest.raises(UsageError):
        endpoint_host(CLEVERTAP, address)


@pytest.mark.parametrize(
    ("said", "host"),
    [
        ("eu1", "https://eu1.api.clevertap.com"),
        ("https://sg1.dashboard.clevertap.com/XX/segments", "https://sg1.api.clevertap.com"),
        ("https://dashboard.clevertap.com/XX", "https://eu1.api.clevertap.com"),
    ],
)
def test_a_region_is_named_or_pasted_from_the_dashboard(said: str, host: str) -> None:
    """What a person copies from the address bar is understood as the region."""
    assert resolve({"region": said}, {}, {}).host == host


@pytest.mark.parametrize("said", ["xx9", "https://[", "https://xx9.dashboard.clevertap.com", "EU1"])
def test_a_region_that_does_not_exist_is_refused(said: str) -> None:
    """The refusal lists the regions that there are."""
    with pytest.raises(UsageError, match="in1 us1 sg1 aps3 mec1 eu1"):
        resolve({"region": said}, {}, {})


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("24h", 86400), ("1.5h", 5400)]
)
def test_durations(text: str, seconds: float) -> None:
    """Seconds, minutes, hours, days."""
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_in_flight", "0"),
        ("max_in_flight", "-1"),
        ("max_in_flight", "1e9"),
        ("max_in_flight", "NaN"),
        ("max_in_flight", "3.5"),
        ("rate", "0"),
        ("rate", "nan"),
        ("rate", "inf"),
        ("chunk_size", "101"),
        ("max_deletes", "0"),
        ("max_deletes", ""),
        ("max_deletes", " "),
        ("timeout", "0"),
        ("max_invalid", "101"),
        ("plan_ttl", "0"),
        ("plan_ttl", "-1h"),
        ("give_up_after", "soon"),
        ("region", "eu9"),
        ("region", " "),
        ("on_ambiguous", "guess"),
        ("delimiter", "x"),
        ("leave_free", "3"),
        ("slots", "http://h"),
        ("slots", "h:6379"),
        ("slots", ""),
        ("slots_password_file", "secret"),
    ],
)
def test_g3_values_that_mean_nothing_are_refused(name: str, value: str) -> None:
    """From a flag, a variable or a profile alike: zero is not unlimited, blank is no default."""
    with pytest.raises(UsageError):
        resolve({name: value}, {}, {})
    with pytest.raises(UsageError):
        resolve({}, {f"BULKDELETE_{name.upper()}": value}, {})
    with pytest.raises(UsageError):
        resolve({}, {}, {name: value})


def test_a_protect_list_is_a_file_of_this_machine() -> None:
    """An address is refused as what it is, not looked for as a file."""
    with pytest.raises(UsageError, match="--protect: a file of this machine is wanted"):
        resolve({"protect": ("s3://bucket/vip.txt",)}, {}, {})


def test_flags_beat_the_environment_beats_the_profile() -> None:
    """The nearest word counts."""
    environment = {"BULKDELETE_MAX_ATTEMPTS": "4", "BULKDELETE_TIMEOUT": "40"}
    profile = {"max_attempts": 2, "timeout": 20, "grace": 2}
    found = resolve({"max_attempts": "6"}, environment, profile)
    assert (found.max_attempts, found.timeout, found.grace) == (6, 40.0, 2.0)


def test_s15_the_password_of_the_slots_shows_nowhere(tmp_path: Path) -> None:
    """From a variable or a private file; never on a command line, nor in what is shown."""
    secret = tmp_path / "secret"
    secret.write_text("hush-hush\n")
    secret.chmod(0o600)
    url, variable = "redis://h:7/1", {"BULKDELETE_SLOTS_PASSWORD": "hush-hush"}
    every = [
        resolve({}, {"BULKDELETE_SLOTS": "redis://:hush-hush@h:7/1"}, {}),
        resolve({"slots": url}, variable, {}),
        resolve({"slots": url, "slots_password_file": str(secret)}, {}, {}),
        resolve({}, variable, {"slots": url}),
    ]
    for found in every:
        assert isinstance(found.slots, Keeper)
        assert found.slots.password == "hush-hush"
        assert "hush" not in f"{found!r} {found.shown()}"
        assert found.shown()["slots"] == url
    with pytest.raises(UsageError, match="all on this machine can read") as caught:
        resolve({"slots": "redis://:hush-hush@h"}, {}, {})
    assert "hush" not in f"{caught.value} {caught.value.hint}"
    with pytest.raises(UsageError) as caught:
        resolve({"slots": "redis://:hush-hush@h/x"}, {}, {})
    assert "hush" not in f"{caught.value} {caught.value.hint}"
    secret.chmod(0o644)
    with pytest.raises(UsageError, match="slots' password"):
        resolve({"slots": url, "slots_password_file": str(secret)}, {}, {})


def test_s15_a_variable_may_add_who_asks_for_the_slots() -> None:
    """The same Redis is no other place because the file holds no password."""
    variable = {"BULKDELETE_SLOTS": "redis://us:hush-hush@h:6379/1"}
    slots = resolve({}, variable, {"slots": "redis://h/1"}).slots
    assert isinstance(slots, Keeper)
    assert (slots.user, slots.password) == ("us", "hush-hush")
    with pytest.raises(UsageError, match="contradicts"):
        resolve({}, variable, {"slots": "redis://h/2"})


def test_slots_that_two_places_keep_are_refused() -> None:
    """Whoever asks another Redis would not be counted."""
    with pytest.raises(UsageError, match="contradicts"):
        resolve({}, {"BULKDELETE_SLOTS": "redis://a"}, {"slots": "redis://b"})


def test_s13_a_request_may_not_outlive_its_lease() -> None:
    """A longer timeout is refused where slots are leased."""
    assert resolve({"slots": "redis://h", "timeout": "60"}, {}, {}).timeout == 60
    with pytest.raises(UsageError, match="60 s at most") as caught:
        resolve({"slots": "redis://h", "timeout": "60.1"}, {}, {})
    assert caught.value.code == "slots_timeout"


@pytest.mark.parametrize("name", ["YES", "APPROVE", "RENEW", "AGAIN", "ABANDON", "MAX_DELETE"])
def test_h4_what_only_a_flag_says_is_refused_elsewhere(name: str) -> None:
    """Approval by a forgotten variable is no approval; a mistyped guard is no guard."""
    with pytest.raises(UsageError) as caught:
        resolve({}, {f"BULKDELETE_{name}": "1"}, {})
    assert name in str(caught.value)


def test_an_endpoint_outside_the_table_is_a_flag() -> None:
    """From the environment only hosts of the region table are taken."""
    with pytest.raises(UsageError):
        resolve({}, {"BULKDELETE_ENDPOINT": "https://elsewhere.example"}, {})
    found = resolve({"endpoint": "https://elsewhere.example"}, {}, {})
    assert found.host == "https://elsewhere.example"


async def test_profiles_of_the_config_file(program: Program) -> None:
    """A profile names the account's place; unknown keys, unknown profiles and yes are refused."""
    path, _ = program.ids(10)
    config = program.place / "bulkdelete.toml"
    config.write_text('[profiles.default]\nregion = "eu1"\n[profiles.x]\nregion = "us1"\n')
    assert (await program("plan", path)).code == 0
    plans = sorted((program.place / "bulkdelete-runs").glob("*/plan.json"))
    assert json.loads(plans[0].read_text())["bound"]["host"] == "https://eu1.api.clevertap.com"
    other = await program("plan", path, "--profile", "x", "--run-dir", "elsewhere")
    assert other.code == 0
    bound = json.loads((program.place / "elsewhere" / "plan.json").read_text())["bound"]
    assert bound["host"] == "https://us1.api.clevertap.com"
    assert (await program("plan", path, "--profile", "nobody")).code == 2
    for line in ("yes = true", "passcode = 'x'", "endpoint = 'https://e.example'", "colour = 1"):
        config.write_text(f"[profiles.default]\n{line}\n")
        assert (await program("plan", path)).code == 2, line


async def test_g2_a_passcode_file_must_be_private(program: Program, emulate: Emulate) -> None:
    """0644 or a link is exit 2; 0600 is read, with one line feed stripped."""
    await emulate()
    path, _ = program.ids(10)
    secret = program.write("pass.txt", program.environment()["CLEVERTAP_PASSCODE"])
    program.env["CLEVERTAP_PASSCODE"] = "wrong"
    secret.chmod(0o644)
    assert (await program.run(path, "--passcode-file", secret)).code == 2
    secret.chmod(0o600)
    link = program.place / "link.txt"
    link.symlink_to(secret)
    assert (await program.run(path, "--passcode-file", link)).code == 2
    assert (await program.run(path, "--passcode-file", secret)).code == 0


@pytest.mark.parametrize("passcode", ["", " ", "a b", "a\nb", "pässcode"])
async def test_g1_impossible_passcodes_are_refused(
    program: Program, emulate: Emulate, passcode: str
) -> None:
    """Blank, spaces, newlines, non-ASCII: exit 2 before planning, and not echoed."""
    emulator = await emulate()
    path, _ = program.ids(10)
    program.env["CLEVERTAP_PASSCODE"] = passcode
    ended = await program.run(path)
    assert ended.code == 2
    assert emulator.state.stats()["requests"] == 0


async def test_doctor_never_deletes(program: Program, emulate: Emulate) -> None:
    """Well: 0. Wrong passcode: 5. Nobody there: 75. Never a delete request."""
    emulator = await emulate()
    well = await program("doctor", "--endpoint", program.url, "--json")
    assert (well.code, well.json["exit_code"]) == (0, 0), well.err
    program.env["CLEVERTAP_PASSCODE"] = "wrong"
    assert (await program("doctor", "--endpoint", program.url)).code == 5
    assert (await program("doctor", "--endpoint", "http://127.0.0.1:9")).code == 75
    assert (await program("doctor", "--json")).code == 2
    stats = emulator.state.stats()
    assert (stats["requests"], stats["profile_reads"]) == (0, 2)


async def test_emulator_credentials_stay_at_home(program: Program) -> None:
    """The emulator's account against a real host is exit 2."""
    path, _ = program.ids(10)
    program.env["CLEVERTAP_ACCOUNT_ID"] = "EMULATOR"
    ended = await program("run", path, "--region", "eu1", "--yes", "--max-deletes", 10, "--json")
    assert (ended.code, ended.json["reason"]["code"]) == (2, "emulator_credentials")


@pytest.mark.parametrize(
    ("name", "loose", "tight"),
    [("max_invalid", 1.1, 0.5), ("max_failures", 6, 1), ("plan_ttl", "25h", "1h")],
)
def test_h4_a_file_may_tighten_a_guard_and_never_loosen_it(
    name: str, loose: object, tight: object
) -> None:
    """Above the default it is refused; below it counts, and no variable raises it again."""
    with pytest.raises(UsageError) as caught:
        resolve({}, {}, {name: loose})
    assert caught.value.code == "loosens"
    strict = getattr(resolve({}, {}, {name: tight}), name)
    assert strict < getattr(resolve({}, {}, {}), name)
    variable = f"BULKDELETE_{name.upper()}"
    with pytest.raises(UsageError) as caught:
        resolve({}, {variable: str(loose)}, {name: tight})
    assert caught.value.code == "loosens"
    assert variable in str(caught.value)
    assert getattr(resolve({}, {variable: str(tight)}, {name: tight}), name) == strict
    assert getattr(resolve({name: str(loose)}, {}, {name: tight}), name) > strict


def test_h4_a_variable_does_not_raise_the_ceiling_of_a_profile() -> None:
    """What only a profile has no default for is its ceiling all the same; a flag may say more."""
    with pytest.raises(UsageError) as caught:
        resolve({}, {"BULKDELETE_MAX_DELETES": "60000"}, {"max_deletes": 50000})
    assert caught.value.code == "loosens"
    lower = resolve({}, {"BULKDELETE_MAX_DELETES": "40000"}, {"max_deletes": 50000})
    assert lower.max_deletes == 40000
    assert resolve({"max_deletes": "60000"}, {}, {"max_deletes": 50000}).max_deletes == 60000


@pytest.mark.parametrize(
    ("variable", "value", "name", "said"),
    [
        ("CLEVERTAP_ACCOUNT_ID", "PROD", "account_id", "STAGING"),
        ("BULKDELETE_REGION", "us1", "region", "eu1"),
    ],
)
def test_g4_a_forgotten_variable_does_not_mix_two_profiles(
    variable: str, value: str, name: str, said: str
) -> None:
    """The account of one place with the region of another: refused, naming the variable."""
    with pytest.raises(UsageError) as caught:
        resolve({}, {variable: value}, {name: said})
    assert caught.value.code == "two_places"
    assert variable in str(caught.value)
    resolve({}, {variable: said}, {name: said})
    resolve({name: value}, {}, {name: said})


@pytest.mark.parametrize("name", ["ENVIRONMENT", "SIGNERS", "SIGNATURES", "EXPORTED_AT"])
def test_h4_what_only_a_profile_or_a_flag_says(name: str) -> None:
    """No variable makes production out of staging, or an old list young."""
    with pytest.raises(UsageError) as caught:
        resolve({}, {f"BULKDELETE_{name}": "1"}, {})
    assert caught.value.code == "unknown_variable"
    with pytest.raises(UsageError):
        resolve({}, {}, {"exported_at": "2026-01-01"})
    with pytest.raises(UsageError):
        resolve({}, {}, {"signatures": 1})


async def test_h4_production_is_seen_and_asks_more(program: Program, emulate: Emulate) -> None:
    """The mark is in the plan and bound; `--yes` needs the exact count there, with or without."""
    emulator = await emulate()
    path, _ = program.ids(120)
    config = program.place / "bulkdelete.toml"
    config.write_text('[profiles.default]\nenvironment = "production"\n')
    few = await program.run(path)
    assert (few.code, few.json["reason"]["code"]) == (2, "production_needs_count")
    planned = await program("plan", path, "--endpoint", program.url, "--json")
    assert "(PRODUCTION)" in planned.err
    config.unlink()
    run_dir = program.place / planned.json["run_dir"]
    forgotten = await program("apply", run_dir, "--yes", "--max-deletes", 999, "--json")
    assert (forgotten.code, forgotten.json["reason"]["code"]) == (4, "production_needs_count")
    config.write_text('[profiles.default]\nenvironment = "staging"\n')
    other = await program("apply", run_dir, "--approve", planned.json["plan_digest"], "--json")
    assert (other.code, other.json["reason"]["code"]) == (6, "other_environment")
    assert emulator.state.stats()["requests"] == 0
    config.write_text('[profiles.default]\nenvironment = "production"\n')
    assert (await program.run(path, "--expect-count", 120)).code == 0


# --- another target ---


@pytest.mark.parametrize(
    ("flags", "environment", "profile"),
    [
        ({"target": "braze"}, {}, {}),
        ({}, {"BULKDELETE_TARGET": "braze"}, {}),
        ({}, {}, {"target": "braze"}),
        ({"target": "braze"}, {"BULKDELETE_TARGET": "clevertap"}, {}),
    ],
)
def test_a_target_brings_its_own(
    flags: dict[str, Any], environment: dict[str, str], profile: dict[str, Any]
) -> None:
    """Its regions, names, limits and variables; those of CleverTap mean nothing there."""
    who = {"BRAZE_WORKSPACE": "ours", "CLEVERTAP_ACCOUNT_ID": "theirs"}
    said = flags | {"region": "eu-01", "id_type": "braze_id"}
    found = resolve(said, environment | who, profile)
    assert (found.target.name, found.account) == ("braze", "ours")
    assert found.host == "https://rest.fra-01.braze.eu"
    assert found.reading.id_type == "guid"
    assert dict(found.reading.names).keys() == {"identity", "guid", "externalid", "brazeid"}
    assert (found.chunk_size, found.max_in_flight) == (50, 10)
    assert found.rate == pytest.approx(19_900 / 60)
    secret = {"BRAZE_API_KEY": "k", "CLEVERTAP_PASSCODE": "p"}
    assert credentials(found, secret) == Credentials("ours", "k")
    assert secret == {"CLEVERTAP_PASSCODE": "p"}
    with pytest.raises(UsageError, match="no passcode") as caught:
        credentials(found, {"CLEVERTAP_PASSCODE": "p"})
    assert "BRAZE_API_KEY" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("rate", "334", "0.001 to 331.667 is allowed"),
        ("chunk_size", "51", "1 to 50 is allowed"),
        ("id_type", "user_id", "one of identity, guid, external_id, braze_id is wanted"),
        ("region", "eu1", "there is no such region"),
        ("endpoint", "https://eu1.dashboard.clevertap.com", "outside the region table"),
    ],
)
def test_g2_beyond_what_a_target_takes(name: str, value: str, complaint: str) -> None:
    """Its limits may be lowered, not raised; its words are the only ones."""
    resolve({"target": "braze", "rate": "331", "chunk_size": "50"}, {}, {})
    where: tuple[dict[str, Any], dict[str, Any]] = ({name: value}, {})
    if name == "endpoint":
        where = ({}, {name: value})
    with pytest.raises(UsageError, match=complaint):
        resolve({"target": "braze"} | where[0], {}, where[1])


def test_the_target_of_a_plan_is_taken_where_none_is_said() -> None:
    """And one that is said is not overruled: a plan for another is refused later."""
    assert resolve({}, {}, {}, "amplitude").target.name == "amplitude"
    assert resolve({"target": "braze"}, {}, {}, "amplitude").target.name == "braze"
    assert resolve({}, {}, {}).target.name == "clevertap"
    with pytest.raises(UsageError, match="there is no target"):
        resolve({"target": "Braze"}, {}, {})
    with pytest.raises(UsageError, match="contradicts"):
        resolve({}, {"BULKDELETE_TARGET": "braze"}, {"target": "amplitude"})


@pytest.mark.parametrize("value", [1, True, [1], [["true"]], {"url": "x"}])
def test_what_is_no_text_names_no_one_to_notify(value: object) -> None:
    """A number, in TOML or in Python, is refused by name."""
    with pytest.raises(UsageError, match=r"notify in bulkdelete\.toml: text is wanted"):
        resolve({}, {}, {"notify": value})
