"""The account's slots, shared by machines through leases in a Redis (extra `redis`).

One task says in exchanges what this process holds, wants and gives back, one at a time, as soon as
there is something to say; the script beside this module answers. What is released and what is
wanted at the same moment go in one exchange. Another task hears that somebody waits, or that a
slot is kept ready. While Redis does not answer nothing is handed out but what is surely still held.
"""

import asyncio
import hashlib
import secrets
import ssl
import time
from collections import deque
from contextlib import contextmanager, suppress
from importlib import resources
from typing import TYPE_CHECKING, Self, cast

import structlog

from bulkdelete.core.keeper import Keeper, code_word, passes, unfit
from bulkdelete.core.leases import Ask, Book, Terms, Told
from bulkdelete.errors import Stopped, UsageError
from bulkdelete.io.slots import Lease

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator
    from types import TracebackType

    from redis.asyncio import Redis


ANSWER_SECONDS = 2.0
"""How long Redis may take to connect, and to answer, before it counts as lost."""

RETRY_SECONDS = 0.25
"""Between two tries while it is."""

TERMS = Terms()

GOODBYE_SECONDS = 0.75
"""How long the last words may take; what is not said then ends by itself."""

TIDY_SECONDS = 0.25
"""And after them closing the connections."""

_SCRATCH = "bulkdelete:slots:doctor"

_REHEARSAL = """
redis.call('INFO', 'server')
redis.call('TIME')
redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], '', 'PX', 1)
redis.call('PUBLISH', KEYS[1], '')
"""
"""All that the script of the slots calls."""

_log = structlog.get_logger("bulkdelete")

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Return seconds that go on while the machine sleeps, where the system has such a clock."""
    return time.clock_gettime(_CLOCK)


def key_of(host: str, account: str) -> str:
    """Name an account's state: host and account are hashed.

    The number is that of the script's protocol: parties of different ones never meet.
    """
    name = hashlib.sha256(f"{host}\n{account}".encode()).hexdigest()[:24]
    return f"bulkdelete:slots:1:{name}"


def check_extra() -> None:
    """UsageError when the extra is missing."""
    try:
        import redis.asyncio  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise UsageError(
            "missing_extra",
            "--slots needs the extra `redis`; nothing was sent",
            "pip install 'bulkdelete[redis]'",
        ) from error


def connection(keeper: Keeper) -> "Redis":
    """Return what speaks to a Redis; UsageError when the extra is missing."""
    check_extra()
    from redis.asyncio import Redis  # noqa: PLC0415 - an extra
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    return Redis(
        host=keeper.host,
        port=keeper.port,
        db=keeper.db,
        username=keeper.user,
        password=keeper.password,
        ssl=keeper.tls,
        protocol=2,  # redis-py's own would begin with HELLO, which Redis 5 does not know
        socket_keepalive=True,  # who only listens would not notice that the other end is gone
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        # When and whether again is decided here: an exchange is not to be made twice unseen.
        retry=Retry(NoBackoff(), 0),
        ssl_cert_reqs="required",
        ssl_check_hostname=True,
    )


@contextmanager
def _told_of(keeper: Keeper) -> "Iterator[None]":
    """Make of what a Redis does not do what a person is told; what it says is not repeated.

    UsageError when it refuses, Stopped when it does not answer, or refuses for a while only.
    """
    from redis.exceptions import (  # noqa: PLC0415 - an extra
        AuthenticationError,
        AuthorizationError,
        RedisError,
        ResponseError,
    )

    try:
        yield
    except (AuthenticationError, AuthorizationError) as error:
        raise _refused(keeper, "refuses the password, or wants one") from error
    except ResponseError as error:
        if passes(word := _word(error)):
            raise _lost(keeper, f"refuses to work at present ({word})") from error
        why = f" ({word})" if word else ""
        raise _refused(keeper, f"does not let this user do what is needed{why}") from error
    except (RedisError, OSError, ValueError) as error:
        if _of_tls(error):
            raise _refused(keeper, "could not prove who it is (TLS)") from error
        raise _lost(keeper, "does not answer") from error


def _word(error: Exception) -> str:
    """Return the code word of what Redis refused, which redis-py may have made a class of."""
    name = type(error).__name__.removesuffix("Error")
    return code_word(str(error)) or ("" if name == "Response" else name)


async def inform(redis: "Redis", keeper: Keeper) -> dict[str, object]:
    """Ask a Redis about itself; UsageError when it refuses, Stopped when it does not answer."""
    with _told_of(keeper):
        return cast("dict[str, object]", await redis.info())


def _of_tls(error: BaseException | None) -> bool:
    """Tell whether it came of a certificate, or of what speaks no TLS; a cut is neither."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    cut = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
    return error is not None and not isinstance(error, cut)


