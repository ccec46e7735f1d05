"""The delete endpoint: one request from the arrival of its headers to the end of its answer."""

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from aiohttp import web

from bulkdelete.emulator.answers import decided, deliver, drop, fail, send, throttled
from bulkdelete.emulator.faults import Decision, Manner
from bulkdelete.emulator.state import Attempt, Kind
from bulkdelete.emulator.traffic import Emulation

_One = Annotated[str, msgspec.Meta(min_length=1)]
_Many = Annotated[list[_One], msgspec.Meta(min_length=1, max_length=100)]


class _Body(msgspec.Struct):
    identity: _One | _Many | msgspec.UnsetType = msgspec.UNSET
    guid: _One | _Many | msgspec.UnsetType = msgspec.UNSET


_DECODER: Final = msgspec.json.Decoder(_Body)


@dataclass(frozen=True, slots=True)
class Order:
    """What a well-formed body asks for: 1..100 IDs of one kind."""

    kind: Kind
    ids: list[str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a body is refused, and what that is called in the log."""

    error: str
    verdict: str = "bad_request"
    status: int = 400


def read_order(body: bytes) -> Order | Refusal:
    """Return what `body` asks for. The error says what is wrong and never repeats an ID."""
    try:
        asked = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        return Refusal(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Refusal("The body is not JSON")
    if asked.identity is not msgspec.UNSET and asked.guid is not msgspec.UNSET:
        return Refusal("Give identity or guid, not both")
    if asked.identity is not msgspec.UNSET:
        return Order("identity", _listed(asked.identity))
    if asked.guid is not msgspec.UNSET:
        return Order("guid", _listed(asked.guid))
    return Refusal("Give identity or guid")


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


class DeleteEndpoint:
    """`POST /1/delete/profiles.json`."""

    def __init__(self, emulation: Emulation) -> None:
        self._emulation = emulation
        config = emulation.config
        self._poison = _poison(config.refuse_ids, config.refuse_pattern)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request. Up to the slot nothing awaits, so arrivals are judged in order."""
        emulation = self._emulation
        attempt = emulation.arrive()
        if not emulation.is_authorised(request):
            return await self._turn_away(
                request, attempt, "unauthorized", fail("Invalid credentials", 401)
            )
        if not emulation.state.slots.arrive(attempt.arrived, emulation.deletes.live):
            return await self._turn_away(request, attempt, "throttled", self._throttled())
        decision, seconds = emulation.dials.next_delete()
        if decision.manner is Manner.THROTTLE:
            return await self._turn_away(
                request, attempt, decision.name, self._throttled(), fault=decision.name
            )
        try:
            with emulation.deletes.occupied(request):
                return await self._process(request, attempt, decision, seconds)
        finally:
            met = decision.name if attempt.verdict == decision.name else "ok"
            if attempt.verdict == "pending":
                attempt.verdict = "cancelled"
            emulation.settle(attempt, fault=met, success=decision.is_success)

    async def _turn_away(
        self,
        request: web.Request,
        attempt: Attempt,
        verdict: str,
        response: web.Response,
        fault: str = "ok",
    ) -> web.StreamResponse:
        attempt.verdict = verdict
        try:
            attempt.answered = await send(request, response)
        finally:
            self._emulation.settle(attempt, fault=fault)
        return response

    async def _process(
        self, request: web.Request, attempt: Attempt, decision: Decision, seconds: float
    ) -> web.StreamResponse:
        order = await self._receive(request, attempt)
        if decision.manner is Manner.DROP and not decision.acts:
            attempt.verdict = decision.name
            drop(request)
            return web.Response()
        if seconds:
            await asyncio.sleep(seconds)
        if isinstance(order, Refusal) and (decision.acts or order.verdict == "incomplete"):
            attempt.verdict = order.verdict
            response = fail(order.error, order.status)
            attempt.answered = await send(request, response)
            return response
        if decision.acts and isinstance(order, Order):
            emulation = self._emulation
            emulation.state.act(attempt, order.kind, order.ids, emulation.clock())
        attempt.verdict = "accepted" if decision.name == "ok" else decision.name
        faults = self._emulation.dials.faults
        response = decided(decision, faults.redirect_to)
        attempt.answered = await deliver(request, response, decision.manner, faults.drip_interval)
        return response

    async def _receive(self, request: web.Request, attempt: Attempt) -> Order | Refusal:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return Refusal("The body is too large", "too_large", 413)
        except (ConnectionError, web.RequestPayloadError):
            return Refusal("The body is incomplete", "incomplete")
        attempt.digest = hashlib.sha256(body).digest()
        order = read_order(body)
        if isinstance(order, Order):
            attempt.kind, attempt.count = order.kind, len(order.ids)
            if self._poison is not None and self._poison(order.ids):
                return Refusal("Invalid identity or guid", "refused_ids")
        return order

    def _throttled(self) -> web.Response:
        return throttled(self._emulation.dials.faults.retry_after)


def _poison(refused: frozenset[str], pattern: str | None) -> Callable[[list[str]], bool] | None:
    """Return a test for chunks that are refused whole, or None if there is no such ID."""
    if pattern is not None:
        search = re.compile(pattern).search
        return lambda ids: not refused.isdisjoint(ids) or any(map(search, ids))
    return (lambda ids: not refused.isdisjoint(ids)) if refused else None
