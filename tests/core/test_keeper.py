"""Which Redis keeps the slots: its address, its secret, and whether it can be relied on."""

import pytest

from bulkdelete.core.keeper import Keeper, Scheduler, code_word, evicts, passes, unfit


@pytest.mark.parametrize(
    ("text", "keeper", "shown"),
    [
        ("redis://h", Keeper("h"), "redis://h:6379/0"),
        ("redis://h:1/2", Keeper("h", 1, 2), "redis://h:1/2"),
        ("redis://h/", Keeper("h"), "redis://h:6379/0"),
        ("rediss://h.x", Keeper("h.x", tls=True), "rediss://h.x:6379/0"),
        ("redis://[::1]:7", Keeper("::1", 7), "redis://[::1]:7/0"),
        ("redis://:p%40w@h", Keeper("h", password="p@w"), "redis://h:6379/0"),
        ("redis://u:pw@h/3", Keeper("h", db=3, user="u", password="pw"), "redis://h:6379/3"),
        ("redis://u@h", Keeper("h", user="u"), "redis://h:6379/0"),
    ],
)
def test_addresses(text: str, keeper: Keeper, shown: str) -> None:
    """Read whole, and shown without who asks."""
    found = Keeper.parse(text)
    assert found == keeper
    assert str(found) == shown


def test_s15_the_password_shows_nowhere() -> None:
    """Not in what is printed of it, nor in its repr."""
    found = Keeper.parse("redis://me:hush-hush@h")
    assert "hush" not in f"{found} {found!r}"


@pytest.mark.parametrize(
    "text",
    [
        *("h:6379", "http://h", "redis://", "redis://h:port", "redis://h:70000", "redis://h/one"),
        *("redis://h/0?x=1", "redis://h/0#x", "redis://h/0/1", "redis://h y", "unix:///x"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    """The reason does not repeat it: it may hold a password."""
    with pytest.raises(ValueError, match=r"redis://HOST:PORT/DB is wanted"):
        Keeper.parse(text)


@pytest.mark.parametrize(
    ("info", "word"),
    [
        ({"redis_version": "7.0.15", "role": "master", "run_id": "a", "cluster_enabled": 0}, None),
        ({"redis_version": "5.0", "role": "master", "run_id": "a"}, None),
        ({"redis_version": "4.0.14"}, "too old"),
        ({}, "too old"),
        ({"redis_version": "7.0", "run_id": "a", "role": "slave"}, "replica"),
        ({"redis_version": "7.0", "run_id": "a"}, "says no role"),
        ({"redis_version": "7.0", "role": "master"}, "run_id"),
        ({"redis_version": "7.0", "role": "master", "run_id": ""}, "run_id"),
        ({"redis_version": "7.0", "cluster_enabled": 1}, "Cluster"),
    ],
)
def test_what_cannot_keep_slots(info: dict[str, object], word: str | None) -> None:
    """Too old, one that only follows another, a part of a cluster, one that says not who it is."""
    found = unfit(info)
    assert found is None if word is None else word in str(found)


@pytest.mark.parametrize(
    ("info", "policy"),
    [
        ({}, None),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 0}, None),
        ({"maxmemory_policy": "noeviction", "maxmemory": 1}, None),
        ({"maxmemory_policy": "volatile-lru", "maxmemory": 1}, None),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 1}, "allkeys-lru"),
    ],
)
def test_what_may_drop_them(info: dict[str, object], policy: str | None) -> None:
    """Only what evicts any key can hit ours, and only where memory is limited."""
    assert evicts(info) == policy


@pytest.mark.parametrize(
    ("refusal", "word", "passing"),
    [
        ("NOPERM this user has no permissions to run the 'set' command", "NOPERM", False),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL", "BUSY", True),
        ("NOREPLICAS Not enough good replicas to write.", "NOREPLICAS", True),
        ("ERR Error running script: @user_script:9: -OOM command not allowed", "OOM", True),
        ("ERR INFO says nothing", "INFO", False),
        ("The user executing the script can't run this command", "", False),
    ],
)
def test_what_a_refusal_means(refusal: str, word: str, passing: bool) -> None:
    """Memory, a replica, a script that takes long: that passes; a permission does not."""
    assert code_word(refusal) == word
    assert passes(word) is passing


def test_a_scheduler_counts_slots_of_which_there_are_some() -> None:
    """A report shows where it is; nobody who counts, or nothing to count, is none."""
    assert str(Scheduler("tcp://h:8786", 3, "id")) == "dask tcp://h:8786"
    for address, most, identity in (("", 3, "id"), ("tcp://h:8786", 0, "id"), ("tcp://h", 3, "")):
        with pytest.raises(ValueError, match="somebody counts"):
            Scheduler(address, most, identity)
