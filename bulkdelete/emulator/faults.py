"""Which fault a request meets: rates, the words of a script, and the choice. Pure.

A word of a script is one of

- `ok`, or the name of a fault: `throttle`, `error_5xx`, `drop_before`, `drop_after`, `cut_body`,
  `fail_200`, `drip`, `html_200`, `empty_200`, `hang`;
- a status, `401`, or a status and a body, `200 {"status": "partial"}`.

A `+` in front of a status, `html_200`, `empty_200` or `hang` makes the emulator act on the IDs
before it answers so; without it nothing is acted on.
"""

import enum
import re
from dataclasses import dataclass, replace
from typing import Final

import msgspec

RATES: Final = (
    "throttle",
    "error_5xx",
    "drop_before",
    "drop_after",
    "cut_body",
    "fail_200",
    "drip",
)
SUCCESS: Final = b'{"status":"success"}'
JSON: Final = "application/json"
HTML: Final = "text/html"

_SERVER_ERRORS: Final = (500, 502, 503, 504)
_STATUS_WORD: Final = re.compile(r"([2-5]\d\d)(?: (.*))?", re.DOTALL)
_BODILESS: Final = frozenset({204, 205, 304})


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Probabilities (0..1, together at most 1) of each fault, and how the faults look.

    `retry_after` is sent as it stands as `Retry-After` on every 429; `drip_interval` is in seconds
    a byte; `fail_code` is the `code` of `fail_200`; `redirect_to` is the `Location` of a 3xx.
    Raises ValueError on an impossible value.
    """

    throttle: float = 0.0
    error_5xx: float = 0.0
    drop_before: float = 0.0
    drop_after: float = 0.0
    cut_body: float = 0.0
    fail_200: float = 0.0
    drip: float = 0.0
    retry_after: str | None = None
    drip_interval: float = 0.05
    fail_code: int = 500
    redirect_to: str = "/redirected"
    seed: int = 0

    def __post_init__(self) -> None:
        rates = [getattr(self, name) for name in RATES]
        if not all(0.0 <= rate <= 1.0 for rate in rates):
            raise ValueError("a fault rate must be within 0..1")
        if sum(rates) > 1.0 + 1e-9:
            raise ValueError("the fault rates add up to more than 1")
        if not 0.0 <= self.drip_interval <= 3600.0:  # noqa: PLR2004 - an hour a byte is plenty
            raise ValueError("drip_interval must be within 0..3600 seconds")
        for header in (self.retry_after or "", self.redirect_to):
            if not (header.isascii() and header.isprintable()):
                raise ValueError("a header value must be printable ASCII")


class Manner(enum.Enum):
    """How an answer is delivered."""

    WHOLE = enum.auto()
    THROTTLE = enum.auto()
    DROP = enum.auto()
    CUT = enum.auto()
    DRIP = enum.auto()
    HANG = enum.auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """What one request will meet: `acts` says whether the IDs are deleted all the same."""

    name: str = "ok"
    acts: bool = True
    manner: Manner = Manner.WHOLE
    status: int = 200
    body: bytes = SUCCESS
    content_type: str = JSON

    @property
    def is_success(self) -> bool:
        """Whether a client that reads the whole answer is told that all went well."""
        return self.status == 200 and self.body == SUCCESS  # noqa: PLR2004


OK: Final = Decision()
_PLAIN: Final = {
    "ok": OK,
    "throttle": Decision("throttle", acts=False, manner=Manner.THROTTLE, status=429),
    "drop_before": Decision("drop_before", acts=False, manner=Manner.DROP, body=b""),
    "drop_after": Decision("drop_after", manner=Manner.DROP, body=b""),
    "cut_body": Decision("cut_body", manner=Manner.CUT),
    "drip": Decision("drip", manner=Manner.DRIP),
}


def fail_body(error: str, code: int) -> bytes:
    """Return the API's failure object as JSON."""
    return msgspec.json.encode({"status": "fail", "error": error, "code": code})


def html_body(title: str) -> bytes:
    """Return a small page, as a load balancer or a captive portal would send it."""
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return page.encode()


def draw(faults: Faults, which: float, variant: float) -> Decision:
    """Choose by two numbers in [0, 1): `which` fault if any, and which `variant` of it."""
    for name in RATES:
        which -= getattr(faults, name)
        if which < 0.0:
            return _named(name, faults, variant)
    return OK


def scripted(word: str, faults: Faults, variant: float) -> Decision:
    """Return the decision a script's `word` stands for; raises ValueError if it is unknown."""
    acts, name = word.startswith("+"), word.removeprefix("+")
    if not acts and (name in _PLAIN or name in RATES):
        return _named(name, faults, variant)
    decision = _silent(name)
    if acts and decision.manner is Manner.THROTTLE:
        raise ValueError("a throttled request is never acted on")
    return replace(decision, acts=acts)


def _named(name: str, faults: Faults, variant: float) -> Decision:
    if name == "error_5xx":
        index = int(variant * 2 * len(_SERVER_ERRORS))
        acts, which = divmod(index, len(_SERVER_ERRORS))
        return replace(_by_status(_SERVER_ERRORS[which], None), name=name, acts=bool(acts))
    if name == "fail_200":
        body = fail_body("Internal error, try again later", faults.fail_code)
        return Decision(name, acts=False, body=body)
    return _PLAIN[name]


def _silent(name: str) -> Decision:
    match name:
        case "html_200":
            return Decision(name, acts=False, body=html_body("Welcome"), content_type=HTML)
        case "empty_200":
            return Decision(name, acts=False, body=b"")
        case "hang":
            return Decision(name, acts=False, manner=Manner.HANG, body=b"")
    if (word := _STATUS_WORD.fullmatch(name)) is None:
        raise ValueError("a word of the script is neither a fault's name nor a status")
    return _by_status(int(word[1]), word[2])


def _by_status(status: int, body: str | None) -> Decision:
    name = str(status)
    if status == 429 and body is None:  # noqa: PLR2004
        return replace(_PLAIN["throttle"], name=name)
    if body is not None:
        content = body.encode("utf-8", "surrogateescape")
        return Decision(name, acts=False, status=status, body=content)
    if status >= 500:  # noqa: PLR2004
        page = html_body(f"{status} Server Error")
        return Decision(name, acts=False, status=status, body=page, content_type=HTML)
    if status >= 400:  # noqa: PLR2004
        return Decision(name, acts=False, status=status, body=fail_body("Refused", status))
    if status >= 300 or status in _BODILESS:  # noqa: PLR2004
        return Decision(name, acts=False, status=status, body=b"")
    return Decision(name, acts=False, status=status)
