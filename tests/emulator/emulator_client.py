"""A client that speaks to the emulator over real loopback sockets."""

import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bulkdelete.emulator import RunningEmulator

CREDENTIALS = {"X-CleverTap-Account-Id": "EMULATOR", "X-CleverTap-Passcode": "emulator"}


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers as they came."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        """Whether it is the success of the delete endpoint, byte for byte."""
        return self.status == 200 and self.body == b'{"status":"success"}'


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls one emulator; every request has a connection of its own."""

    url: str

    async def request(self, method: str, path: str, **more: Any) -> Answer:  # noqa: ANN401
        """Send one request, with the credentials unless other headers are given."""
        options = {"headers": CREDENTIALS, "allow_redirects": False, **more}
        connector = aiohttp.TCPConnector(force_close=True)
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.request(method, self.url + path, **options) as response,
        ):
            return Answer(response.status, await response.read(), dict(response.headers))

    async def delete(self, body: object, **more: Any) -> Answer:  # noqa: ANN401
        """Send one delete request; bytes go as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        more = {"data": content, **more}
        return await self.request("POST", "/1/delete/profiles.json", **more)

    async def read(self, query: dict[str, str]) -> Answer:
        """Read one profile."""
        return await self.request("GET", "/1/profile.json", params=query)

    async def stats(self) -> dict[str, Any]:
        """Return the counts."""
        answer = await self.request("GET", "/_emulator/stats", headers={})
        found: dict[str, Any] = json.loads(answer.body)
        return found

    async def log(self) -> list[dict[str, Any]]:
        """Return the log."""
        answer = await self.request("GET", "/_emulator/log", headers={})
        return [json.loads(line) for line in answer.body.splitlines()]

    async def turn(self, **patch: object) -> Answer:
        """Turn dials."""
        return await self.request("POST", "/_emulator/faults", json=patch, headers={})


def call(emulator: RunningEmulator) -> Caller:
    """Return a caller of this emulator."""
    return Caller(emulator.url)
