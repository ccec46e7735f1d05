"""Where a Dask cluster is: the address of its scheduler, or one that is embedded."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

LOCAL = "local"
"""The word for a cluster of this machine's own processes, which ends with who made it."""

PORT = 8786
"""What a scheduler listens on where nothing else is said."""

_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_WANTED = "tcp://HOST:PORT is wanted, tls://HOST:PORT, or local"


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a scheduler; without a host, the embedded cluster."""

    scheme: str = ""
    host: str = ""
    port: int = 0

    def __post_init__(self) -> None:
        if bool(self.scheme) != bool(self.host) or bool(self.host) != bool(self.port):
            raise ValueError(_WANTED)

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `local`, tcp://HOST[:PORT] or tls://HOST[:PORT]; ValueError otherwise."""
        if text == LOCAL:
            return cls()
        parts = urlsplit(text)
        try:
            port = parts.port
        except ValueError as error:
            raise ValueError(_WANTED) from error
        strange = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
        host = parts.hostname or ""
        if parts.scheme not in {"tcp", "tls"} or strange or not _HOST.fullmatch(host):
            raise ValueError(_WANTED)
        return cls(parts.scheme, host, PORT if port is None else port)

    @property
    def local(self) -> bool:
        """Tell whether it is to be made here."""
        return not self.host

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}" if self.host else LOCAL
