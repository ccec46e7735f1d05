"""The damages: every one of a kind, or each `step`-th, shared out among processes.

Each look takes (part, parts, step): it does the cases whose number is `part` modulo `parts`, of
those each `step`-th, and returns what it saw.
"""

import itertools
import random
from collections.abc import Iterator
from typing import TypeVar

from bulkdelete.core import checkpoint as log
from bulkdelete.core.snapshot import Snapshot, decode
from bulkdelete.io.snapshots import recall
from bulkdelete.version import __version__
from tests.microscope.lens import CORRUPT, Lens, Tally, lines, read_lines, said, stand, states
from tests.microscope.story import Written, long_log, short_log
from tests.snapshots import snapshot_of

SECTOR = 512
RECORDS = 200
PLOTS = ("accepted", "ambiguous", "throttled", "refused", "partial", "failed")


Case = TypeVar("Case")


def _mine(cases: Iterator[Case], part: int, parts: int, step: int) -> Iterator[Case]:
    return itertools.islice(cases, part * step, None, parts * step)


def flips(part: int, parts: int, step: int) -> Tally:
    """Turn over every bit of a long log."""
    lens, tally = Lens(long_log(RECORDS)), Tally()
    for bit in _mine(iter(range(len(lens.data) * 8)), part, parts, step):
        place = bit >> 3
        fresh = bytes([lens.data[place] ^ 1 << (bit & 7)])
        lens.damage(place, fresh, f"bit {bit}", tally)
    return tally


def cuts(part: int, parts: int, step: int) -> Tally:
    """Cut a long log off at every byte: the whole groups before, and another head."""
    lens, tally = Lens(long_log(RECORDS)), Tally()
    states(lens.whole)
    for length in _mine(iter(range(len(lens.data))), part, parts, step):
        group = lens.group_at(length)
        rest = lens.data[lens.starts[group] : length]
        lens.judge(rest, group, sound_after=False, name=f"cut at {length}", tally=tally)
    return tally


def sectors(part: int, parts: int, step: int) -> Tally:
    """Damage sectors of a long log: lost, trashed, or with what might have been there before.

    One aligned sector, any two of them, and 512 bytes anywhere.
    """
    lens, other, tally = Lens(long_log(RECORDS)), long_log(RECORDS, seed=2).data, Tally()
    dice = random.Random(3)
    size = len(lens.data)
    trash = dice.randbytes(SECTOR)
    fills = {"zeroed": bytes(SECTOR), "ones": b"\xff" * SECTOR, "trash": trash}
    places = range(0, size - SECTOR + 1, SECTOR)
    for place in _mine(iter(places), part, parts, 1):
        if lens.group_at(place) != lens.group_at(place + SECTOR - 1):
            tally.wrong.append(f"the sector at {place} holds two groups")
        older = {
            "another log's": other[place : place + SECTOR],
            "the one before": lens.data[max(0, place - SECTOR) :][:SECTOR],
            "half lost": lens.data[place : place + 256] + bytes(256),
            "a line feed": b"\n" * SECTOR,
        }
        for name, fill in (fills | older).items():
            if fill != lens.data[place : place + SECTOR]:
                lens.damage(place, fill, f"sector at {place} {name}", tally)
    for place in _mine(iter(range(size - SECTOR + 1)), part, parts, step):
        for name, fill in fills.items():
            lens.damage(place, fill, f"bytes at {place} {name}", tally)
    for one, two in _mine(itertools.combinations(places, 2), part, parts, step):
        for name, fill in fills.items():
            _two_sectors(lens, one, two, fill, f"sectors at {one}, {two} {name}", tally)
    return tally


