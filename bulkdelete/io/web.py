"""A list behind an address of the web: ranges of one version, over HTTP itself.

No redirect is followed, no proxy or .netrc is read, TLS is always verified. A server that gives no
ranges, or that does not say by what its versions differ, is refused: what it gives the second time
could be anything.
"""

import re
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from bulkdelete.core.urls import Scheme, masked
from bulkdelete.io.remote import ChangedError, Facts, LostError, RefusedError
from bulkdelete.io.tls import verifying
from bulkdelete.version import __version__

if TYPE_CHECKING:
    from bulkdelete.core.urls import Url

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 30.0
RANGE_SECONDS = 120.0
"""How long a connection, silence in an answer, and a whole answer may last."""

_PIECE = 64 * 1024
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_EMPTY = re.compile(r"bytes \*/0")
_FEED = "feed it in instead: curl -fsS URL | bulkdelete plan -"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: HTTPMessage
    body: bytes


class Web:
    """One file of a web server."""

    def __init__(self, url: "Url") -> None:
        parts = urlsplit(url.text)
        self._tls = verifying() if url.scheme is Scheme.HTTPS else None
        self._host, self._port = parts.hostname or "", parts.port
        query = f"?{parts.query}" if parts.query else ""
        # What a person typed as it looks is written as it must be; what is written so, stays.
        self._target = quote(f"{parts.path or '/'}{query}", safe="/%?=&:@!$'()*+,;~[]-._")
        self._url = url
        self._connection: HTTPConnection | None = None
        self._facts = Facts(0, 0.0, "", firm=False)

    def look(self) -> Facts:
        """Ask for its first byte: who signed an address signed it for reading only."""
        answer = self._ask(0, 1, {})
        self._judge(answer)
        if answer.status == 206 and len(answer.body) != 1:  # noqa: PLR2004
            raise LostError("an answer was cut off")
        self._facts = Facts(_whole(answer), _modified(answer), *_version(answer))
        return self._facts

    def read(self, start: int, end: int) -> bytes:
        """Ask for a range, of this version only."""
        facts, version = self._facts, self._facts.version.removeprefix("etag:")
        same = {"If-Match": version} if facts.firm else {}
        answer = self._ask(start, end, same)
        self._judge(answer)
        if (answer.status, _version(answer)[0]) != (206, facts.version):
            raise ChangedError
        place = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if place is None or place.group(1, 2) != (str(start), str(end - 1)):
            raise LostError("the server answers with another range than was asked for")
        if int(place[3]) != facts.size:
            raise ChangedError
        return answer.body

    def rest(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, start: int, end: int, same: dict[str, str]) -> _Answer:
        headers = {
            "Range": f"bytes={start}-{end - 1}",
            "Accept-Encoding": "identity",
            "User-Agent": f"bulkdelete/{__version__}",
            **same,
        }
        try:
            connection = self._connected()
            connection.request("GET", self._target, headers=headers)
            with connection.getresponse() as response:
                # Of what is no answer to this, nothing is needed but how it begins.
                body = _body(response, end - start) if response.status == 206 else b""  # noqa: PLR2004
                answer = _Answer(response.status, response.headers, body)
        except ssl.SSLCertVerificationError as error:
            self.rest()
            raise RefusedError(
                "input_tls",
                f"the server's certificate proves nothing: {error.verify_message}",
                "check the address; an authority of your own is named by SSL_CERT_FILE",
            ) from error
        except (OSError, HTTPException, ValueError) as error:
            self.rest()
            raise LostError(_why(error)) from error
        if answer.status != 206:  # noqa: PLR2004 - what follows on this connection is not read
            self.rest()
        return answer

    def _connected(self) -> HTTPConnection:
        if self._connection is None:
            if self._tls is None:
                made = HTTPConnection(self._host, self._port, timeout=CONNECT_SECONDS)
            else:
                made = HTTPSConnection(
                    self._host, self._port, timeout=CONNECT_SECONDS, context=self._tls
                )
            made.connect()
            made.sock.settimeout(SILENT_SECONDS)
            self._connection = made
        return self._connection

    def _judge(self, answer: _Answer) -> None:
        """Raise what an answer means that is no part of the file."""
        status = answer.status
        if status == 206:  # noqa: PLR2004
            if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise RefusedError(
                    "input_url", "the server packs its answers where that was not asked for", _FEED
                )
        elif status in {408, 425, 429} or status >= 500:  # noqa: PLR2004
            raise LostError(f"the server answers {status}")
        elif status in {401, 403}:
            raise RefusedError(
                "input_forbidden",
                f"the server does not let us read it ({status})",
                "get a signed address, or a new one where it has run out",
            )
        elif status in {404, 410}:
            raise RefusedError("input_missing", f"there is no such file ({status})", "check it")
        elif status == 412:  # noqa: PLR2004
            raise ChangedError
        elif 300 <= status < 400:  # noqa: PLR2004
            place = masked(urljoin(self._url.text, answer.headers.get("Location", "")))
            raise RefusedError(
                "input_moved",
                f"the server says that it is elsewhere ({place}); no redirect is followed",
                "give the address that it leads to, if that is where the list should come from",
            )
        elif not (status == 416 or _is_empty(answer)):  # noqa: PLR2004
            raise RefusedError(
                "input_url",
                f"the server gives no ranges ({status}), so it could not be read again, to send it",
                _FEED,
            )


def _body(response: HTTPResponse, size: int) -> bytes:
    """Read an answer, and not more than one byte too many of it."""
    found, ends = bytearray(), time.monotonic() + RANGE_SECONDS
    while len(found) <= size and (piece := response.read1(min(_PIECE, size + 1 - len(found)))):
        found += piece
        if time.monotonic() > ends:
            raise TimeoutError
    return bytes(found)


def _is_empty(answer: _Answer) -> bool:
    return answer.status == 200 and answer.headers.get("Content-Length") == "0"  # noqa: PLR2004


def _whole(answer: _Answer) -> int:
    """Return how long the whole file is."""
    place = answer.headers.get("Content-Range", "")
    if _is_empty(answer) or (answer.status == 416 and _EMPTY.fullmatch(place)):  # noqa: PLR2004
        return 0
    if (found := _RANGE.fullmatch(place)) is None or found.group(1, 2) != ("0", "0"):
        raise RefusedError("input_url", "the server does not say how long the file is", _FEED)
    return int(found[3])


def _version(answer: _Answer) -> tuple[str, bool]:
    """Return by what a version differs from others, and whether that is firm."""
    etag, changed = answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")
    if etag:
        return f"etag:{etag}", not etag.startswith("W/")
    if changed:
        return f"modified:{changed}", False
    raise RefusedError(
        "input_url",
        "the server names neither version (ETag) nor time of a file, so a change could go unseen",
        _FEED,
    )


def _modified(answer: _Answer) -> float:
    try:
        return parsedate_to_datetime(answer.headers.get("Last-Modified", "")).timestamp()
    except (TypeError, ValueError):
        return 0.0


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "there is no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"the connection was lost ({type(error).__name__})"
