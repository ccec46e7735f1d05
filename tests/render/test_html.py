"""The HTML report: everything in it, nothing of it alive."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from jinja2 import UndefinedError
from msgspec.structs import replace

from bulkdelete.core import checkpoint as log
from bulkdelete.core import plan as plans
from bulkdelete.core import report as reports
from bulkdelete.core.timeline import Timeline
from bulkdelete.render.html import render
from tests.plans import ONE_COLUMN

VOID = {"meta", "br", "hr", "img", "link", "input"}
ALIVE = {"script", "iframe", "object", "embed", "form", "a", "link", "base", "img"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}{% raw %}&amp;"


class Page(HTMLParser):
    """Reads a page, refuses tags that do not match, keeps the text and what could be alive."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Refuse the end of anything but the innermost open element."""
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep text that is shown."""
        if "style" not in self.open:
            self.text.append(data)

    @property
    def shown(self) -> str:
        """All text, with blanks folded."""
        return " ".join(" ".join(self.text).split())

    def alive(self) -> list[str]:
        """Name the elements and attributes that could do or load something."""
        tags = [tag for tag, _ in self.seen if tag in ALIVE]
        names = {"src", "href", "action", "style", "data"}
        return tags + [
            name
            for _, attributes in self.seen
            for name in attributes
            if name.startswith("on") or name in names
        ]


def planned(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of several types
    """Return a plan of 12,345 IDs."""
    bound = replace(
        ONE_COLUMN,
        host="eu1.api.clevertap.com",
        account="ACCT-1",
        column=("1",),
        kind="typed",
        chunk_size=97,
        protect=(plans.Protected("d" * 64, 1718),),
    )
    plan = plans.Plan(
        schema=plans.SCHEMA,
        tool="0.1.0",
        created=1_780_000_000.0,
        digest="sha256:" + "a" * 64,
        bound=bound,
        content="b" * 64,
        counts=plans.Counts(
            read=12_945,
            planned=12_345,
            duplicate=301,
            protected=217,
            invalid=43,
            excluded=39,
            identities=11_111,
            guids=1_234,
            chunks=129,
        ),
        parts=(
            plans.PartFacts(path="lists/purge.csv", sha256="c" * 64, size=65_537, records=12_945),
        ),
        inputs=("lists/purge.csv",),
        protect=("lists/protect.txt",),
        reading=plans.Reading(
            format="auto",
            delimiter=None,
            encoding="utf-8",
            column=None,
            header=True,
            id_type=None,
            explode=False,
        ),
        reasons=("empty",),
        index_sha256="e" * 64,
        seconds=1.5,
    )
    found: dict[str, Any] = msgspec.to_builtins(plan)
    return found | more


def ids(accepted: int, rejected: int, ambiguous: int, unsent: int) -> dict[str, int]:
    """Return a balance; what the plan left out is always the same."""
    found = {"accepted": accepted, "rejected": rejected, "ambiguous": ambiguous, "unsent": unsent}
    found |= {"protected": 217, "duplicate": 301, "invalid": 43, "excluded": 39}
    return {"read": sum(found.values())} | found


def reported(state: str, balance: dict[str, int], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a report whose numbers are all different."""
    report = reports.Report(
        run_id="purge.csv-aaaaaaaaaaaa",
        run_dir="bulkdelete-runs/purge.csv-aaaaaaaaaaaa",
        plan_digest="sha256:" + "a" * 64,
        state=state,
        exit_code=3,
        ids=balance,
        chunks={"planned": 129, "accepted": 101, "rejected": 13, "ambiguous": 8, "unsent": 7},
        requests={
            "sent": 10_203,
            "accepted": 9_876,
            "rejected": 154,
            "throttled": 76,
            "failed": 59,
            "ambiguous": 97,
            "resent_chunks": 23,
        },
        timing=reports.Timing(1.25, 1234.5, 0.9875, reports.Latency(1_101, 1_202, 2_303)),
        chain_head="f" * 64,
    )
    found: dict[str, Any] = msgspec.to_builtins(report)
    return found | more


def facts(
    report: dict[str, Any],
    *records: log.Record,
    approved: bool = True,
    reasons: dict[str, int] | None = None,
    **more: Any,  # noqa: ANN401 - fields of several types
) -> dict[str, Any]:
    """Return a full report, as `render` takes it, of a run with these records."""
    approval = log.Approval(
        how="typed", who="ada", ids=12_345, at=1_780_000_100.0, expires=1_780_086_500.0
    )
    timeline = Timeline()
    for record in records:
        timeline.apply(record)
    failures = {"http_503": 88, "timeout": 9} if reasons is None else reasons
    found = {
        "made_by": "bulkdelete 0.1.0",
        "plan": planned(),
        "approval": msgspec.to_builtins(approval) if approved else None,
        "bands": msgspec.to_builtins(timeline.bands),
        "series": msgspec.to_builtins(timeline.series()),
        "slots_s": timeline.slots(),
        "failures": [
            {"reason": name, "requests": number, "examples": ["list.csv:4711 u…9 (12)"]}
            for name, number in failures.items()
        ],
        "left_out": {"parts": 17, "bands": 18, "reasons": 19},
    }
    return report | found | more


