"""The log: read as it was written, torn only at its end, and otherwise whole or refused."""

import hashlib
import io
from itertools import accumulate

import google_crc32c
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core import checkpoint as log
from bulkdelete.core.model import Span
from bulkdelete.errors import IntegrityError

HEADER = log.Header(
    format=1,
    tool="0.1.0",
    run="list-c0ffee",
    plan="sha256:00",
    plan_file="11",
    host="https://eu1.api.clevertap.com",
    account="22",
    chunks=9,
    at=1.0,
)
NUMBERS = st.integers(0, 10**6)
TIMES = st.floats(0, 1e10)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SPANNED = {
    "chunk": NUMBERS,
    "lo": st.integers(0, 49),
    "hi": st.integers(50, 100),
    "at": TIMES,
}
RECORDS: st.SearchStrategy[log.Record] = st.one_of(
    st.just(HEADER),
    st.builds(
        log.Approval,
        how=TEXTS,
        who=TEXTS,
        ids=NUMBERS,
        at=TIMES,
        expires=TIMES,
        renewed=st.booleans(),
    ),
    st.builds(
        log.Start,
        at=TIMES,
        pid=NUMBERS,
        machine=TEXTS,
        in_flight=NUMBERS,
        todo=NUMBERS,
        torn=NUMBERS,
    ),
    st.builds(log.Setting, name=TEXTS, value=TEXTS),
    st.builds(log.Intent, attempt=NUMBERS, digest=TEXTS, **SPANNED),
    st.builds(
        log.Outcome,
        attempt=NUMBERS,
        verdict=TEXTS,
        reason=TEXTS,
        status=NUMBERS,
        body=TEXTS,
        ms=TIMES,
        bad=st.lists(NUMBERS, max_size=3).map(tuple),
        **SPANNED,
    ),
    st.builds(log.Split, **SPANNED),
    st.builds(
        log.Stop,
        at=TIMES,
        code=TEXTS,
        exit=NUMBERS,
        message=TEXTS,
        hint=TEXTS,
        utilisation=TIMES,
    ),
    st.builds(
        log.Seal,
        at=TIMES,
        exit=NUMBERS,
        ids=st.dictionaries(TEXTS, NUMBERS, max_size=2),
        head=TEXTS,
        utilisation=TIMES,
    ),
    st.builds(log.Abandon, at=TIMES),
)
GROUPS = st.lists(st.lists(RECORDS, min_size=1, max_size=4), max_size=6)


def cut(data: bytes) -> list[bytes]:
    """Return the lines of a file, as the program reads them."""
    return list(io.BytesIO(data))


def read(data: bytes) -> tuple[list[log.Record], log.Reader]:
    """Read a log to its end."""
    reader = log.Reader()
    records = list(reader.read(cut(data)))
    assert reader.size + reader.torn == len(data)
    return records, reader


def intent(chunk: int, attempt: int = 1) -> log.Intent:
    """Return some intent."""
    return log.Intent(chunk=chunk, lo=0, hi=100, attempt=attempt, digest="d" * 32, at=2.0)


def outcome(chunk: int, verdict: str = "accepted") -> log.Outcome:
    """Return some outcome."""
    return log.Outcome(
        chunk=chunk, lo=0, hi=100, attempt=1, verdict=verdict, at=3.0, status=200, ms=104.5
    )


def written(groups: list[list[log.Record]]) -> list[bytes]:
    """Return the groups of a log."""
    writer = log.Writer()
    return [writer.group(records) for records in groups]


# About 30 records in groups of 1 to 5, ending in a group of several, and in one of one.
SAMPLE: list[list[log.Record]] = [
    [HEADER],
    [log.Approval(how="yes", who="ana", ids=900, at=1.5, expires=9e9)],
    [
        log.Start(at=2.0, pid=7, machine="33", in_flight=3, todo=9),
        log.Setting(name="timeout", value="60"),
    ],
    [intent(0)],
    [outcome(0), intent(1), intent(2), intent(3)],
    [outcome(2), intent(4)],
    [outcome(1, "refused"), log.Split(chunk=1, lo=0, hi=100, at=3.0)],
    [outcome(3), intent(5)],
    [outcome(4, "ambiguous"), intent(6), outcome(5), intent(7), outcome(6)],
    [intent(8)],
    [outcome(7)],
    [outcome(8), intent(4, 2)],
    [outcome(4)],
    [log.Stop(at=4.0, code="hold_after", exit=75, message="m")],
    [log.Start(at=5.0, pid=8, machine="33", in_flight=3, todo=1, torn=3), intent(1, 2), outcome(1)],
]
SEALED: list[list[log.Record]] = [
    *SAMPLE,
    [log.Seal(at=6.0, exit=0, ids={"read": 900, "accepted": 900}, head="44")],
]