def _two_sectors(lens: Lens, one: int, two: int, fill: bytes, name: str, tally: Tally) -> None:
    first, second = lens.group_at(one), lens.group_at(two)
    data, behind = lens.data, two + SECTOR
    start = lens.starts[first]
    # What lies between is sound: one group of it is enough, and is what ends the reading.
    end = lens.ends[min(second + 1, len(lens.ends) - 1)]
    near = lens.ends[min(first + 1, len(lens.ends) - 1)]
    rest = data[start:one] + fill + data[one + SECTOR : two] + fill + data[behind:end]
    if near <= two:
        rest = data[start:one] + fill + data[one + SECTOR : near]
    sound = second > first + 1 or second + 1 < len(lens.ends)
    lens.judge(rest, first, sound_after=sound, name=name, tally=tally)


def edits(part: int, parts: int, step: int) -> Tally:
    """Make every two edits of a log of 20 records, one after the other.

    A record dropped, repeated (behind itself or at the end), swapped with another, or one of
    another log put between any two.
    """
    whole, other = long_log(20), lines(long_log(20, seed=2).data)
    mine, tally = lines(whole.data), Tally()
    for first, second in _mine(_pairs(len(mine), len(other)), part, parts, step):
        edited = _edit(_edit(mine, first, other), second, other)
        _judge_edit(edited, mine, whole, f"{first}, {second}", tally)
    return tally


Edit = tuple[str, int, int]


def _pairs(count: int, others: int) -> Iterator[tuple[Edit, Edit]]:
    edits: list[Edit] = [("drop", at, 0) for at in range(count)]
    edits += [("repeat", at, to) for at in range(count) for to in (at + 1, count)]
    edits += [("swap", *both) for both in itertools.combinations(range(count), 2)]
    edits += [("insert", at, to) for at in range(others) for to in range(count + 1)]
    return itertools.product(edits, edits)


def _edit(mine: list[bytes], edit: Edit, other: list[bytes]) -> list[bytes]:
    kind, at, to = edit
    edited = [*mine]
    if at >= len(mine) and kind != "insert":
        return edited
    if kind == "drop":
        del edited[at]
    elif kind == "repeat":
        edited.insert(to, mine[at])
    elif kind == "insert":
        edited.insert(to, other[at])
    elif to < len(mine):
        edited[at], edited[to] = mine[to], mine[at]
    return edited


def _judge_edit(
    edited: list[bytes], mine: list[bytes], whole: Written, name: str, tally: Tally
) -> None:
    try:
        upto, head = read_lines(edited, whole)
    except AssertionError as error:
        tally.wrong.append(f"{name}: {error}")
        return
    if edited == mine:
        kind, good = "equal", head == whole.heads[-1]
    elif upto == CORRUPT:
        kind, good = "refused", True
    else:  # nothing but lines missing at the end: the log of an earlier moment
        kind, good = "earlier", edited == mine[: len(edited)] and head != whole.heads[-1]
    if good:
        tally.seen[kind] += 1
    else:
        tally.wrong.append(f"{name}: read as {upto} groups of {len(whole.groups)}")