START = log.Start(
    at=1_780_000_200.0,
    pid=4711,
    machine="0a1b",
    in_flight=3,
    todo=128,
    settings={"max-deletes": "50000", "timeout": "61"},
)
SOME = (
    log.Intent(chunk=0, lo=0, hi=97, attempt=1, digest="d", at=1_780_000_201.0),
    log.Outcome(chunk=0, lo=0, hi=97, attempt=1, verdict="accepted", at=1_780_000_203.0, ms=1990.0),
)


def finished() -> dict[str, Any]:
    """Return a run that reached its end, not cleanly."""
    seal = log.Seal(
        at=1_780_000_204.0, exit=3, ids={}, head="", slots={"server": 1234.5, "gate": 21.125}
    )
    return facts(reported("finished", ids(12_000, 300, 45, 0)), START, *SOME, seal)


def interrupted() -> dict[str, Any]:
    """Return a run stopped by a signal, after a crash that left torn bytes."""
    again = log.Start(
        at=1_780_000_900.0, pid=4712, machine="0a1b", in_flight=2, todo=64, torn=1_777
    )
    stop = log.Stop(
        at=1_780_001_000.0,
        code="interrupted",
        exit=130,
        message="stopped by SIGINT",
        hint="run it again",
        utilisation=0.625,
    )
    reason = {"code": "interrupted", "message": "stopped by SIGINT", "hint": "run it again"}
    report = reported("interrupted", ids(6_000, 0, 200, 6_145), reason=reason)
    return facts(report, START, *SOME, again, stop)


def empty() -> dict[str, Any]:
    """Return a run of an empty list, that nobody had to approve."""
    none = dict.fromkeys(ids(0, 0, 0, 0), 0)
    zeros = reported("finished", none, exit_code=0, chain_head="")
    zeros["requests"] = dict.fromkeys(zeros["requests"], 0)
    zeros["chunks"] = dict.fromkeys(zeros["chunks"], 0)
    zeros["timing"] = msgspec.to_builtins(reports.Timing())
    plan = planned(parts=[], protect=[])
    plan["bound"] = plan["bound"] | {"protect": [], "host": None, "account": None}
    return facts(zeros, plan=plan, approved=False, reasons={})


def numbers_in(value: Any) -> set[str]:  # noqa: ANN401 - builtins of any shape
    """Collect the whole numbers anywhere in a value, as the page writes them."""
    if isinstance(value, Mapping):
        return set().union(*map(numbers_in, value.values()))
    if isinstance(value, list | tuple):
        return set().union(*map(numbers_in, value))
    return {f"{value:,}"} if type(value) is int else set()


ALL = {"finished": finished, "interrupted": interrupted, "empty": empty}


@pytest.mark.parametrize("name", ALL)
def test_well_formed_and_not_alive(name: str) -> None:
    """Every element is closed in order; nothing is run or loaded."""
    text = render(ALL[name]())
    page = Page(text)
    assert text.startswith("<!doctype html>\n")
    assert page.alive() == []
    assert "url(" not in text
    assert [tag for tag, _ in page.seen].count("h1") == 1


@pytest.mark.parametrize("name", ["finished", "interrupted"])
def test_every_number_is_there(name: str) -> None:
    """Each count of the report, and of the plan, is on the page, with its separators."""
    given = ALL[name]()
    shown = re.split(r"[^\d,.]+", Page(render(given)).shown)
    found = {word.rstrip(",.") for word in shown}
    for part in (
        given["ids"],
        given["chunks"],
        given["requests"],
        given["timing"]["latency_ms"],
        given["plan"]["parts"],
        given["plan"]["bound"]["protect"],
        given["plan"]["bound"]["chunk_size"],
        given["plan"]["counts"]["identities"],
        given["plan"]["counts"]["guids"],
        given["failures"],
        given["left_out"],
        [band["todo"] for band in given["bands"]],
        [band["accepted_ids"] for band in given["bands"]],
        given["approval"]["ids"],
    ):
        assert numbers_in(part) <= found