def flat(groups: list[list[log.Record]]) -> list[log.Record]:
    """Return the records of some groups."""
    return [record for group in groups for record in group]


@given(GROUPS)
def test_what_was_written_is_read(groups: list[list[log.Record]]) -> None:
    """Any groups of any records come back, in order, with nothing torn."""
    writer = log.Writer()
    data = b"".join(writer.group(records) for records in groups)
    records, reader = read(data)
    assert records == flat(groups)
    assert (reader.size, reader.torn) == (len(data), 0)
    assert reader.head == writer.head


@given(GROUPS, GROUPS)
def test_c5_writing_goes_on_where_reading_ended(
    groups: list[list[log.Record]], more: list[list[log.Record]]
) -> None:
    """A log in two sittings is byte for byte the log of one."""
    data = b"".join(written(groups))
    writer = read(data)[1].writer()
    data += b"".join(writer.group(records) for records in more)
    assert data == b"".join(written(groups + more))
    assert read(data)[0] == flat(groups + more)


def test_the_form_of_a_line() -> None:
    """The written specification, taken apart by hand."""
    data = b"".join(written([[HEADER], [intent(0), intent(1)]]))
    before = b""
    for number, line in enumerate(cut(data)):
        seq, text, crc = line[:8], line[9:-10], line[-9:-1]
        assert line == b"%b %b %b\n" % (seq, text, crc)
        assert int(seq, 16) == number
        assert int(crc, 16) == google_crc32c.value(line[:-10])
        content = msgspec.json.decode(text)
        assert list(content) == ["group", "prev", "record"]
        assert content["prev"] == (hashlib.sha256(before).hexdigest() if before else log.NO_LINE)
        assert content["group"] == [[0, 0, 1], [1, 0, 2], [1, 1, 2]][number]
        before = line[:-1]


def test_c5_a_log_of_the_first_format_stays_readable() -> None:
    """These bytes were written by format 1, and every later version reads them."""
    data = (
        b'00000000 {"group":[0,0,1],"prev":"' + b"0" * 64 + b'","record":{"type":"header",'
        b'"format":1,"tool":"0.1.0","run":"list-c0ffee","plan":"sha256:00","plan_file":"11",'
        b'"host":"https://eu1.api.clevertap.com","account":"22","chunks":9,"at":1.0}} '
    )
    data += b"%08x\n" % google_crc32c.value(data[:-1])
    assert read(data)[0] == [HEADER]
    assert data[:-10].rstrip() == written([[HEADER]])[0][:-10].rstrip()


def test_c5_a_log_with_fields_of_a_later_version_is_read() -> None:
    """A field that this version does not know is passed over; its checksum and chain hold."""
    line = written([[log.Abandon(at=1.0)]])[0]
    text = line[:-10].replace(b'"at":1.0', b'"at":1.0,"why":"new"')
    records, reader = read(text + b" %08x\n" % google_crc32c.value(text))
    assert records == [log.Abandon(at=1.0)]
    assert reader.torn == 0


def sound(text: bytes, *, group: int, seq: int, head: str) -> bytes:
    """Return a line that is sound as a line: number, chain and checksum are right."""
    line = b'%08x {"group":[%d,0,1],"prev":"%b","record":%b}' % (seq, group, head.encode(), text)
    return line + b" %08x\n" % google_crc32c.value(line)


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"pact","at":1.0}',
        b'{"type":"intent"}',
        b'{"at":1.0}',
        b"5",
        b'{"type":"setting","name":"\xff","value":""}',
    ],
)
def test_c5_a_sound_line_of_a_newer_kind_is_refused(text: bytes) -> None:
    """A checksum that is right was not torn: dropping the record would be a wrong reading."""
    data = b"".join(written(SAMPLE))
    reader = read(data)[1]
    line = sound(text, group=len(SAMPLE), seq=len(flat(SAMPLE)), head=reader.head)
    with pytest.raises(IntegrityError):
        read(data + line)


