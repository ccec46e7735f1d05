"""The delete endpoint: one request from the arrival of its headers to the end of its answer."""

import asyncio
import hashlib
import re
from collections.abc import Callable

from aiohttp import web

from bulkdelete.emulator.answers import decided, deliver, drop, json_answer, send
from bulkdelete.emulator.dialect import Order, Refusal
from bulkdelete.emulator.faults import SUCCESS, Decision, Manner
from bulkdelete.emulator.state import Attempt
from bulkdelete.emulator.traffic import Emulation


class DeleteEndpoint:
    """The POST that deletes."""

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
                request, attempt, "unauthorized", self._fail("Invalid credentials", 401)
            )
        is_free = emulation.state.slots.arrive(attempt.arrived, emulation.deletes.live)
        if not (is_free and emulation.in_time(attempt.arrived)):
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
            response = self._fail(order.error, order.status)
            attempt.answered = await send(request, response)
            return response
        if decision.acts and isinstance(order, Order):
            emulation = self._emulation
            emulation.state.act(attempt, order.kind, order.ids, emulation.clock())
        attempt.verdict = "accepted" if decision.name == "ok" else decision.name
        faults = self._emulation.dials.faults
        if decision.body is SUCCESS and isinstance(order, Order):
            response = self._succeeded(order)
        else:
            response = decided(decision, faults.redirect_to)
        response.headers.update(self._emulation.told())
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
        order = self._emulation.config.dialect.read(body)
        if isinstance(order, Order):
            attempt.kind, attempt.count = order.kind, len(order.ids)
            if self._poison is not None and self._poison(order.ids):
                return Refusal("Invalid identity or guid", "refused_ids")
        return order

    def _succeeded(self, order: Order) -> web.Response:
        dialect = self._emulation.config.dialect
        known = self._emulation.state.profiles.known
        unknown = [one for one in order.ids if not known(order.kind, one)]
        return json_answer(dialect.success(order, unknown), dialect.created)

    def _fail(self, error: str, status: int) -> web.Response:
        return json_answer(self._emulation.config.dialect.failure(error, status), status)

    def _throttled(self) -> web.Response:
        answer = self._fail("Too many concurrent requests", 429)
        answer.headers.update(self._emulation.told())
        if (hint := self._emulation.dials.faults.retry_after) is not None:
            answer.headers["Retry-After"] = hint
        return answer


def _poison(refused: frozenset[str], pattern: str | None) -> Callable[[list[str]], bool] | None:
    """Return a test for chunks that are refused whole, or None if there is no such ID."""
    if pattern is not None:
        search = re.compile(pattern).search
        return lambda ids: not refused.isdisjoint(ids) or any(map(search, ids))
    return (lambda ids: not refused.isdisjoint(ids)) if refused else None
