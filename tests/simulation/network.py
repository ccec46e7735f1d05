"""The server and the way to it: the fake beside `io.client.Client`, with faults by seed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Self

from bulkdelete.core.model import Answer, Lost, Reply
from bulkdelete.targets.clevertap import CLEVERTAP
from tests.simulation.judge import LINGER
from tests.simulation.oracle import ViolationError

if TYPE_CHECKING:
    from tests.simulation.judge import Judge, Sent
    from tests.simulation.process import SimProcess

Headers = Mapping[str, tuple[str, ...]]

SUCCESS = b'{"status":"success"}'
HTML = b"<html><body>Service Unavailable</body></html>"
_JSON = {"content-type": ("application/json",)}
_HTML = {"content-type": ("text/html",)}


def _fail(code: str) -> bytes:
    return b'{"status":"fail","error":"no",' + code.encode() + b"}"


PLAIN: dict[str, tuple[int, bytes, Headers, bool, str]] = {
    "answer_empty": (200, b"", _JSON, True, "unclear"),
    "answer_html": (200, HTML, _HTML, True, "html"),
    "answer_wrong_json": (200, b'["success"]', _JSON, True, "unclear"),
    "answer_twice_status": (200, b'{"status":"fail","status":"success"}', _JSON, True, "unclear"),
    "fail_plain": (200, b'{"status":"fail","error":"no"}', _JSON, True, "refused"),
    "fail_429": (200, _fail('"code":429'), _JSON, True, "throttled"),
    "fail_503": (200, _fail('"code":"503"'), _JSON, True, "unclear"),
    "fail_401": (200, _fail('"code":401'), _JSON, True, "abort"),
    "http_400": (400, _fail('"code":400'), _JSON, True, "refused"),
    "http_409": (409, b"", _JSON, True, "refused"),
    "http_413": (413, HTML, _HTML, True, "refused"),
    "http_422": (422, b"{}", _JSON, True, "refused"),
    "http_404_json": (404, _fail('"code":404'), _JSON, True, "not_found"),
    "http_404_html": (404, HTML, _HTML, True, "abort"),
    "http_401": (401, _fail('"code":401'), _JSON, True, "abort"),
    "http_403": (403, b"", _JSON, True, "abort"),
    "http_405": (405, b"", _JSON, True, "abort"),
    "http_3xx": (302, b"", {"location": ("https://elsewhere.example/",)}, True, "abort"),
    "http_408": (408, b"", _JSON, True, "unclear"),
    "http_429": (429, _fail('"code":429'), _JSON, True, "throttled"),
    "http_503": (503, HTML, _HTML, True, "unclear"),
    "http_500_html": (500, HTML, _HTML, True, "unclear"),
}
"""Fault -> status, body, headers, complete, and what that says in the judge's words."""

NO_CONNECTION = frozenset({"connect_failed", "dns_failed", "tls_failed", "connect_timeout"})
MAY_HAVE_ACTED = frozenset({"answer_empty", "answer_html", "answer_wrong_json", "http_500_html"})
ACTED = frozenset({"answer_twice_status"})

NONSENSE: tuple[tuple[str, ...], ...] = (
    ("-1",),
    ("0",),
    ("soon",),
    ("NaN",),
    ("1e999",),
    ("Wed, 21 Oct 2015 07:28:00 GMT",),
    ("",),
    ("5", "7"),
)
SERVER_DATE = "Wed, 21 Oct 2065 07:28:00 GMT"
RETRY_DATE = "Wed, 21 Oct 2065 07:28:30 GMT"
SKEWED_WAIT = 30.0
"""Seconds between the two: the server's clock is wrong, and the difference is right."""


@dataclass(slots=True)
class Server:
    """What is at the other end, for as long as the world lasts.

    `ill` is the share of requests that meet a fault of `mix`; `bad` are IDs that it refuses;
    `connects` is the share of requests that need a new connection, and how long that takes at most.
    """

    dice: Random
    judge: "Judge"
    ill: float
    mix: dict[str, float]
    bad: frozenset[tuple[int, int]]
    slots: int
    neighbours: float
    latency: tuple[float, float]
    connects: tuple[float, float] = (0.0, 0.0)
    script: Callable[[int, float], str | None] | None = None

    def draw_fault(self, number: int, now: float) -> str | None:
        """Return what befalls this request, None for nothing."""
        if self.script is not None:
            return self.script(number, now)
        if self.dice.random() >= self.ill:
            return None
        names = list(self.mix)
        return self.dice.choices(names, [self.mix[name] for name in names])[0]

    def draw_connect(self) -> float:
        """Return how long a connection takes: mostly nothing, for there is one."""
        share, longest = self.connects
        return self.dice.uniform(0.0, longest) if share and self.dice.random() < share else 0.0

    def draw_latency(self) -> float:
        """Return how long an answer takes."""
        return self.dice.uniform(*self.latency)


