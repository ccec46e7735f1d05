"""The routes of the look-alike: `create_app`."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from bulkdelete.emulator.answers import (
    MARK,
    decided,
    deliver,
    fail,
    json_answer,
    throttled,
)
from bulkdelete.emulator.config import EmulatorConfig
from bulkdelete.emulator.control import add_control
from bulkdelete.emulator.deleting import DeleteEndpoint
from bulkdelete.emulator.faults import Manner
from bulkdelete.emulator.traffic import Emulation

if TYPE_CHECKING:
    from bulkdelete.emulator.dialect import Kind

EMULATION: Final = web.AppKey("EMULATION", Emulation)

_PROFILE: Final = "/1/profile.json"
_MAX_BODY: Final = 4 * 1024 * 1024  # 100 IDs of 1024 characters, all of them escaped, take 0.6 MiB


def create_app(config: EmulatorConfig | None = None) -> web.Application:
    """Return a fresh emulated account as an application; `app[EMULATION]` is its inside.

    The trace file is opened when the application starts, which may raise OSError.
    """
    emulation = Emulation(config or EmulatorConfig(), clock=time.monotonic, wall=time.time)
    app = web.Application(client_max_size=_MAX_BODY)
    app[EMULATION] = emulation
    dialect = emulation.config.dialect
    app.router.add_post(dialect.path, DeleteEndpoint(emulation).answer)
    if dialect.reads:
        app.router.add_get(_PROFILE, ProfileEndpoint(emulation).answer)
    add_control(app, emulation)
    app.router.add_route("*", "/{anything:.*}", _Strays(emulation).answer)
    app.on_response_prepare.append(_mark)
    app.cleanup_ctx.append(_lifetime)
    app.on_shutdown.append(_stop)
    return app


class ProfileEndpoint:
    """`GET /1/profile.json?identity=...` or `?objectId=...`."""

    def __init__(self, emulation: Emulation) -> None:
        self._emulation = emulation

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Say whether one profile exists, with a limit in flight of its own."""
        emulation = self._emulation
        emulation.state.reads += 1
        if not emulation.is_authorised(request):
            return fail("Invalid credentials", 401)
        slots = emulation.reads.slots
        decision = emulation.dials.next_read()
        is_free = slots.arrive(emulation.clock(), emulation.reads.live)
        if not is_free or decision.manner is Manner.THROTTLE:
            return throttled(emulation.dials.faults.retry_after)
        with emulation.reads.occupied(request):
            await asyncio.sleep(emulation.dials.tuning.latency)
            faults = emulation.dials.faults
            if decision.name == "ok":
                response = self._look_up(request)
            else:
                response = decided(decision, faults.redirect_to)
            await deliver(request, response, decision.manner, faults.drip_interval)
            return response

    def _look_up(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        parameters: tuple[tuple[str, Kind], ...] = (("identity", "identity"), ("objectId", "guid"))
        given = [(asked[name], kind) for name, kind in parameters if asked.get(name)]
        if len(given) != 1:
            return fail("Give identity or objectId", 400)
        ((one, kind),) = given
        emulation = self._emulation
        if not emulation.state.profiles.exist(kind, one, emulation.clock()):
            return self._gone()
        record = {"identity": one} if kind == "identity" else {"objectId": one}
        return json_answer(msgspec.json.encode({"status": "success", "record": record}))

    def _gone(self) -> web.Response:
        match self._emulation.config.gone_style:
            case "404":
                return fail("Profile not found", 404)
            case "400":
                return fail("Profile not found", 400)
            case "200":
                return json_answer(b'{"status":"success"}')


class _Strays:
    """Everything that is not the API: counted, because a client that comes here is astray."""

    def __init__(self, emulation: Emulation) -> None:
        self._emulation = emulation

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self._emulation.state.strays += 1
        if request.path in {self._emulation.config.dialect.path, _PROFILE}:
            return self._fail("Method not allowed", 405)
        return self._fail("Not found", 404)

    def _fail(self, error: str, status: int) -> web.Response:
        return json_answer(self._emulation.config.dialect.failure(error, status), status)


async def _mark(request: web.Request, response: web.StreamResponse) -> None:
    """Mark the answers that the library makes by itself, too."""
    del request
    response.headers.update(MARK)


async def _lifetime(app: web.Application) -> AsyncIterator[None]:
    emulation = app[EMULATION]
    emulation.open()
    yield
    emulation.close()


async def _stop(app: web.Application) -> None:
    app[EMULATION].stop()
