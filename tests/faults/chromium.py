"""Chromium, headless: to see a page as a person does. It loads files only, with no network."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import aiohttp

from tests.faults import injectors

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def _words(profile: Path, *more: str) -> list[str]:
    return [injectors.program("chromium"), *_FLAGS, f"--user-data-dir={profile}", *more]


def dump(page: Path, profile: Path) -> str:
    """Return the page's tree after loading, as HTML."""
    done = subprocess.run(
        _words(profile, "--dump-dom", page.as_uri()), capture_output=True, timeout=120, check=True
    )
    return done.stdout.decode()


class Fields(HTMLParser):
    """The text of each element that has a `data-field`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin to listen where a field begins."""
        del tag
        self._inside = dict(attrs).get("data-field") or ""

    def handle_data(self, data: str) -> None:
        """Take the text of a field."""
        if self._inside:
            self.found[self._inside] = data.strip()
            self._inside = ""


class Tab:
    """One open page, spoken to over the debugging protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    async def call(self, method: str, **parameters: Any) -> Any:  # noqa: ANN401 - the protocol's
        """Call a method and return its result."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            answer = json.loads(await self._socket.receive_str(timeout=60))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    async def value(self, expression: str) -> Any:  # noqa: ANN401 - any value
        """Return the value of an expression in the page."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    async def show(self, page: Path, width: int, *, scheme: str = "light", media: str = "") -> None:
        """Load a page at a width of the window."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", media=media, features=features)
        await self.call("Page.navigate", url=page.as_uri())
        async with asyncio.timeout(60):
            while await self.value("location.href + document.readyState") != (
                page.as_uri() + "complete"
            ):
                await asyncio.sleep(0.02)


@asynccontextmanager
async def tab(profile: Path) -> AsyncIterator[Tab]:
    """Start a browser and open one tab; it is gone at the end."""
    process = await asyncio.create_subprocess_exec(
        *_words(profile, "--remote-debugging-port=0", "about:blank"),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while not (found := re.search(rb"ws://(\S+?)/", await process.stderr.readline())):
                assert process.returncode is None
        base = f"http://{found[1].decode()}"
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{base}/json/list") as answer:
                pages = [one for one in await answer.json() if one["type"] == "page"]
            async with session.ws_connect(
                pages[0]["webSocketDebuggerUrl"], max_msg_size=0
            ) as socket:
                yield Tab(socket)
    finally:
        process.kill()
        await process.communicate()
