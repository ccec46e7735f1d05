"""A snapshot and the rest of the log say what the whole log says, or the snapshot is not believed.

The whole log, read line by line, is the oracle of all of it.
"""

import hashlib
import io
from itertools import accumulate
from random import Random

import google_crc32c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkdelete.core import checkpoint as log
from bulkdelete.core import prefix
from bulkdelete.core.prefix import Block, Place, Sums, unaltered
from bulkdelete.core.progress import Progress
from bulkdelete.core.snapshot import OtherVersionError, Snapshot, decode
from bulkdelete.errors import IntegrityError
from tests.core.test_progress import CHOICES, SIZES, Naive, seal, start, stop

TOOL = "1.2.3"
Loaded = tuple[Progress, bytes, int, bytes]


def grouped(records: list[log.Record], dice: Random) -> list[list[log.Record]]:
    """Cut a history into commit groups."""
    groups: list[list[log.Record]] = [records[:1]]
    rest = records[1:]
    while rest:
        size = dice.randint(1, 4)
        groups.append(rest[:size])
        rest = rest[size:]
    return groups


def written(groups: list[list[log.Record]], chunks: int) -> tuple[list[bytes], list[bytes]]:
    """Write a log; return its groups, and the text of a snapshot after each of them."""
    writer, progress = log.Writer(), Progress(chunks)
    parts, kept = [], []
    for group in groups:
        parts.append(writer.group(group))
        progress.replay(group)
        kept.append(Snapshot.take(progress, writer.place(), TOOL).encode())
    return parts, kept


def read(data: bytes, progress: Progress, reader: log.Reader) -> Loaded | str:
    """Read the rest of a log; return all that one goes by who read it, or why it is refused."""
    try:
        progress.replay(reader.read(io.BytesIO(data[reader.size :])))
    except IntegrityError as error:
        return error.code
    next_group = reader.writer().group([log.Abandon(at=0.0)])
    return progress, next_group, reader.torn, reader.tail


def recalled(text: bytes, data: bytes) -> tuple[Progress, log.Reader] | None:
    """Go on from a snapshot, where it is of this log."""
    found = decode(text, TOOL)
    place = found.place
    if not unaltered(place.blocks, lambda size, at: data[at : at + size]):
        return None
    return found.progress(), log.Reader(place, data[place.size - place.tail : place.size])


@given(SIZES, CHOICES, st.integers(0, 99))
@settings(max_examples=40)
def test_a_snapshot_and_the_rest_say_what_the_whole_log_says(
    sizes: list[int], choices: list[tuple[int, int]], seed: int
) -> None:
    """Taken after any group, for the log at any later group, and with a torn one behind it."""
    naive, dice, block = Naive(sizes), Random(seed), prefix.BLOCK
    for choice, detail in choices:
        naive.step(choice, detail)
    naive.records += [log.Setting(name="paused", value="yes", at=90.0), stop(91.0), start(92.0)]
    naive.records += [seal(93.0), log.Shred(at=94.0), log.Abandon(at=95.0)]
    groups = grouped(naive.records, dice)
    prefix.BLOCK = dice.choice((512, 2048, block))
    try:
        parts, kept = written(groups, len(sizes))
        data, ends = b"".join(parts), list(accumulate(map(len, parts)))
        for number in range(len(parts)):
            for end in dice.sample(range(number, len(parts)), min(3, len(parts) - number)):
                now = data[: ends[end] + dice.choice((0, 0, 100))]
                known = recalled(kept[number], now)
                assert known is not None
                assert known[1].began == ends[number]
                whole = read(now, Progress(len(sizes)), log.Reader())
                assert read(now, *known) == whole
    finally:
        prefix.BLOCK = block


def story() -> tuple[bytes, list[int], list[bytes]]:
    """Return a log, the ends of its groups, and a snapshot after each."""
    naive, dice = Naive([3, 2, 4]), Random(5)
    for _ in range(60):
        naive.step(dice.randrange(10**4), dice.randrange(10**4))
    parts, kept = written(grouped(naive.records, dice), 3)
    return b"".join(parts), list(accumulate(map(len, parts))), kept


