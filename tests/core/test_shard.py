"""Shards: every ID is one shard's, by a hash that is written down."""

from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core.shard import MOST_SHARDS, Shard, owner

COUNTS = st.integers(1, MOST_SHARDS)
IDS = st.text(st.characters(exclude_characters="\n"), min_size=1, max_size=40)


VECTORS = [
    ("123456789", 0xCBF43926, 1, 3, 7),
    ("user-0000001", 0x7CF46618, 0, 1, 4),
    ("ana@example.com", 0x552B0C3B, 0, 1, 3),
    ("+919800000001", 0xE8858359, 1, 3, 9),
    ("__g4f1c0d3a5b7e", 0xBFBDB009, 1, 2, 7),
    ("Zoë", 0x67AC422A, 0, 1, 4),
    ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", 0xB314A89E, 1, 2, 6),
]


@pytest.mark.parametrize("vector", VECTORS)
def test_the_vectors_of_the_page(vector: tuple[str, int, int, int, int]) -> None:
    """No machine and no version may ever give another answer; the page shows the same."""
    identifier, number, *shards = vector
    assert crc32(identifier.encode()) == number
    assert [owner(identifier, count) for count in (2, 4, 10)] == shards
    page = (Path(__file__).parents[2] / "docs" / "many-machines.md").read_text("utf-8")
    assert f"| `{identifier}` | `{number:08x}` | {' | '.join(map(str, shards))} |" in page


@given(st.lists(IDS, min_size=1, max_size=30), COUNTS)
def test_every_id_is_one_shards(ids: list[str], count: int) -> None:
    """What one looks at a batch at once says the same as the rule for one ID."""
    data = "\n".join(ids).encode("utf-8", "surrogatepass")
    owners = [owner(one, count) for one in ids]
    assert all(0 <= one < count for one in owners)
    for index in {*owners, 0, count - 1}:
        others = Shard(index, count).others(data)
        assert list(others) == [one != index for one in owners]


def test_no_ids_are_nobodys() -> None:
    """There is nothing on no line."""
    assert Shard(1, 2).others(b"") == b""


@given(COUNTS)
def test_the_ranges_meet_at_every_bound(count: int) -> None:
    """No number lies between two shards, and none in two; so no ID does."""
    top = 1 << 32
    bounds = [-(-top * index // count) for index in range(count + 1)]
    assert (bounds[0], bounds[-1]) == (0, top)
    for index in range(count):
        assert bounds[index] * count >> 32 == index
        assert (bounds[index + 1] - 1) * count >> 32 == index


LISTS = {
    "counted": [f"user-{number:08d}" for number in range(20_000)],
    "numbers": [str(number) for number in range(1_000_000, 1_020_000)],
    "mails": [f"u{number}@example.com" for number in range(20_000)],
    "phones": [f"+9198{number:08d}" for number in range(0, 2_000_000, 100)],
}
LISTS["cut by the remainder before"] = [
    one for name in ("counted", "mails") for one in LISTS[name] if not crc32(one.encode()) % 4
]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("count", [2, 3, 4, 10, 16])
def test_shards_are_about_equal(name: str, count: int) -> None:
    """Also for IDs that were counted up, and for a list that was cut up before."""
    ids = LISTS[name]
    sizes = [0] * count
    for one in ids:
        sizes[owner(one, count)] += 1
    assert max(abs(size * count / len(ids) - 1) for size in sizes) < 0.15


def test_a_shard_is_written_as_it_is_said() -> None:
    """Counted from 0, as Kubernetes does."""
    assert Shard.parse("0/4") == Shard(0, 4)
    assert str(Shard.parse("3/4")) == "3/4"
    assert str(Shard.parse("007/0008")) == "7/8"
    assert Shard(3, 8).slug == "shard-3-of-8"


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "4/4", "5/4", "0/0", "-1/4", "1/-4", "1/4/2", "1 /4", "a/4", "0/1001"),
        *("0/99999", "٣/٤", "0x1/4", "1/4\n", "/4", "1/", "0.5/4"),
    ],
)
def test_what_is_no_shard_is_refused(text: str) -> None:
    """A shard that is misread would delete nobody, or be deleted twice."""
    with pytest.raises(ValueError, match=r"wanted|allowed"):
        Shard.parse(text)
