"""What many would write: requests in a pool of threads. `threads.py URL FILE IN_FLIGHT`."""

import csv
import itertools
import sys
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from concurrent.futures import Future

_HEADERS = {"X-CleverTap-Account-Id": "BENCH", "X-CleverTap-Passcode": "bench"}
_own = threading.local()


def send(url: str, ids: list[str]) -> None:
    """Send one body over the thread's own session."""
    if not hasattr(_own, "session"):
        _own.session = requests.Session()
        _own.session.headers.update(_HEADERS)
    response = _own.session.post(url, json={"identity": ids}, timeout=60)
    if response.status_code != requests.codes.ok or response.json()["status"] != "success":
        raise SystemExit("refused")


def chunks(path: str) -> Iterator[list[str]]:
    """Read the column, 100 at a time."""
    with open(path, newline="", encoding="utf-8") as file:  # noqa: PTH123 - as a script has it
        rows = csv.DictReader(file)
        while ids := [row["identity"] for row in itertools.islice(rows, 100)]:
            yield ids


def main(url: str, path: str, in_flight: int) -> None:
    """Keep the pool busy, and not much more than that in memory."""
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(in_flight) as pool:
        for ids in chunks(path):
            waiting.append(pool.submit(send, url + "/1/delete/profiles.json", ids))
            if len(waiting) > 4 * in_flight:
                waiting.popleft().result()
        for one in waiting:
            one.result()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