def snapshots(part: int, parts: int, step: int) -> Tally:
    """Turn over every bit of a long log, and of snapshots of it, and cut each at every byte.

    A snapshot is passed over unless it is whole, and the log as it was up to its place. What
    stands behind that is read as without it: the reader stands where that of the whole log does,
    and for a bit of each byte and for every eighth cut both go on to the end.
    """
    lens, tally = Lens(long_log(RECORDS)), Tally()
    ends = [len(lens.ends) * share // 4 for share in (1, 2, 3, 4)]
    kept = [snapshot_of(lens.whole.groups[:end], RECORDS) for end in ends]
    for bit in _mine(iter(range(len(lens.data) * 8)), part, parts, step):
        at, one = bit >> 3, bit % len(kept)
        altered = lens.data[:at] + bytes([lens.data[at] ^ 1 << (bit & 7)]) + lens.data[at + 1 :]
        on = bit & 7 == at & 7
        name = f"bit {bit}, snapshot {one}"
        _recall(lens, kept[one], ends[one], altered, at, name, tally, on=on)
    for length in _mine(iter(range(len(lens.data))), part, parts, step):
        one = length % len(kept)
        name, on, cut = f"cut at {length}", length >> 2 & 7 == 0, lens.data[:length]
        _recall(lens, kept[one], ends[one], cut, length, name, tally, on=on)
    text = kept[1].encode()
    for bit in _mine(iter(range(len(text) * 8)), part, parts, step):
        at = bit >> 3
        altered = text[:at] + bytes([text[at] ^ 1 << (bit & 7)]) + text[at + 1 :]
        _undecoded(altered, f"snapshot, bit {bit}", tally)
    for length in _mine(iter(range(len(text))), part, parts, step):
        _undecoded(text[:length], f"snapshot cut at {length}", tally)
    return tally


def _recall(  # noqa: PLR0917 - what is looked at, its name, and how closely
    lens: Lens,
    kept: Snapshot,
    group: int,
    log_now: bytes,
    first: int,
    name: str,
    tally: Tally,
    *,
    on: bool,
) -> None:
    """Go on from a snapshot with a log that is another from byte `first` on; `on`: to its end."""
    found = recall(kept, RECORDS, lambda size, at: log_now[at : at + size])
    if found is None or first < kept.place.size:
        right = found is None and first < kept.place.size
        tally.seen["passed over"] += right
        if not right:
            tally.wrong.append(f"{name}: {'passed over' if found is None else 'believed'}")
        return
    rest = log_now[kept.place.size :] if on else b""
    mine, whole = found[1], lens.reader(group)
    if stand(mine) == stand(whole) and (not on or said(mine, rest) == said(whole, rest)):
        tally.seen["as without"] += 1
    else:
        tally.wrong.append(f"{name}: it reads otherwise than without the snapshot")


def _undecoded(text: bytes, name: str, tally: Tally) -> None:
    try:
        decode(text, __version__)
    except ValueError:
        tally.seen["passed over"] += 1
    else:
        tally.wrong.append(f"{name}: believed")


def crashes(part: int, parts: int, step: int) -> Tally:
    """Crash runs of 1 to 3 chunks at every write, whatever the disk made of the last one.

    Each prefix of the group that was not synced: kept, the rest never there, lost or trashed; and
    each of its sectors alone. Then the next process cuts, and goes on.
    """
    tally, number = Tally(), 0
    for chunks, plots in ((1, PLOTS), (2, PLOTS), (3, ("accepted", "ambiguous", "refused"))):
        for plot in itertools.product(plots, repeat=chunks):
            number += 1
            if number % parts == part:
                _crash(Lens(short_log(plot, number)), tally, step)
    return tally


def _crash(lens: Lens, tally: Tally, step: int) -> None:
    states(lens.whole)
    for group, bytes_ in enumerate(lens.whole.parts):
        size = len(bytes_)
        dice = random.Random(group)
        trash = bytes(one ^ dice.randrange(1, 256) for one in bytes_)  # no byte as it was
        for kept in range(group % step, size, step):
            for name, rest in (("gone", b""), ("lost", bytes(size)), ("trashed", trash)):
                left = bytes_[:kept] + rest[kept:]
                _after(lens, left, group, f"group {group}, {kept} bytes kept, rest {name}", tally)
        for sector in range(0, size, SECTOR):
            for name, rest in (("lost", bytes(size)), ("trashed", trash)):
                behind = sector + SECTOR
                left = bytes_[:sector] + rest[sector:behind] + bytes_[behind:]
                _after(lens, left, group, f"group {group}, sector {sector} {name}", tally)


def _after(lens: Lens, left: bytes, group: int, name: str, tally: Tally) -> None:
    """Expect what had been synced, no more; to refuse would strand a run that only died."""
    try:
        upto, head = lens.read(left, group)
    except AssertionError as error:
        tally.wrong.append(f"{name}: {error}")
        return
    if upto == group and head == (lens.whole.heads[group - 1] if group else log.NO_LINE):
        tally.seen["torn"] += 1
    else:
        tally.wrong.append(f"{name}: read as {upto} groups")