class SimTransport:
    """What one process start can send with."""

    def __init__(self, server: Server, process: "SimProcess", timeout: float) -> None:
        self._server = server
        self._process = process
        self._judge = server.judge
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def post(
        self,
        path: str,
        body: bytes,
        clear: Callable[[], Awaitable[bool]],
        departed: Callable[[], None],
    ) -> Reply:
        """Send one request through the world."""
        loop = asyncio.get_running_loop()
        if path != CLEVERTAP.delete_path:
            raise ViolationError("S3", f"a request to {path}")
        deadline = loop.time() + self._timeout
        fault = self._server.draw_fault(len(self._judge.sent) + 1, loop.time())
        connected = fault not in NO_CONNECTION
        if connected and (seconds := self._server.draw_connect()):
            self._fire("connect_slow")
            await asyncio.sleep(min(seconds, self._timeout))
        if connected and not await clear():
            self._fire("withheld")
            return Lost("withheld", sent=False)
        sent = self._judge.posting(body, loop.time(), self._process.wall(), starts=connected)
        self._process.note("request", sent.span, sent.attempt, fault)
        try:
            reply = await self._exchange(sent, fault, deadline, departed)
        except asyncio.CancelledError:
            if self._process.interrupted_at is not None:
                self._fire("grace_over")
            self._end(sent, "unclear" if sent.left else "failed")
            raise
        if isinstance(reply, Answer) and loop.time() > deadline + 0.001:
            # The process was frozen: the deadline came first.
            reply = Lost("timeout", sent=True, abandoned=True)
        said, stops = self._meaning(sent, fault, reply)
        self._end(sent, said, stops=stops)
        now = loop.time()
        if isinstance(reply, Lost):
            if reply.abandoned:
                sent.holds_until = now + min(self._timeout, LINGER)
        elif (asked := _asked(reply)) > 0:
            self._judge.hold(now + asked)
        return reply

    def _end(self, sent: "Sent", said: str, *, stops: bool = False) -> None:
        self._process.note("answer", sent.span, sent.attempt, said)
        self._judge.told(sent, said, asyncio.get_running_loop().time(), stops=stops)

    async def _exchange(
        self,
        sent: "Sent",
        fault: str | None,
        deadline: float,
        departed: Callable[[], None],
    ) -> Reply:
        if fault is not None and fault in NO_CONNECTION:
            return await self._no_connection(fault)
        self._judge.first_byte(sent)
        self._process.occasion("killed_at_first_byte")
        if fault == "cut_in_body":
            self._fire(fault)
            return Lost("connection_lost", sent=True)
        departed()
        if fault is None and self._busy(sent):
            await self._wait(deadline)
            return _answer(*PLAIN["http_429"][:4])
        if fault in {"dropped_before_acting", "timeout_before_acting"}:
            return await self._nothing_back(fault, deadline)
        return await self._acting(sent, fault, deadline)

    async def _no_connection(self, fault: str) -> Lost:
        self._fire(fault)
        await asyncio.sleep(min(10.0, self._timeout) if fault == "connect_timeout" else 0.001)
        reason = {"dns_failed": "dns", "tls_failed": "tls"}.get(fault, fault)
        return Lost(reason, sent=False, untrusted=fault == "tls_failed")

    async def _nothing_back(self, fault: str, deadline: float) -> Lost:
        self._fire(fault)
        if fault.startswith("timeout"):
            await asyncio.sleep(deadline - asyncio.get_running_loop().time())
            return Lost("timeout", sent=True, abandoned=True)
        await self._wait(deadline)
        return Lost("connection_lost", sent=True)

    async def _acting(self, sent: "Sent", fault: str | None, deadline: float) -> Reply:
        dice = self._server.dice
        seq, lo, hi = sent.span
        bad = tuple(one - lo for one in range(lo, hi) if (seq, one) in self._server.bad)
        if fault is None and bad:
            self._fire("bad_id_refused")
            await self._wait(deadline)
            return _answer(*PLAIN["http_400"][:4])
        if fault is not None and fault.startswith("partial"):
            return await self._partly(sent, fault, deadline)
        acts = fault is None or fault in ACTED or fault in _ACTING
        if acts or (fault in MAY_HAVE_ACTED and dice.random() < 0.5):
            self._judge.acted(sent)
            self._process.occasion("killed_at_act")
        if fault in {"dropped_after_acting", "timeout_after_acting"}:
            return await self._nothing_back(fault, deadline)
        if fault is not None:
            self._fire(fault)
        await self._wait(deadline, late=fault == "answer_late")
        if fault is None or fault == "answer_late":
            return _answer(200, SUCCESS, _JSON, complete=True)
        if fault == "answer_cut":
            return _answer(200, SUCCESS[: dice.randrange(len(SUCCESS))], _JSON, complete=False)
        return self._refusal(fault)

    def _refusal(self, fault: str) -> Answer:
        if fault in PLAIN:
            return _answer(*PLAIN[fault][:4])
        dice = self._server.dice
        if fault == "http_429_nonsense":
            return _answer(429, b"", {"retry-after": dice.choice(NONSENSE)}, complete=True)
        if fault == "http_429_date":
            named = {"retry-after": (RETRY_DATE,), "date": (SERVER_DATE,)}
            return _answer(429, b"", named, complete=True)
        status = 503 if fault == "http_503_wait" else 429
        seconds = 86_400 if fault == "http_429_long_wait" else dice.choice((1, 5, 30))
        return _answer(status, HTML, {"retry-after": (str(seconds),)}, complete=True)

    async def _partly(self, sent: "Sent", fault: str, deadline: float) -> Answer:
        """Answer as the sister endpoints do: some IDs were not processed."""
        size = sent.span[2] - sent.span[1]
        dice = self._server.dice
        count = size if fault == "partial_all" else dice.randint(1, size)
        sent.bad = tuple(sorted(dice.sample(range(size), count)))
        seq, lo, _ = sent.span
        ids = self._judge.listed.chunks[seq].ids
        named = [ids[lo + one] for one in sent.bad]
        if fault == "partial_unknown":
            named.append("somebody-else")
        self._judge.acted(sent)
        self._fire(fault)
        await self._wait(deadline)
        text = ",".join(f'"{one}"' for one in named)
        body = f'{{"status":"partial","processed":0,"unprocessed":[{text}]}}'
        return _answer(200, body.encode(), _JSON, complete=True)

    def _busy(self, sent: "Sent") -> bool:
        """Tell whether the server's slots are full: with ours, and with what neighbours took."""
        server = self._server
        if server.neighbours and server.dice.random() < server.neighbours:
            self._fire("neighbours_took_slots")
            return True
        begun = self._judge.begun
        mine = [one for one in begun.out if not one.ended] if begun else []
        return len(mine) > server.slots and sent is mine[-1]

    async def _wait(self, deadline: float, *, late: bool = False) -> None:
        now = asyncio.get_running_loop().time()
        until = now + self._server.draw_latency()
        if late:
            until = now + 0.9 * (deadline - now)
        await asyncio.sleep(min(until, deadline) - now)

    def _fire(self, fault: str) -> None:
        self._judge.fired[fault] += 1

    def _meaning(self, sent: "Sent", fault: str | None, reply: Reply) -> tuple[str, bool]:
        """Say in the judge's words what a reply means, and whether the run must stop for it."""
        if isinstance(reply, Lost):
            return ("unclear" if sent.left else "failed"), reply.untrusted
        begun = self._judge.begun
        trusted = begun is not None and begun.trusted
        if fault is None or fault == "answer_late":
            said = {200: "accepted", 429: "throttled"}.get(reply.status, "refused")
        elif fault in PLAIN:
            said = PLAIN[fault][4]
        elif fault in {"partial_some", "partial_all"}:
            said = "partial"
        else:
            said = "throttled" if reply.status == 429 else "unclear"
        if said == "html":
            return "unclear", not trusted
        if said == "not_found":
            said = "refused" if trusted else "abort"
        return said, said == "abort"


_ACTING = frozenset({"dropped_after_acting", "timeout_after_acting", "answer_cut", "answer_late"})


def _of_status(status: int) -> str:
    return "throttled" if status == 429 else "refused"


def _asked(reply: Answer) -> float:
    """Return the seconds that a sane Retry-After asks for, 0.0 when there is none."""
    found = reply.headers.get("retry-after", ())
    if len(found) == 1 and found[0].isdigit():
        return float(found[0])
    return SKEWED_WAIT if found == (RETRY_DATE,) else 0.0


def _answer(status: int, body: bytes, headers: Headers, complete: bool) -> Answer:
    return Answer(status, headers, body, complete)
