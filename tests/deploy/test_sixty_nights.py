"""Sixty nights of the crontab: each ends as docs/scheduled-jobs.md says, in exit codes and words.

The program is the real one, in processes that take it to be another time of day; what it sent is
judged by the emulator's own record. How a night is to end is not said here: it is read from the
table of that page.
"""

import asyncio
import os
import re
import shlex
import shutil
import signal
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PASSCODE, Emulate, Ended, Program, times_acted
from tests.deploy.test_schedules import at_home, cron_commands
from tests.deploy.tools import DEPLOY
from tests.warm.child import AHEAD

pytestmark = pytest.mark.deploy

PAGE = DEPLOY.parent / "docs" / "scheduled-jobs.md"
FIRST = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
DAY, HOUR = 86400, 3600
SIZE, CAP, CHUNK = 600, 3, 100

CALENDAR = """
 1 whole                        21 the wrong list              41 killed
 2 whole                        22 whole                       42 whole
 3 whole                        23 killed, no second start     43 no list
 4 killed                       24 the list changed meanwhile  44 whole
 5 whole                        25 no first start                     45 killed, no second start
 6 asked to stop                26 killed                      46 the approval is over
 7 whole                        27 an outage                   47 whole
 8 others use the account       28 others use the account      48 the disk is gone
 9 an outage                    29 still at it                 49 whole
10 whole                        30 some are refused            50 others use the account
11 still at it                  31 whole                       51 asked to stop
12 some are refused             32 more than --max-deletes     52 the wrong list
13 the list was not renewed     33 whole                       53 killed, no second start
14 an empty list                34 a bad passcode              54 the list changed, the old one kept
15 whole                        35 whole                       55 whole
16 a damaged list               36 the disk is gone            56 an outage
17 no protect list              37 whole                       57 the list was not renewed
18 whole                        38 whole                       58 whole
19 yesterday's list once more   39 an empty list               59 still at it
20 whole                        40 a damaged list              60 whole
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is put in the way of a night, and what the person on call does about it by day.

    `listed`: what lies there at 01:00. `at_first`: what befalls the start of 01:30. `then`: what
    comes before that of 05:30. `by_hand`: what is done at 09:00, and the exit code of it: a change
    and the crontab's line once more, or that line with a flag, or `apply` of the unfinished run.
    `left`: how many of the list's IDs may still be there after all of it.
    """

    listed: str = "renewed"
    at_first: str = ""
    then: str = ""
    by_hand: tuple[tuple[str, int], ...] = ()
    left: int = 0


MADE_ANEW = (("make it anew", 0),)

KINDS = {
    "whole": Kind(),
    "killed": Kind(at_first="kill"),
    "asked to stop": Kind(at_first="stop"),
    "an outage": Kind(at_first="outage"),
    "others use the account": Kind(at_first="neighbours"),
    "still at it": Kind(at_first="overlap"),
    "some are refused": Kind(listed="with refused ones", left=2),
    "an empty list": Kind(listed="empty"),
    "the list was not renewed": Kind(listed="yesterday's file"),
    "yesterday's list once more": Kind(listed="yesterday's content", by_hand=MADE_ANEW),
    "no list": Kind(listed="none", by_hand=MADE_ANEW),
    "a damaged list": Kind(listed="damaged", by_hand=MADE_ANEW),
    "no protect list": Kind(listed="unprotected", by_hand=MADE_ANEW),
    "the wrong list": Kind(listed="all customers", by_hand=MADE_ANEW),
    "more than --max-deletes": Kind(listed="too many", by_hand=MADE_ANEW),
    "a bad passcode": Kind(at_first="passcode", by_hand=(("correct the passcode", 0),)),
    "the disk is gone": Kind(at_first="kill", then="the disk is gone", left=SIZE),
    "no first start": Kind(at_first="off"),
    "killed, no second start": Kind(at_first="kill", then="off", left=SIZE),
    "the list changed meanwhile": Kind(by_hand=(("--abandon", 0),)),
    "the list changed, the old one kept": Kind(
        by_hand=(("apply --input list.csv.before --renew", 0), ("", 0))
    ),
    "the approval is over": Kind(
        listed="yesterday's file", by_hand=(("apply", 4), ("apply --renew", 0))
    ),
}


def calendar() -> dict[int, str]:
    """Read the calendar: which night is of which kind."""
    cells = re.findall(r"(?<!\S)(\d+) (\S.*?)(?=\s{2,}|\n)", CALENDAR)
    return {int(number): kind for number, kind in sorted(cells, key=lambda one: int(one[0]))}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the page's table: exit codes of both starts, what is said, what is to be done."""

    codes: tuple[int | None, ...]
    said: tuple[str, ...]
    advice: str