def test_d9_an_altered_log_reads_as_if_there_were_no_snapshot() -> None:
    """A bit flipped before its place or after it: refused, or torn, as without."""
    data, ends, kept = story()
    number = len(ends) // 2
    passed_over = used = 0
    for at in range(0, len(data), 37):
        altered = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        known = recalled(kept[number], altered)
        assert (known is None) == (at < ends[number])
        if known is None:
            passed_over += 1
        else:
            used += 1
            assert read(altered, *known) == read(altered, Progress(3), log.Reader())
    assert passed_over > 100
    assert used > 100


def test_d7_d10_a_log_that_was_cut_reads_as_if_there_were_no_snapshot() -> None:
    """A snapshot of more than there is is passed over; what is there decides."""
    data, ends, kept = story()
    for number in range(0, len(ends), 3):
        for cut in (ends[number] - 1, ends[number] - 512, 0):
            assert recalled(kept[number], data[:cut]) is None


def test_later_records_change_nothing_in_a_snapshot() -> None:
    """It is a copy: its text may be made while the run goes on."""
    naive, dice = Naive([3, 2, 4]), Random(5)
    writer, progress = log.Writer(), Progress(3)
    records: list[log.Record] = []
    taken = []
    for _ in range(40):
        naive.step(dice.randrange(10**4), dice.randrange(10**4))
        for record in naive.records[len(records) :]:
            writer.group([record])
            progress.apply(record)
            records.append(record)
            taken.append((Snapshot.take(progress, writer.place(), TOOL), len(records)))
    for one, count in taken:
        assert one.progress() == Progress(3).replay(records[:count])


def test_an_altered_snapshot_is_not_believed() -> None:
    """Any byte of it, any cut, any addition."""
    text = story()[2][-1]
    assert decode(text, TOOL).encode() == text
    for at in range(len(text)):
        altered = text[:at] + bytes([text[at] ^ 1 << at % 8]) + text[at + 1 :]
        with pytest.raises(ValueError, match="altered"):
            decode(altered, TOOL)
        with pytest.raises(ValueError, match="altered"):
            decode(text[:at], TOOL)
    with pytest.raises(ValueError, match="altered"):
        decode(text + b"\n", TOOL)


def sealed(text: bytes) -> bytes:
    """Give a text the checksum that it needs."""
    return b"%b\n%b\n" % (text, hashlib.sha256(text).hexdigest().encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"format":3', b'{"format":1'),
        (b'"states":"', b'"states":"AAAA'),
        (b',"states"', b'0,"states"'),  # ten times as many chunks as it tells of
        (b'"place"', b'"spot"'),
    ],
)
def test_c5_a_snapshot_of_another_version_is_not_believed(old: bytes, new: bytes) -> None:
    """Nor one that another version of the program made, which may have counted otherwise."""
    text = story()[2][-1]
    with pytest.raises(OtherVersionError):
        decode(text, "1.2.4")
    body = text.split(b"\n", 1)[0]
    assert body.count(old) == 1
    with pytest.raises(OtherVersionError):
        decode(sealed(body.replace(old, new)), TOOL)
    assert decode(sealed(body), TOOL).encode() == text


@given(st.lists(st.integers(1, 900), max_size=40), st.integers(1, 2000), st.integers(0, 10**6))
def test_blocks_cover_all_that_was_fed(sizes: list[int], block: int, seed: int) -> None:
    """Without a gap; and a byte that is another anywhere shows."""
    dice, kept = Random(seed), prefix.BLOCK
    prefix.BLOCK = block
    try:
        sums, data = Sums(), b""
        for size in sizes:
            fresh = dice.randbytes(size)
            crc = google_crc32c.extend(sums.crc, fresh)
            data += fresh
            sums = sums.grown(len(data), crc)
    finally:
        prefix.BLOCK = kept
    blocks = sums.blocks()
    assert [one.at for one in blocks] == [0, *accumulate(one.size for one in blocks)][:-1]
    assert sum(one.size for one in blocks) == len(data)
    assert unaltered(blocks, lambda size, at: data[at : at + size])
    if data:
        at = dice.randrange(len(data))
        other = data[:at] + bytes([data[at] ^ 8]) + data[at + 1 :]
        assert not unaltered(blocks, lambda size, at: other[at : at + size])


def test_the_checksums_go_on_at_a_place() -> None:
    """As if all before were one block."""
    place = Place(size=7, tail=7, seq=1, group=1, head="h", blocks=(Block(0, 7, 9),))
    assert place.sums().blocks() == (Block(0, 7, 9),)
    assert place.sums().grown(9, 5).blocks() == (Block(0, 7, 9), Block(7, 2, 5))