async def look(keeper: Keeper) -> tuple[dict[str, object], float]:
    """Return what a Redis says of itself, and the seconds that it takes to run a script.

    UsageError when it refuses what the slots need, Stopped when it does not answer. What is
    written there is a key of its own, and over after a millisecond.
    """
    async with connection(keeper) as redis:
        info = await inform(redis, keeper)
        took = []
        with _told_of(keeper):
            async with redis.pubsub() as heard:
                await heard.subscribe(_SCRATCH)
                await heard.get_message(timeout=ANSWER_SECONDS)
            scratch = redis.register_script(_REHEARSAL)
            for _ in range(5):
                began = now()
                await cast("Awaitable[object]", scratch(keys=[_SCRATCH]))
                took.append(now() - began)
        return info, sorted(took)[len(took) // 2]


def _lost(keeper: Keeper, how: str) -> Stopped:
    return Stopped(
        "slots_lost",
        f"{keeper}, which keeps the account's slots, {how}; nothing was sent",
        "see that it is well: bulkdelete doctor; then run the same command again",
    )


def _refused(keeper: Keeper, why: str) -> UsageError:
    return UsageError(
        "slots_refused",
        f"{keeper} {why}; nothing was sent",
        "see --slots, and its password in BULKDELETE_SLOTS_PASSWORD or --slots-password-file",
    )


class LeasedSlots:
    """`count` slots of one account at one host, leased from a Redis; an async context manager."""

    def __init__(self, keeper: Keeper, host: str, account: str, count: int, terms: Terms) -> None:
        self._key = key_of(host, account)
        self._keeper = keeper
        self._party = secrets.token_hex(8)
        self._terms = terms
        self._book = Book(terms, count)
        self._waiters: deque[asyncio.Future[Lease]] = deque()
        self._poked = asyncio.Event()
        self._listening = asyncio.Event()
        self._lost = ""
        self._closing = False
        self._bug: Exception | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """See that Redis is there and fit, and does what will be asked of it.

        UsageError when it cannot keep slots, Stopped when it does not answer.
        """
        self._redis = connection(self._keeper)
        self._script = self._redis.register_script(
            resources.files(__package__).joinpath("slots.lua").read_text("utf-8")
        )
        try:
            await self._check()
        except BaseException:
            await self._redis.aclose()
            raise
        self._tasks = [
            asyncio.create_task(self._speak_up(), name="slots"),
            asyncio.create_task(self._hear(), name="slots-heard"),
        ]
        with suppress(TimeoutError):  # without it all is told in exchanges, later
            await asyncio.wait_for(self._listening.wait(), ANSWER_SECONDS)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        """Give all back; where Redis is lost, the leases end by themselves."""
        if self._closing:
            return
        speaking, hearing = self._tasks
        self._closing = True  # an exchange that is on its way is not to be overtaken by the last
        self._poked.set()
        hearing.cancel()
        with suppress(TimeoutError, *_failures()):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await asyncio.gather(speaking, return_exceptions=True)
                if not self._lost:
                    await self._said(self._book.part(now()))
        with suppress(TimeoutError, *_failures()):
            async with asyncio.timeout(TIDY_SECONDS):
                await asyncio.gather(speaking, hearing, return_exceptions=True)
                await self._redis.aclose()

    async def _check(self) -> None:
        """See that it is fit, and does what is asked; the first exchange asks for nothing."""
        if why := unfit(await inform(self._redis, self._keeper)):
            raise _refused(self._keeper, why)
        with _told_of(self._keeper):
            await cast("Awaitable[object]", self._redis.register_script(_REHEARSAL)([_SCRATCH]))
            ask = self._book.ask(sent := now(), 0)
            self._hear_told(ask, await self._said(ask), sent)

    async def acquire(self) -> Lease:
        """Wait for a free slot and hold it."""
        if self._bug is not None:
            raise self._bug
        if not self._waiters and (lease := self._take()) is not None:
            return lease
        future: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        self._waiters.append(future)
        self._poked.set()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                future.result().release()
            elif future in self._waiters:
                self._waiters.remove(future)
                self._poked.set()
            raise

    def resize(self, count: int) -> None:
        """Use so many from now on; those above that are held go back in time."""
        self._book.resize(count)
        self._poked.set()

    def busy(self) -> tuple[str, float]:
        """Say why there is none: Redis is lost, or refuses, or is new, or others have them."""
        if self._lost:
            return self._lost, 0.0
        hold = self._book.hold - now()
        return ("slots_new", hold) if hold > 0 else ("slots", 0.0)

    def good(self, number: int, stamp: int) -> bool:
        """Tell whether a request may leave on a slot."""
        return self._book.good(number, stamp, now())

    def release(self, number: int) -> None:
        """Give a slot back: to who waits here, or there, or it is kept for the next request."""
        self._book.release(number, now())
        self._serve()
        self._poked.set()

    def _take(self) -> Lease | None:
        taken = self._book.take(now())
        return None if taken is None else _Leased(self, *taken)

    def _serve(self) -> None:
        """Give what is free to who waits here, first come, first served."""
        while self._waiters and (lease := self._take()) is not None:
            future = self._waiters.popleft()
            if future.done():  # it was cancelled just now
                lease.release()
            else:
                future.set_result(lease)

    async def _speak_up(self) -> None:
        """Let who waits know when that ends by a bug: nobody would ever be answered."""
        try:
            await self._speak()
        except Exception as error:  # noqa: BLE001 - whatever it is, the run must stop
            self._bug = error
            for future in self._waiters:
                if not future.done():
                    future.set_exception(error)
            self._waiters.clear()

    async def _speak(self) -> None:
        """Make one exchange after the other, whenever there is something to say."""
        while await self._something():
            sent = now()
            ask = self._book.ask(sent, len(self._waiters))
            try:
                told = await self._said(ask)
            except _failures() as error:
                self._lose(error)
                await self._hang_up()
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if self._lost:
                self._lost = ""
                _log.info("slots.back", keeper=str(self._keeper))
            self._hear_told(ask, told, sent)
            self._serve()

    def _lose(self, error: Exception) -> None:
        """Note that Redis is lost, and how: it does not answer, or refuses what is asked."""
        from redis.exceptions import ResponseError  # noqa: PLC0415 - an extra

        refuses = isinstance(error, ResponseError)
        lost = "slots_refused" if refuses else "slots_lost"
        if lost != self._lost:
            why = (_word(error) if refuses else "") or type(error).__name__
            _log.warning("slots.lost", keeper=str(self._keeper), why=why)
        self._lost = lost

    def _hear_told(self, ask: Ask, told: Told, sent: float) -> None:
        """Take in an answer; say so where it is that of a Redis that knows nothing yet."""
        if told.hold and not self._book.hold:
            _log.warning("slots.new", keeper=str(self._keeper), seconds=round(told.hold, 1))
        self._book.hear(ask, told, sent, now())

    async def _hang_up(self) -> None:
        """Come to the same address anew: who answers there may be another by now.

        A primary that became a replica closes no connection; it refuses whatever it is told.
        """
        self._listening.clear()
        with suppress(*_failures()):
            await self._redis.connection_pool.disconnect(inuse_connections=False)

    async def _something(self) -> bool:
        """Wait until there is something to say; False at the end."""
        while not self._closing:
            self._book.make_way()  # what was released, and not taken again at once
            if (seconds := self._book.due(now(), len(self._waiters))) == 0.0:
                return True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._poked.wait(), seconds)
            self._poked.clear()
        return False

    async def _said(self, ask: Ask) -> Told:
        words = ask.words(self._party, self._terms)
        answer = self._script(keys=[self._key], args=words)
        return Told.of(await cast("Awaitable[list[int]]", answer))

    async def _hear(self) -> None:
        """Hear who waits, and what is kept ready; a word that is missed is told in an exchange."""
        while True:
            with suppress(*_failures()):
                async with self._redis.pubsub(ignore_subscribe_messages=True) as heard:
                    await heard.subscribe(self._key)
                    await heard.get_message(timeout=ANSWER_SECONDS)  # that it is done
                    self._listening.set()
                    while self._listening.is_set():
                        message = await heard.get_message(timeout=self._terms.renew)
                        if message is not None:
                            self._heard(bytes(message["data"]).decode("ascii", "replace"))
            await asyncio.sleep(RETRY_SECONDS)

    def _heard(self, word: str) -> None:
        if word == self._party:
            self._book.called()
        elif word.startswith("*") and word != f"*{self._party}":
            self._book.others_came()
        else:
            return
        self._poked.set()


class _Leased:
    """A leased slot; giving it back twice is once."""

    def __init__(self, slots: LeasedSlots, number: int, stamp: int) -> None:
        self._slots = slots
        self._number = number
        self._stamp = stamp
        self._released = False

    def good(self) -> bool:
        """Tell whether it is held for longer than a request can take."""
        return self._slots.good(self._number, self._stamp)

    def release(self) -> None:
        if not self._released:
            self._released = True
            self._slots.release(self._number)


def _failures() -> tuple[type[Exception], ...]:
    """Return what says that Redis is lost: it cannot be reached, or does not do what is asked."""
    from redis.exceptions import RedisError  # noqa: PLC0415 - an extra

    return RedisError, OSError, ValueError
