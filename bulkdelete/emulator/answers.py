"""Responses, and the ways their delivery goes wrong."""

import asyncio
from typing import Final

from aiohttp import web

from bulkdelete.emulator.faults import HTML, JSON, SUCCESS, Decision, Manner, fail_body

MARK: Final = {"X-Emulator": "bulkdelete"}
_MISSING_BYTES: Final = 64
_GONE_POLL: Final = 0.02


def json_answer(body: bytes, status: int = 200) -> web.Response:
    """Return `body`, which is JSON already, with the emulator's mark."""
    return web.Response(body=body, status=status, content_type=JSON, headers=MARK)


def fail(error: str, status: int) -> web.Response:
    """Return the API's failure object; its `code` is the status."""
    return json_answer(fail_body(error, status), status)


def throttled(retry_after: str | None) -> web.Response:
    """Return the answer to one request too many, with a hint only if one is configured."""
    answer = fail("Too many concurrent requests", 429)
    if retry_after is not None:
        answer.headers["Retry-After"] = retry_after
    return answer


def decided(decision: Decision, redirect_to: str) -> web.Response:
    """Return the response a decision spells out."""
    if decision.status == 200 and decision.body is SUCCESS:  # noqa: PLR2004
        return json_answer(SUCCESS)
    answer = web.Response(
        body=decision.body,
        status=decision.status,
        content_type=decision.content_type,
        charset="utf-8" if decision.content_type == HTML else None,
        headers=MARK,
    )
    if 300 <= decision.status < 400:  # noqa: PLR2004
        answer.headers["Location"] = redirect_to
    return answer


def is_gone(request: web.Request) -> bool:
    """Return whether the client's connection is lost, as far as the kernel has told."""
    transport = request.transport
    return transport is None or transport.is_closing()


async def send(request: web.Request, response: web.StreamResponse) -> bool:
    """Write the whole response now; return False if the client is gone.

    The server would write what a route returns only after the route has ended, and a slot must
    not be free before the answer is on its way.
    """
    if is_gone(request):
        return False
    try:
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError:
        return False
    return True


async def deliver(
    request: web.Request, response: web.Response, manner: Manner, drip_interval: float
) -> bool:
    """Deliver `response` in that manner; return whether the client was handed all of it."""
    match manner:
        case Manner.DROP:
            drop(request)
        case Manner.CUT:
            await _cut(request, response)
        case Manner.DRIP:
            return await _drip(request, response, drip_interval)
        case Manner.HANG:
            while not is_gone(request):  # noqa: ASYNC110 - nothing tells when a client leaves
                await asyncio.sleep(_GONE_POLL)
        case Manner.WHOLE | Manner.THROTTLE:
            return await send(request, response)
    return False


def drop(request: web.Request) -> None:
    """Close the connection without a word."""
    if request.transport is not None:
        request.transport.abort()


async def _cut(request: web.Request, response: web.Response) -> None:
    """Send half of the body, announce more than all of it, and close."""
    content = _content(response)
    partial = _stream(response, len(content) + _MISSING_BYTES)
    try:
        await partial.prepare(request)
        await partial.write(content[: max(1, len(content) // 2)])
    except ConnectionError:
        return
    if request.transport is not None:
        request.transport.close()  # not abort: what was written must arrive


async def _drip(request: web.Request, response: web.Response, interval: float) -> bool:
    """Send the body one byte at a time."""
    content = _content(response)
    slow = _stream(response, len(content))
    try:
        await slow.prepare(request)
        for byte in content:
            await asyncio.sleep(interval)  # before the byte: the slot is free right after the last
            if is_gone(request):
                return False
            await slow.write(bytes((byte,)))
        await slow.write_eof()
    except ConnectionError:
        return False
    return True


def _content(response: web.Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""


def _stream(response: web.Response, length: int) -> web.StreamResponse:
    stream = web.StreamResponse(status=response.status, headers=MARK)
    stream.content_type = response.content_type
    stream.content_length = length
    return stream
