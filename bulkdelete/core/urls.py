"""Places that are no files here: which words are URLs, and how they are shown without secrets.

A query may be a signature, so none is ever shown or written; a password in a URL is refused.
"""

import re
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import unquote, urlsplit

from bulkdelete.core.target import is_loopback
from bulkdelete.errors import UsageError

MASK = "***"
"""Stands for what may be a secret."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_WILD = re.compile(r"[*?\[]")
_SIGNED = re.compile(r"\?[^?/]*=.*", re.DOTALL)
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f]")


class Scheme(Enum):
    """What is spoken to a place."""

    S3 = "s3"
    GS = "gs"
    AZ = "az"
    HTTPS = "https"
    HTTP = "http"


_OTHERS = {"s3a": Scheme.S3, "s3n": Scheme.S3, "gcs": Scheme.GS}
"""Other names that warehouses print for the same."""

_STORES = frozenset({"s3", "gs", "az", *_OTHERS})


@dataclass(frozen=True, slots=True)
class Url:
    """An address that may be asked for. `text` may hold a secret; `str` of it never does."""

    scheme: Scheme
    text: str = field(repr=False)

    @property
    def web(self) -> bool:
        """Spoken to over HTTP itself, not as to a store of objects."""
        return self.scheme in {Scheme.HTTPS, Scheme.HTTP}

    @property
    def secret(self) -> bool:
        """Something in it is not shown."""
        return str(self) != self.text

    @property
    def pattern(self) -> bool:
        """It stands for all objects that match, or that are under a prefix."""
        return not self.web and (self.text.endswith("/") or bool(_WILD.search(self.text)))

    @property
    def key(self) -> str:
        """The bucket and what is in it, as a store names an object."""
        return self.text.partition("://")[2]

    @property
    def name(self) -> str:
        """The last piece of its path: what a file would be called."""
        return unquote(str(self).removesuffix(f"?{MASK}").rstrip("/").rpartition("/")[2])

    def __str__(self) -> str:
        return masked(self.text)

    def of(self, key: str) -> "Url":
        """Return the address of another object of the same store."""
        return Url(self.scheme, f"{self.scheme.value}://{key}")


def masked(word: str) -> str:
    """Return a URL as it may be shown: without user, password, query and fragment.

    In a bucket a question mark is a wild card, unless what follows looks like a query.
    """
    found = _SCHEME.fullmatch(word)
    if found is None:
        return word
    scheme, rest = found.groups()
    host, slash, path = rest.partition("/")
    if "?" in host:
        host, _, query = host.partition("?")
        slash, path = "", f"?{query}{slash}{path}"
    if "@" in host:
        host = f"{MASK}@{host.rpartition('@')[2]}"
    if scheme.lower() not in _STORES:
        path, mark, _ = re.sub(r"#.*", "", path, flags=re.DOTALL).partition("?")
        path += f"?{MASK}" if mark else ""
    else:
        path = _SIGNED.sub(f"?{MASK}", path)
    return f"{scheme}://{host}{slash}{path}"


def url_of(word: str) -> Url | None:
    """Read an address; None when the word is a path. UsageError for one that is not asked for."""
    found = _SCHEME.fullmatch(word)
    if found is None:
        return None
    name, rest = found[1].lower(), found[2]
    scheme = _OTHERS.get(name) or next((one for one in Scheme if one.value == name), None)
    if scheme is None:
        raise _refused(word, f"{name}:// is not read; s3://, gs://, az:// and https:// are")
    if _FORBIDDEN.search(word) and scheme in {Scheme.HTTP, Scheme.HTTPS}:
        raise _refused(word, "there is a blank or a control character in this address")
    if "@" in rest.partition("/")[0]:
        raise UsageError(
            "input_url",
            f"{masked(word)}: a name or a password in an address would be seen by others",
            "leave it to the store's own settings, or feed it in: curl … | bulkdelete plan -",
        )
    if scheme in {Scheme.HTTP, Scheme.HTTPS}:
        return _web(word, scheme, rest)
    bucket, _, key = rest.partition("/")
    if not bucket or not key or _WILD.search(bucket):
        raise _refused(word, f"a bucket and what is in it are wanted: {scheme.value}://BUCKET/KEY")
    if _SIGNED.search(key):
        raise _refused(word, "a signed address begins with https://")
    return Url(scheme, f"{scheme.value}://{rest}")


def _web(word: str, scheme: Scheme, rest: str) -> Url:
    text = f"{scheme.value}://{rest}".partition("#")[0]
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise _refused(word, "this is no address") from error
    if not host:
        raise _refused(word, "this is no address")
    if scheme is Scheme.HTTP and not is_loopback(host):
        raise UsageError(
            "input_url",
            f"{masked(word)}: over http:// anybody on the way could change the list",
            "ask for it by https://; http:// is only for a loopback address",
        )
    return Url(scheme, text)


def _refused(word: str, why: str) -> UsageError:
    return UsageError("input_url", f"{masked(word)}: {why}", "check the address")
