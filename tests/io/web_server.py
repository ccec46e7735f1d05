"""A real file server on loopback, over TLS or not, that errs when it is told to."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CHANGED = 1_760_000_000


@dataclass
class Kept:
    """One file."""

    data: bytes
    etag: str = '"v1"'
    modified: float | None = CHANGED


@dataclass
class Files:
    """The files, what was asked for them, and what happens to a request (numbered from 1).

    `fault` gets the request's number and path, and returns what to do instead of answering well:
    "cut" (half of the body, then the end), "silent" (nothing), "ranges" (takes no notice of them),
    "other" (another range), "packed", "nameless" (no version), a status, or None.
    """

    kept: dict[str, Kept] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0
    fault: Callable[[int, str], str | int | None] = lambda _number, _path: None
    faults: int = 0
    url: str = ""
    moved_to: str = ""


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Files]:
    """Serve until the end of the block."""
    files = Files()

    class Handler(_Handler):
        shared = files

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    files.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that left
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        thread.join()
        server.socket.close()


class _Handler(BaseHTTPRequestHandler):
    shared: Files
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - as its base has it
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer, or err."""
        files = self.shared
        files.asked.append((self.path, self.headers.get("Range", "")))
        files.headers.append({name.lower(): value for name, value in self.headers.items()})
        fault = files.fault(len(files.asked), self.path)
        files.faults += fault is not None
        if isinstance(fault, int):
            self._status(fault)
            return
        if fault == "silent":
            self.close_connection = True
            return
        kept = files.kept.get(self.path)
        if kept is None:
            self._status(404)
        elif self.headers.get("If-Match", kept.etag) != kept.etag:
            self._status(412)
        else:
            self._give(kept, fault)

    def _give(self, kept: Kept, fault: str | None) -> None:
        data, size = kept.data, len(kept.data)
        start, end = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        body = data[start : end + 1]
        if not body and fault != "ranges":
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
        elif fault == "ranges":
            body = data
            self.send_response(200)
        else:
            shift = fault == "other" and start > 0
            body = data[start - shift : end + 1 - shift]
            self.send_response(206)
            self.send_header(
                "Content-Range", f"bytes {start - shift}-{start - shift + len(body) - 1}/{size}"
            )
        if fault != "nameless" and kept.etag:
            self.send_header("ETag", kept.etag)
        if fault != "nameless" and kept.modified is not None:
            self.send_header("Last-Modified", formatdate(kept.modified, usegmt=True))
        if fault == "packed":
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "cut":
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)
        self.shared.sent += len(body)

    def _status(self, status: int) -> None:
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", self.shared.moved_to)
        self.send_header("Content-Length", "0")
        self.end_headers()
