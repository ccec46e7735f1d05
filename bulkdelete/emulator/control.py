"""The control path, `/_emulator/`: not part of the API, not counted as its traffic."""

from collections.abc import Iterable
from typing import Final

import msgspec
from aiohttp import web

from bulkdelete.emulator.answers import fail, json_answer
from bulkdelete.emulator.faults import JSON
from bulkdelete.emulator.traffic import Emulation

_BATCH: Final = 64 * 1024


class Control:
    """What a test or a demonstration asks the emulator, and tells it."""

    def __init__(self, emulation: Emulation) -> None:
        self._emulation = emulation

    async def stats(self, request: web.Request) -> web.StreamResponse:
        """Answer the counts and measurements."""
        del request
        return json_answer(msgspec.json.encode(self._emulation.state.stats()))

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Answer the dials as they stand."""
        del request
        return json_answer(msgspec.json.encode(self._emulation.dials.snapshot()))

    async def turn(self, request: web.Request) -> web.StreamResponse:
        """Merge a JSON object into the dials and answer how they stand; a 400 changed nothing."""
        try:
            patch = msgspec.json.decode(await request.read(), type=dict[str, object])
            self._emulation.turn(patch)
        except (ValueError, msgspec.DecodeError) as error:
            return fail(str(error), 400)
        return await self.show(request)

    async def reset(self, request: web.Request) -> web.StreamResponse:
        """Begin anew."""
        del request
        self._emulation.reset()
        return json_answer(b'{"status":"success"}')

    async def accepted(self, request: web.Request) -> web.StreamResponse:
        """Stream `kind TAB times TAB json-string` of every ID acted on."""
        lines = self._emulation.state.profiles.lines()
        return await _stream(request, lines, "text/tab-separated-values")

    async def log(self, request: web.Request) -> web.StreamResponse:
        """Stream one JSON line for each delete request, in order of arrival."""
        attempts = list(self._emulation.state.log)
        lines = (msgspec.json.encode(attempt.row()) + b"\n" for attempt in attempts)
        return await _stream(request, lines, JSON)


def add_control(app: web.Application, emulation: Emulation) -> None:
    """Add the routes."""
    control = Control(emulation)
    app.router.add_get("/_emulator/stats", control.stats)
    app.router.add_get("/_emulator/faults", control.show)
    app.router.add_post("/_emulator/faults", control.turn)
    app.router.add_post("/_emulator/reset", control.reset)
    app.router.add_get("/_emulator/accepted", control.accepted)
    app.router.add_get("/_emulator/log", control.log)


async def _stream(
    request: web.Request, lines: Iterable[bytes], content_type: str
) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = content_type
    await response.prepare(request)
    batch = bytearray()
    for line in lines:
        batch += line
        if len(batch) >= _BATCH:
            await response.write(bytes(batch))
            batch.clear()
    if batch:
        await response.write(bytes(batch))
    await response.write_eof()
    return response