@pytest.mark.parametrize("groups", [SAMPLE, SEALED], ids=["several", "sealed"])
def test_d7_every_truncation_is_whole_groups_and_a_torn_rest(
    groups: list[list[log.Record]],
) -> None:
    """Cut at any byte: no error, no wrong record, no half group."""
    parts = written(groups)
    data = b"".join(parts)
    ends = [0, *accumulate(map(len, parts))]
    assert len(flat(groups)) >= 28
    for length in range(len(data) + 1):
        whole = sum(end <= length for end in ends) - 1
        records, reader = read(data[:length])
        assert records == flat(groups[:whole])
        assert (reader.size, reader.torn) == (ends[whole], length - ends[whole])
        assert reader.tail == b"".join(parts[max(whole - 1, 0) : whole])


@pytest.mark.parametrize("groups", [SAMPLE, SEALED], ids=["several", "sealed"])
def test_d7_writing_after_a_torn_end_gives_a_clean_log(groups: list[list[log.Record]]) -> None:
    """Once the torn bytes are cut off the log goes on as if they had never been."""
    data = b"".join(written(groups))
    for length in range(len(data) - 700, len(data), 13):
        records, reader = read(data[:length])
        more = data[: reader.size] + reader.writer().group([log.Abandon(at=7.0)])
        again, after = read(more)
        assert again == [*records, log.Abandon(at=7.0)]
        assert after.torn == 0


def judge(data: bytes, groups: list[list[log.Record]], last: int) -> str | None:
    """Read a damaged log: "corrupt" or "torn" when that is right; else what is wrong."""
    reader = log.Reader()
    found = []
    try:
        for record in reader.read(cut(data)):
            found.append(record)  # noqa: PERF402 - what came before the error counts
    except IntegrityError as error:
        return "corrupt" if error.code == "checkpoint_corrupt" else f"code {error.code}"
    if reader.torn and reader.size >= last and found == flat(groups[:-1]):
        return "torn"
    return f"read as {len(found)} records, {reader.torn} bytes torn"


@pytest.mark.parametrize("groups", [SAMPLE, SEALED], ids=["several", "sealed"])
def test_d9_a_bit_flip_is_corruption_or_a_torn_last_group(
    groups: list[list[log.Record]],
) -> None:
    """No flip anywhere is read cleanly, and none before the last group is taken for torn."""
    parts = written(groups)
    data = bytearray(b"".join(parts))
    last = len(data) - len(parts[-1])
    wrong = []
    for bit in range(0, len(data) * 8, 5):  # every one of them: tests/microscope
        place, mask = bit >> 3, 1 << (bit & 7)
        data[place] ^= mask
        verdict = judge(bytes(data), groups, last)
        data[place] ^= mask
        if verdict not in ({"corrupt"} if place < last else {"corrupt", "torn"}):
            wrong.append((place, mask, verdict))
    assert wrong == []


@pytest.mark.parametrize("junk", [b"\0" * 512, b"\xff" * 512, b"\n" * 512, b"a line\n" * 73])
def test_d8_a_tail_sector_of_garbage(junk: bytes) -> None:
    """Garbage inside the last group is torn; garbage that reaches further back is corruption."""
    parts = written(SAMPLE)
    data = b"".join(parts)
    last = len(data) - len(parts[-1])
    assert len(parts[-1]) > 512
    assert judge(data[:-512] + junk[:512], SAMPLE, last) == "torn"
    sector = data[: last - 256] + junk[:512] + data[last + 256 :]
    assert judge(sector, SAMPLE, last) == "corrupt"


@pytest.mark.parametrize("before", [0, 1, 390, 511, 512])
def test_d8_each_group_ends_where_a_sector_does(before: int) -> None:
    """Whatever stood there before: so no sector of the disk holds parts of two groups."""
    writer = log.Writer(size=before)
    size = before
    for records in SAMPLE:
        size += len(writer.group(records))
        assert size % 512 == 0


def test_d8_c5_a_log_without_filling_is_read_and_gone_on_with() -> None:
    """Spaces between JSON and checksum may be there or not: the first group fills up the rest."""
    line = written([[HEADER]])[0][:-10].rstrip()
    data = line + b" %08x\n" % google_crc32c.value(line)
    records, reader = read(data)
    assert (records, reader.torn, len(data) % 512 > 0) == ([HEADER], 0, True)
    more = data + reader.writer().group([intent(0)])
    assert len(more) % 512 == 0
    assert read(more)[0] == [HEADER, intent(0)]