def page() -> dict[str, Row]:
    """Read the table of nights from the page."""
    text = PAGE.read_text("utf-8")
    table = text[text.index("<!-- nights -->") : text.index("<!-- /nights -->")]
    rows: dict[str, Row] = {}
    for line in table.splitlines()[3:]:
        name, first, second, said, advice = (one.strip() for one in line.strip("|").split("|"))
        codes = tuple(None if one == "-" else int(one) for one in (first, second))
        rows[name.replace("`", "")] = Row(codes, tuple(re.findall(r"\*(.+?)\*", said)), advice)
    return rows


@dataclass
class Machine:
    """A machine with the crontab, its list maker, and the person on call.

    `listed`: the IDs of the list that lies there; `meant`: those that may be deleted this night.
    """

    program: Program
    emulator: Any
    night: int = 0
    listed: list[str] = field(default_factory=list)
    meant: set[str] = field(default_factory=set)

    @property
    def path(self) -> Path:
        """The list."""
        return self.program.place / "list.csv"

    @property
    def runs(self) -> Path:
        """The disk of the runs."""
        return self.program.place / "bulkdelete-runs"

    def acted(self) -> dict[str, int]:
        """Return how often the server acted on each ID."""
        return times_acted(self.emulator)

    def turn(self, **dials: object) -> None:
        """Make the server be as it is not."""
        self.emulator.emulation.turn(dials)

    # --- the list maker ---

    def make(self, content: str) -> None:
        """Lay down what is there at 01:00; the list before is kept."""
        if content == "yesterday's file":
            return
        self.program.write("protect.txt", *(() if content == "unprotected" else ("*-vip",)))
        if self.path.exists():
            shutil.copy2(self.path, f"{self.path}.before")
            self.path.unlink()
        if content == "none":
            return
        if content != "yesterday's content":
            self.listed = self.fresh(content)
            self.meant |= set(self.listed) if content in {"renewed", "with refused ones"} else set()
        protected = [f"user-{self.night:03d}00000{n}-vip" for n in range(2)]
        whole = [*self.listed, *protected] if self.listed else []
        if content == "damaged":
            whole[::20] = ["null"] * len(whole[::20])
        self.program.write("list.csv", "identity", *whole)
        os.utime(self.path, (self.at(1), self.at(1)))

    def fresh(self, content: str) -> list[str]:
        """Return so many IDs, none of them in any other list."""
        count = {"empty": 0, "all customers": SIZE * 5, "too many": 50_001}.get(content, SIZE)
        refused = {0, 99} if content == "with refused ones" else set()
        first = 1 if content == "renewed" else 2
        return [
            f"user-{self.night:03d}{first}{n:05d}{'-no' if n in refused else ''}"
            for n in range(count)
        ]

    # --- cron ---

    def at(self, hour: float) -> float:
        """Return the time at an hour of this night."""
        return FIRST + (self.night - 1) * DAY + hour * HOUR

    def words(self, which: int) -> list[str]:
        """Return the words of the first (0) or second (1) line of the crontab."""
        return at_home(cron_commands()[which], self.program)

    async def begin(self, hour: float, words: list[str]) -> asyncio.subprocess.Process:
        """Start the program at an hour of this night."""
        self.program.env[AHEAD] = f"{self.at(hour) - time.time():.3f}"
        return await self.program.start(*words)

    async def start(self, hour: float, words: list[str]) -> Ended:
        """Run it to its end."""
        return await ended(await self.begin(hour, words))

    # --- what befalls a night ---

    async def befall(self, what: str) -> list[Ended]:
        """Start at 01:30, and let something happen; return what ended, the first start first."""
        match what:
            case "kill" | "stop":
                process = await self.midway()
                process.send_signal(signal.SIGKILL if what == "kill" else signal.SIGTERM)
                return [await ended(process)]
            case "overlap":
                process = await self.midway()
                process.send_signal(signal.SIGSTOP)  # it takes until the second has ended
                second = await self.start(5.5, self.words(1))
                process.send_signal(signal.SIGCONT)
                return [await ended(process), second]
            case "off":
                return []
            case "outage":
                self.turn(error_5xx=1.0)
            case "neighbours":
                self.turn(limit=1, latency=0.01)
            case "passcode":
                self.program.write("passcode", "of-last-year")
        return [await self.start(1.5, self.words(0))]

    async def midway(self) -> asyncio.subprocess.Process:
        """Start at 01:30; return when some of it is deleted, and more is on its way."""
        self.turn(latency=0.15)
        before = len(self.acted())
        process = await self.begin(1.5, self.words(0))
        async with asyncio.timeout(60):
            while len(self.acted()) == before or not self.in_flight():
                assert process.returncode is None, await ended(process)
                await asyncio.sleep(0.002)
        return process

    def in_flight(self) -> int:
        """Return how many requests the server is at."""
        return int(self.emulator.state.stats()["in_flight"])

    async def settle(self) -> None:
        """Let all that is on its way arrive; from then on the server is well."""
        async with asyncio.timeout(60):
            while self.in_flight():
                await asyncio.sleep(0.005)
        self.turn(latency=0.0, limit=CAP, error_5xx=0.0)

    # --- the person on call ---

    async def by_hand(self, what: str) -> Ended:
        """Do at 09:00 what the page advises."""
        word, *more = shlex.split(what) or [""]
        if word == "apply":
            secret = ("--passcode-file", "passcode", "--protect", "protect.txt")
            consent = ("--yes", "--max-deletes", "50000", "--json")
            run = await self.unfinished()
            return await self.start(9, ["apply", run, *more, *secret, *consent])
        if what == "make it anew":
            self.make("renewed")
        elif what == "correct the passcode":
            self.program.write("passcode", PASSCODE)
        flags = [what] if what.startswith("--") else []
        return await self.start(9, [*self.words(0), *flags])

    async def unfinished(self) -> str:
        """Return the one run that `status` shows as unfinished."""
        shown = await self.start(9, ["status", "--runs-dir", str(self.runs), "--json"])
        over = {"finished", "abandoned"}
        (run,) = (one["run_dir"] for one in shown.json["runs"] if one["state"] not in over)
        return str(run)


