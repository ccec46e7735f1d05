"""What blocks, in a thread of its own that nobody has to wait for.

The loop's own threads are waited for at the end: one that hangs on a silent resolver or a slow
store holds up the end of a process that was told to leave.
"""

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def aside(function: "Callable[[], T]", name: str) -> T:
    """Call something that blocks; cancelled, leave it alone with whatever it still does."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(settled: "Callable[[Any], None]", value: object) -> None:
        if not future.done():
            settled(value)

    def call() -> None:
        settled: Callable[[Any], None] = future.set_result
        value: object
        try:
            value = function()
        except Exception as error:  # noqa: BLE001 - whoever waits is told of it
            settled, value = future.set_exception, error
        with suppress(RuntimeError):  # the loop may be gone by now
            loop.call_soon_threadsafe(settle, settled, value)

    threading.Thread(target=call, name=name, daemon=True).start()
    return await future