def test_d11_a_line_with_another_number_is_refused() -> None:
    """Also when its checksum is right, and its chain: the number is checked by itself."""
    text = b"00000001" + written([[HEADER]])[0][8:-10]
    with pytest.raises(IntegrityError):
        read(text + b" %08x\n" % google_crc32c.value(text))


def test_d8_garbage_after_the_end_is_torn() -> None:
    """Blocks that were allocated and never written are cut off."""
    data = b"".join(written(SAMPLE))
    records, reader = read(data + bytes(4096))
    assert records == flat(SAMPLE)
    assert reader.torn == 4096


def test_d10_a_cut_on_a_record_boundary_shows_in_the_chain_head() -> None:
    """What the reader cannot see, the head that was reported can."""
    data = b"".join(written(SAMPLE))
    shorter = b"".join(written(SAMPLE[:-1]))
    records, reader = read(shorter)
    assert records == flat(SAMPLE[:-1])
    assert reader.head != read(data)[1].head


def test_d11_two_swapped_records_are_refused() -> None:
    """Any two neighbours, in one group or over its edge."""
    lines = cut(b"".join(written(SAMPLE)))
    for place in range(len(lines) - 1):
        swapped = [*lines]
        swapped[place], swapped[place + 1] = lines[place + 1], lines[place]
        with pytest.raises(IntegrityError):
            read(b"".join(swapped))


def test_d11_a_repeated_record_is_refused() -> None:
    """Each one, right after itself and at the end."""
    lines = cut(b"".join(written(SAMPLE)))
    for place, line in enumerate(lines):
        for after in (place + 1, len(lines)):
            with pytest.raises(IntegrityError):
                read(b"".join([*lines[:after], line, *lines[after:]]))


def test_d11_a_dropped_record_is_refused() -> None:
    """Each one but the last, whose absence is a torn end."""
    lines = cut(b"".join(written(SAMPLE)))
    for place in range(len(lines) - 1):
        with pytest.raises(IntegrityError):
            read(b"".join([*lines[:place], *lines[place + 1 :]]))


def test_d11_a_dropped_or_repeated_group_is_refused() -> None:
    """Whole groups have their numbers too."""
    parts = written(SAMPLE)
    for place in range(len(parts) - 1):
        with pytest.raises(IntegrityError):
            read(b"".join([*parts[:place], *parts[place + 1 :]]))
        with pytest.raises(IntegrityError):
            read(b"".join([*parts[:place], parts[place], *parts[place:]]))


def test_d17_records_of_another_log_are_refused() -> None:
    """A line of another run does not fit the chain, however sound it is."""
    mine = written(SAMPLE)
    other = written([[msgspec.structs.replace(HEADER, run="other")], *SAMPLE[1:]])
    for place in range(1, len(mine)):
        with pytest.raises(IntegrityError):
            read(b"".join([*mine[:place], other[place], *mine[place + 1 :]]))


@pytest.mark.parametrize("group", [b"[1,0,1]", b"[0,1,2]", b"[0,0,0]", b"[-1,0,1]", b"[0,-1,1]"])
def test_d11_a_group_out_of_order_is_refused(group: bytes) -> None:
    """The first group is number 0 and begins at its first place."""
    text = written([[HEADER]])[0][:-10].replace(b"[0,0,1]", group)
    with pytest.raises(IntegrityError) as caught:
        read(text + b" %08x\n" % google_crc32c.value(text))
    assert (caught.value.code, caught.value.exit) == ("checkpoint_corrupt", 6)


def test_an_empty_log() -> None:
    """No line is no record; a writer starts from there."""
    records, reader = read(b"")
    assert (records, reader.size, reader.torn, reader.head) == ([], 0, 0, log.NO_LINE)
    assert reader.writer().group([HEADER]) == written([[HEADER]])[0]


def test_s3_spans_of_records() -> None:
    """Intent, outcome and split name their IDs alike."""
    split = log.Split(chunk=4, lo=0, hi=100, at=1.0)
    assert intent(4).span == outcome(4).span == split.span == Span(4, 0, 100)
