"""The report's page in a real browser: its numbers, width and colours, and that it is inert."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bulkdelete.core import checkpoint as log
from bulkdelete.core.full import FullReport
from bulkdelete.core.timeline import Timeline
from bulkdelete.render.html import render
from bulkdelete.render.receipt import render as rendered
from tests.conftest import Emulate, Program
from tests.core.test_receipt import made, signature, verification
from tests.faults.chromium import Fields, dump, tab
from tests.render.test_html import (
    HOSTILE,
    empty,
    facts,
    finished,
    hostile,
    ids,
    interrupted,
    reported,
)

pytestmark = pytest.mark.faults


def million() -> dict[str, Any]:
    """Return the report of a run of 1,000,000 chunks, with 300 process starts."""
    timeline = Timeline()
    for number in range(1_000_000):
        at = 1.78e9 + number / 3
        if number % 3334 == 0:
            timeline.apply(log.Start(at=at, pid=number, machine="ab12", in_flight=3, todo=10**6))
        timeline.apply(log.Intent(chunk=number, lo=0, hi=100, attempt=1, digest="d", at=at))
        timeline.apply(
            log.Outcome(
                chunk=number,
                lo=0,
                hi=100,
                attempt=1,
                verdict="throttled" if number % 97 == 0 else "accepted",
                at=at + 0.3,
                ms=300.0 + number % 700,
            )
        )
    report = reported("finished", ids(98_969_000, 1_030_999, 1, 0))
    return facts(report) | {
        "bands": msgspec.to_builtins(timeline.bands),
        "series": msgspec.to_builtins(timeline.series()),
        "left_out": {"parts": 0, "bands": timeline.dropped, "reasons": 0},
    }


def written(place: Path, name: str, report: dict[str, Any]) -> Path:
    """Render a report to a file."""
    path = place / f"{name}.html"
    path.write_text(render(report), "utf-8")
    return path


def shown(report: dict[str, Any], field: str) -> str:
    """Return what the page should show for a field of the report."""
    value: Any = report
    for key in field.split("."):
        value = value[key]
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
    return text if isinstance(value, int) else text.rstrip("0").rstrip(".")


async def test_the_page_shows_the_numbers_of_report_json(
    program: Program, emulate: Emulate
) -> None:
    """Read off the page after the browser laid it out, each equals the one in report.json."""
    await emulate(refuse_ids=frozenset({"user-0000042-7"}), latency=0.02)
    path, given = program.ids(2000)
    path.write_text(path.read_text("utf-8") + given[0] + "\n,\n", "utf-8")
    ended = await program.run(path)
    assert ended.code in {0, 3}, ended.err
    await program("verify", program.run_dir(), "--now", "--sample", 50)
    text = (program.run_dir() / "report.json").read_bytes()
    report = msgspec.to_builtins(msgspec.json.decode(text, type=FullReport))
    found = Fields(dump(program.run_dir() / "report.html", program.place / "profile")).found
    wanted = {f"ids.{name}" for name in report["ids"]}
    wanted |= {f"chunks.{name}" for name in report["chunks"]}
    wanted |= {f"requests.{name}" for name in report["requests"]}
    wanted |= {f"verification.{name}" for name in ("asked", "gone", "still_there", "unknown")}
    assert wanted <= set(found)
    assert "slots_s.server" in found
    assert found == {field: shown(report, field) for field in found}


def receipt() -> dict[str, Any]:
    """Return the receipt of a run with a name of an operator that does not end."""
    found = made({"accepted": 5, "rejected": 3}, verification(), signatures=(signature(b"key"),))
    return msgspec.to_builtins(found) | {"made_by": "o" * 200}  # type: ignore[no-any-return]


PAGES = {"empty": empty, "finished": finished, "interrupted": interrupted, "million": million}


async def test_nothing_overflows_and_every_text_can_be_read(tmp_path: Path) -> None:
    """Empty, small, and of a million chunks: at each width, light, dark, and on paper."""
    pages = {name: written(tmp_path, name, make()) for name, make in PAGES.items()}
    pages["receipt"] = tmp_path / "receipt.html"
    pages["receipt"].write_text(rendered(receipt()), "utf-8")
    assert pages["million"].stat().st_size < 400_000
    async with tab(tmp_path / "profile") as browser:
        for page in pages.values():
            for width in (360, 800, 1280):
                for scheme, media in (("light", ""), ("dark", ""), ("light", "print")):
                    await browser.show(page, width, scheme=scheme, media=media)
                    wide = await browser.value("document.documentElement.scrollWidth")
                    assert wide <= width, f"{page.name} is {wide} wide at {width}"
                    assert await browser.value(TOO_PALE) == [], f"{page.name}, {scheme} {media}"


TOO_PALE = """
(() => {
  const light = (rgb) => {
    const [r, g, b] = rgb.match(/[0-9.]+/g).slice(0, 3).map((v) => {
      v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor;
      if (!/, 0\\)$/.test(color)) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const pale = [];
  for (const one of document.querySelectorAll('td, th, p, h1, h2, h3, span, code, footer')) {
    if (!one.textContent.trim() || !one.offsetWidth) continue;
    const a = light(getComputedStyle(one).color), b = light(behind(one));
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) pale.push(one.textContent.trim().slice(0, 40) + ' ' + contrast.toFixed(1));
  }
  return pale.slice(0, 5);
})()
"""
"""The texts whose contrast is below 4.5, what the guidelines for the web ask for."""


async def test_z1_hostile_text_does_nothing_in_a_browser(tmp_path: Path) -> None:
    """Text of servers, files and users that would be a script is shown, and does not run."""
    report = hostile(interrupted())
    page = written(tmp_path, "hostile", report)
    async with tab(tmp_path / "profile") as browser:
        await browser.show(page, 800)
        assert await browser.value("document.scripts.length") == 0
        assert await browser.value("document.images.length") == 0
        assert await browser.value("document.title") == f"{HOSTILE}: {HOSTILE}"
        assert await browser.value(
            f"document.body.innerText.includes({msgspec.json.encode(HOSTILE).decode()})"
        )
        assert await browser.value("performance.getEntriesByType('resource').length") == 0
