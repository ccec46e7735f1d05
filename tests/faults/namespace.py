"""A network of its own for one test: a namespace of the kernel with nothing but a loopback in it.

Rules and shapes are put on that loopback, so that the program still speaks to 127.0.0.1 and its
guard against private hosts stays as it is. Servers of the test that are started `inside` listen
there, though they run in the test's own process. It needs root, and is gone with its last user.
"""

import asyncio
import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import Program
from tests.faults import injectors

PUBLIC = ("93.184.216.34", "93.184.216.35")
"""Addresses that look public; here they are this network's own, and packets to them stay in it."""

_NEW_NETWORK = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Namespace:
    """A network with a loopback that is up."""

    def __init__(self) -> None:
        ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.unshare(_NEW_NETWORK))
            self._fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            _checked(_libc.setns(ours, _NEW_NETWORK))
        finally:
            os.close(ours)
        self.ip("link", "set", "lo", "up", "mtu", "1500")
        for address in PUBLIC:
            self.ip("address", "add", f"{address}/32", "dev", "lo")

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Make this thread's new sockets those of the namespace."""
        ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _checked(_libc.setns(self._fd, _NEW_NETWORK))
        try:
            yield
        finally:
            _checked(_libc.setns(ours, _NEW_NETWORK))
            os.close(ours)

    @property
    def path(self) -> str:
        """A name of it, as long as this process lives."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    @property
    def entering(self) -> list[str]:
        """The words before a command that is to run in it."""
        return [injectors.program("nsenter"), f"--net={self.path}"]

    def _run(self, name: str, *words: str) -> str:
        command = [*self.entering, injectors.program(name), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def ip(self, *words: str) -> str:
        """Run `ip` in it."""
        return self._run("ip", *words)

    def tc(self, *words: str) -> str:
        """Run `tc` in it."""
        return self._run("tc", *words)

    def drop(self, *words: str) -> None:
        """Make packets vanish on their way in, from now on: those that match, none before."""
        self._run("iptables", "-w", "-F", "INPUT")
        if words:
            self._run("iptables", "-w", "-A", "INPUT", "-i", "lo", *words, "-j", "DROP")

    @property
    def dropped(self) -> int:
        """How many packets the rule made vanish."""
        lines = self._run("iptables", "-w", "-nvxL", "INPUT").splitlines()[2:]
        return sum(int(line.split()[0]) for line in lines)


@dataclass
class Enclosed(Program):
    """The program in a namespace; `files` are laid over those of the machine, for it alone."""

    cold: bool = True
    network: Namespace = field(default=None)  # type: ignore[assignment]  # it is always given
    files: dict[str, Path] = field(default_factory=dict)

    def words(self, *words: object) -> list[str]:
        """Return the command line."""
        lay = "".join(f"mount --bind '{new}' {old} && " for old, new in self.files.items())
        within = ["unshare", "--mount", "sh", "-c", f'{lay}exec "$@"', "sh"]
        return [*self.network.entering, *within, *super().words(*words)]


class Resolver(asyncio.DatagramProtocol):
    """Answers every question for a name with an error, or not at all."""

    def __init__(self, code: int | None) -> None:
        self._code = code
        self._transport: asyncio.DatagramTransport | None = None
        self.asked: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers go out on."""
        assert isinstance(transport, asyncio.DatagramTransport)
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Note the question, and answer it: same number and question, and the error."""
        self.asked.append(data)
        if self._code is not None and self._transport is not None:
            flags = bytes([0x81, 0x80 | self._code])
            self._transport.sendto(data[:2] + flags + data[4:6] + bytes(6) + data[12:], addr)