async def ended(process: asyncio.subprocess.Process) -> Ended:
    """Wait for a process; a death by signal is counted as a shell does."""
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    code = process.returncode or 0
    return Ended(code if code >= 0 else 128 - code, out.decode(), err.decode())


async def live(machine: Machine, kind: Kind, row: Row) -> None:
    """Live one night and the day after it; each start ends as its row of the page says."""
    machine.make(kind.listed)
    starts = await machine.befall(kind.at_first)
    await machine.settle()
    if kind.then == "the disk is gone":
        shutil.rmtree(machine.runs)
    if kind.then != "off" and len(starts) < 2:
        starts.append(await machine.start(5.5, machine.words(1)))
    told = "\n".join(one.err + one.out for one in starts)
    codes = [one.code for one in starts]
    assert codes == [one for one in row.codes if one is not None], told
    assert [one for one in row.said if one not in told] == [], told
    for what, code in kind.by_hand:
        done = await machine.by_hand(what)
        assert done.code == code, done.err


@dataclass(frozen=True, slots=True)
class Record:
    """What the server had on record before a night: acts by ID, requests, refusals for too many."""

    acted: dict[str, int]
    requests: int
    throttled: int

    @classmethod
    def of(cls, machine: Machine) -> "Record":
        """Return what it has now."""
        stats = machine.emulator.state.stats()
        return cls(machine.acted(), stats["requests"], stats["throttled"])


def judge(machine: Machine, kind: Kind, crashes: int, before: Record) -> None:
    """Check a night by the server's own record: who was deleted, how often, how many at once.

    `crashes`: those of this night, and those of the night before that had no second start.
    """
    state, acted = machine.emulator.state, machine.acted()
    tonight = {one for one, times in acted.items() if times != before.acted.get(one)}
    assert tonight <= machine.meant
    assert not any(one.endswith(("-vip", "-no")) for one in acted)
    assert len(machine.meant.intersection(machine.listed) - acted.keys()) <= kind.left
    doubts = [
        one for one in state.log[before.requests :] if one.acted and one.verdict != "accepted"
    ]
    again = sum(acted.values()) - len(acted) - sum(before.acted.values()) + len(before.acted)
    assert again <= CHUNK * (CAP * crashes + len(doubts))
    assert state.stats()["max_live_in_flight"] <= CAP
    assert bool(state.stats()["throttled"] - before.throttled) == (kind.at_first == "neighbours")


async def test_each_of_sixty_nights_ends_as_its_page_says(
    program: Program, emulate: Emulate
) -> None:
    """Nothing twice beyond the bound, nothing that was not meant, never more than three at once."""
    emulator = await emulate(refuse_pattern="-no$")
    program.write("passcode", PASSCODE).chmod(0o600)
    program.env = {"BULKDELETE_GIVE_UP_AFTER": "1s"}  # for 15m, of true time
    machine, rows, crashes = Machine(program, emulator), page(), 0
    for night, name in calendar().items():
        machine.night, kind = night, KINDS[name]
        before = Record.of(machine)
        finishes = any(what.startswith("apply") for what, _ in kind.by_hand)
        machine.meant = set(machine.listed) if finishes else set()
        await live(machine, kind, rows[name])
        crashes += kind.at_first == "kill"
        judge(machine, kind, crashes, before)
        crashes = crashes if kind.then == "off" else 0


def test_the_page_has_a_row_for_each_kind_of_night() -> None:
    """And says what whoever is on call has to type."""
    rows, nights = page(), calendar()
    assert list(nights) == list(range(1, 61))
    assert rows.keys() == KINDS.keys() == set(nights.values())
    for name, kind in KINDS.items():
        flags = {one for what, _ in kind.by_hand for one in what.split() if one.startswith("--")}
        assert [one for one in flags if one not in rows[name].advice] == []
