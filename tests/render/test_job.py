"""The report of a job's shards: its page and its Markdown say the same, and nothing is alive."""

import re

from msgspec.structs import replace

from bulkdelete.core.job_report import JobReport, merged
from bulkdelete.core.report import Reason, Report
from bulkdelete.render import job as pages
from tests.core.test_job_report import some
from tests.render.test_html import HOSTILE, Page


def numbers(text: str) -> list[list[int]]:
    """Return the numbers of the table of shards: a line each."""
    rows = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    return [[int(one.replace(",", "")) for one in row.split("|")[3:8]] for row in rows]


def test_page_and_markdown_show_the_balance_of_all() -> None:
    """Each state, each shard by what it owns, and the requests; none of it twice."""
    job = merged(some())
    page, text = Page(pages.page(job)), pages.markdown(job)
    assert page.alive() == []
    for state, count in job.ids.items():
        assert f"| {state} | {count:,} |" in text
        assert field(pages.page(job), f"ids.{state}") == count
    for name, count in job.requests.items():
        assert field(pages.page(job), f"requests.{name}") == count
        assert f"{name.replace('_', ' ')} {count:,}" in text
    rows = numbers(text)
    assert len(rows) == job.count
    planned, *states = map(sum, zip(*rows, strict=True))
    assert planned == job.whole["planned"]
    assert states == [job.ids[one] for one in ("accepted", "rejected", "ambiguous", "unsent")]
    assert pages.missing(job) == ""


def field(page: str, name: str) -> int:
    """Return a number of the page."""
    (found,) = re.findall(rf'data-field="{re.escape(name)}">([0-9,]+)<', page)
    return int(found.replace(",", ""))


def test_what_is_missing_is_said_on_both() -> None:
    """Which shards, and how many IDs are theirs; it is not told as a whole."""
    job = merged(some()[:1])
    assert job.missing
    said = f"of {job.missing_ids:,} IDs of the list nothing is known here"
    page = Page(pages.page(job)).shown
    for text in (page, pages.markdown(job)):
        assert said in text
        assert "Incomplete: runs of shards are missing here" in text


def test_whatever_a_shard_says_stays_text() -> None:
    """Names and reasons with markup in them."""
    first, *rest = some()
    job = merged([hostile(first), *rest])
    assert isinstance(job, JobReport)
    page = Page(pages.page(job))
    assert page.alive() == []
    assert "alert(1)" in page.shown
    assert (
        re.search(r"(?<!\\)[<\[{`]", pages.markdown(job).replace(f"`{job.job_digest}`", "")) is None
    )


def hostile(report: Report) -> Report:
    """Return a report with markup in all that it says."""
    return replace(report, run_id=HOSTILE, reason=Reason("x", HOSTILE, HOSTILE))