def test_what_else_is_there() -> None:
    """Digests, hosts, times, names and settings are shown whole."""
    shown = Page(render(finished())).shown
    for one in ("sha256:" + "a" * 64, "b" * 64, "c" * 64, "d" * 64, "e" * 64, "f" * 64):
        assert one in shown
    for one in (
        "eu1.api.clevertap.com",
        "ACCT-1",
        "lists/purge.csv",
        "lists/protect.txt",
        "typed",
        "ada",
        "http_503",
        "98.8 %",
        "1,234.5 s",
        "2026-05-28 20:26:40 UTC",
        "2026-05-29 20:28:20 UTC",
    ):
        assert one in shown


VERDICTS = [
    ("finished", (12_345, 0, 0, 0), "Finished: the server accepted all 12,345 planned IDs."),
    (
        "finished",
        (12_000, 300, 45, 0),
        "Finished: 12,000 of 12,345 planned IDs accepted, 300 rejected and 45 ambiguous.",
    ),
    (
        "interrupted",
        (6_000, 1, 200, 6_144),
        (
            "Interrupted before the end: 6,000 of 12,345 planned IDs accepted, "
            "1 rejected, 200 ambiguous and 6,144 unsent. The same command goes on."
        ),
    ),
    ("planned", (0, 0, 0, 12_345), "Planned: nothing was sent. 12,345 IDs are planned."),
    (
        "finished",
        (0, 0, 0, 0),
        "Finished. There was nothing to send: none of the 600 IDs read is planned.",
    ),
    ("odd", (1, 0, 0, 1), "odd: 1 of 2 planned IDs accepted, 1 unsent."),
]


@pytest.mark.parametrize(("state", "counts", "sentence"), VERDICTS)
def test_the_verdict(state: str, counts: tuple[int, int, int, int], sentence: str) -> None:
    """One sentence says how it ended."""
    assert sentence in Page(render(facts(reported(state, ids(*counts))))).shown


@pytest.mark.parametrize("name", ALL)
def test_never_says_deleted(name: str) -> None:
    """The server accepts; the program has not seen that a profile is gone."""
    assert "deleted" not in render(ALL[name]()).lower()


def test_the_interruption_is_told() -> None:
    """Starts and stops stand in the order of time, with torn bytes, reason and hint."""
    shown = Page(render(interrupted())).shown
    assert "1,777 torn bytes" in shown
    assert "stopped by SIGINT" in shown
    assert "Next: run it again" in shown
    assert "62.5 %" in shown
    table = shown[shown.index("Started How it ended") :]
    assert table.index("crashed") < table.index("process 4711") < table.index("exit 130")
    assert table.index("exit 130") < table.index("process 4712")


def test_the_empty_run_has_no_hole() -> None:
    """What there is none of is said, not left out or divided by."""
    shown = Page(render(empty())).shown
    assert "none: a draft" in shown
    assert "Approval None was given." in shown
    assert "Protect lists None." in shown


def test_the_bar_fills_its_width() -> None:
    """Segments touch, in the order of the states, and a state of one ID can still be seen."""
    balance = ids(1_000_000, 1, 0, 0)
    page = Page(render(facts(reported("finished", balance))))
    bars = [attributes for tag, attributes in page.seen if tag == "rect"]
    names = [str(bar["class"]).removeprefix("s-") for bar in bars]
    assert names == [name for name, count in balance.items() if count and name != "read"]
    at = 0.0
    for bar in bars:
        assert float(bar["x"] or "") == pytest.approx(at, abs=0.05)
        at += float(bar["width"] or "")
        assert float(bar["width"] or "") > 3
    assert at == pytest.approx(1000, abs=0.1)


def hostile(value: Any) -> Any:  # noqa: ANN401 - builtins of any shape
    """Replace every text in a value, however deep, and the reasons' names too."""
    if isinstance(value, dict):
        return {key: hostile(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [hostile(one) for one in value]
    return HOSTILE if isinstance(value, str) else value


def test_hostile_text_is_inert() -> None:
    """Whatever a server, a file name or a user says is text, in every place at once."""
    given = hostile(interrupted())
    text = render(given)
    page = Page(text)
    assert page.alive() == []
    assert text.count("<script") == 0
    assert page.shown.count(HOSTILE) > 20


def test_text_that_cannot_be_shown() -> None:
    """Controls, turned-around text and halves of characters do not reach the page."""
    given = finished() | {"made_by": "a\x00b\x1b[2Jc\u202ed\u2066e\udcfff"}
    text = render(given)
    assert "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[2Jc" in text
    assert not re.search("[\x00-\x08\x1b\u202e\u2066\udcff]", text)
    text.encode()


def test_what_is_missing_is_an_error() -> None:
    """A page with a silent hole is never made."""
    given = finished()
    del given["run_dir"]
    with pytest.raises(UndefinedError, match="run_dir"):
        render(given)
