"""Secrets to be looked for, in every form in which they could have been written down."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

PASSCODE = "Kx9\"\\&/+=CanaryPass'4e"
STEM = 'Zq7é"\\ =CanaryPerson'
"""A part of every ID: as an ID of its own it would have to be escaped nearly everywhere."""


def person(number: int) -> str:
    """Return an ID that holds the stem."""
    return f"p{number:04}-{STEM}-x{number % 7}"


def forms(secret: str) -> dict[str, bytes]:
    """Return the byte sequences of which one is there when the secret is, as a part or whole."""
    raw = secret.encode()
    ascii_json = json.dumps(secret)[1:-1].encode()
    found = {
        "raw": raw,
        "folded": secret.casefold().encode(),
        "reversed": secret[::-1].encode(),
        "utf-16": secret.encode("utf-16-le"),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "URL": quote(secret, safe="").encode(),
        "path of a URL": quote(secret).encode(),
        "form": quote(secret, safe=" ").replace(" ", "+").encode(),
        "URL, lower": quote(secret, safe="").lower().encode(),
        "JSON": json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
        "ASCII JSON": ascii_json,
        "JSON in JSON": json.dumps(ascii_json.decode())[1:-1].encode(),
        "repr": repr(secret)[1:-1].encode(),
        "repr of bytes": repr(raw)[2:-1].encode(),
        "HTML": secret.replace('"', "&#34;").encode(),
    }
    for name in ("sha256", "sha1", "md5", "blake2b"):
        found[name] = hashlib.new(name, raw).hexdigest().encode()
    for offset in range(3):
        for name, encode in (
            ("base64", base64.b64encode),
            ("base64 URL", base64.urlsafe_b64encode),
        ):
            whole = encode(bytes(offset) + raw)
            sure = whole[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
            found[f"{name} at {offset}"] = sure
    return found


def hits(secrets: Mapping[str, str], texts: Mapping[str, bytes]) -> list[str]:
    """Say which of the secrets is in which of the texts, or in its name, and in what form."""
    return [
        f"{secret} ({form}) in {name}"
        for secret, value in secrets.items()
        for form, needle in forms(value).items()
        for name, text in texts.items()
        if needle in text or needle in name.encode()
    ]


def files(place: Path, *but: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file below `place`, but those with such a name."""
    for path in sorted(place.rglob("*")):
        if path.is_file() and path.name not in but:
            yield str(path.relative_to(place)), path.read_bytes()
