"""Servers' certificates of every bad kind, by trustme, and one authority that is trusted."""

import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HERE = ("localhost", "127.0.0.1")
_DAY = timedelta(days=1)


class Authority:
    """A certificate authority, kept in a directory."""

    def __init__(self, place: "Path") -> None:
        self.ca = trustme.CA()
        self.file = place / "authority.pem"
        self.ca.cert_pem.write_to_path(str(self.file))

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process trust this authority, and no other."""
        return {"SSL_CERT_FILE": str(self.file), "SSL_CERT_DIR": "/nonexistent"}

    def serving(self, *names: str, days: tuple[float, float] = (-1, 30)) -> ssl.SSLContext:
        """Return the context of a server with a certificate for `names`.

        It is valid from `days[0]` to `days[1]`, counted from now.
        """
        now = datetime.now(UTC)
        before, after = (now + one * _DAY for one in days)
        leaf = self.ca.issue_cert(*(names or HERE), not_before=before, not_after=after)
        return _context(leaf.private_key_pem, *leaf.cert_chain_pems)


def _context(*pems: trustme.Blob) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with trustme.Blob(b"".join(one.bytes() for one in pems)).tempfile() as path:
        context.load_cert_chain(path)
    return context


def _stranger(_: Authority) -> ssl.SSLContext:
    leaf = trustme.CA().issue_cert(*HERE)
    return _context(leaf.private_key_pem, *leaf.cert_chain_pems)


def _self_signed(_: Authority) -> ssl.SSLContext:
    own = trustme.CA()
    return _context(own.private_key_pem, own.cert_pem)


def _without_its_chain(trusted: Authority) -> ssl.SSLContext:
    leaf = trusted.ca.create_child_ca().issue_cert(*HERE)
    return _context(leaf.private_key_pem, leaf.cert_chain_pems[0])


def _old(version: ssl.TLSVersion) -> "Callable[[Authority], ssl.SSLContext]":
    def make(trusted: Authority) -> ssl.SSLContext:
        context = trusted.serving()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        return context

    return make


def _nameless_ciphers(trusted: Authority) -> ssl.SSLContext:
    context = trusted.serving()
    context.set_ciphers("aNULL:eNULL:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


UNPROVEN: "dict[str, Callable[[Authority], ssl.SSLContext]]" = {
    "expired": lambda trusted: trusted.serving(days=(-9, -2)),
    "not valid yet": lambda trusted: trusted.serving(days=(2, 9)),
    "of another name": lambda trusted: trusted.serving("api.example.com"),
    "of a name that ends alike": lambda trusted: trusted.serving("localhost.example.com"),
    "of another address": lambda trusted: trusted.serving("127.0.0.2"),
    "of an unknown authority": _stranger,
    "signed by itself": _self_signed,
    "without its chain": _without_its_chain,
}
"""Contexts of servers that cannot prove that they are localhost."""

OLD: "dict[str, Callable[[Authority], ssl.SSLContext]]" = {
    "TLS 1.0 only": _old(ssl.TLSVersion.TLSv1),
    "TLS 1.1 only": _old(ssl.TLSVersion.TLSv1_1),
    "ciphers that prove nothing": _nameless_ciphers,
}
"""Contexts of servers that offer nothing that is still good enough."""
