"""A real Redis server of one test: on loopback, without persistence, unless it says otherwise."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bulkdelete.core.keeper import Keeper
from bulkdelete.io.leased import key_of
from tests.faults import injectors

SECONDS = 20.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class RedisServer:
    """A server that can be killed, stopped for a while, and started again.

    `before` are the words before its command line, as of who enters a namespace.
    """

    place: Path
    words: Sequence[str] = ()
    before: Sequence[str] = ()
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None
    password: str = ""

    @property
    def keeper(self) -> Keeper:
        """Its address."""
        return Keeper(self.host, self.port)

    @property
    def url(self) -> str:
        """Its address as a person writes it."""
        return str(self.keeper)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        said = ("--port", str(self.port), "--bind", self.host, "--dir", str(self.place))
        quiet = ("--save", "", "--appendonly", "no", "--loglevel", "warning")
        command = [*self.before, injectors.program("redis-server"), *said, *quiet, *self.words]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + SECONDS
        while not self._answers():
            assert self.process.poll() is None, "redis-server ended at once"
            assert time.monotonic() < end, "redis-server does not answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            return b"PONG" in self.command("PING") or b"NOAUTH" in self.command("PING")
        except (OSError, subprocess.SubprocessError):
            return False

    def command(self, *words: str | bytes) -> bytes:
        """Ask it by its own client."""
        address = ("-h", self.host, "-p", str(self.port))
        command = [*self.before, "redis-cli", *address, *map(_stripped, words)]
        environment = os.environ | ({"REDISCLI_AUTH": self.password} if self.password else {})
        return subprocess.run(
            command, check=True, capture_output=True, timeout=SECONDS, env=environment
        ).stdout

    @property
    def pid(self) -> int:
        """Its process."""
        return int(dict(self.info())["process_id"])

    def info(self) -> Iterator[tuple[str, str]]:
        """Yield what it says of itself."""
        for line in self.command("INFO", "server").decode().splitlines():
            if ":" in line:
                name, _, value = line.partition(":")
                yield name, value.strip()

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def begin_anew(self) -> None:
        """Kill it, and start it again with nothing in it."""
        self.kill()
        self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it stand still; it hears everything, and answers when it goes on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def known(self, host: str, account: str) -> None:
        """Make it one that this account has been kept by for long: nobody waits for its past."""
        state = {"run": dict(self.info())["run_id"], "born": 0, "seen": 0, "slots": {}, "line": {}}
        self.command("SET", key_of(host, account), json.dumps(state))

    def state(self, host: str, account: str) -> dict[str, object]:
        """Return what it keeps of an account."""
        found = json.loads(self.command("GET", key_of(host, account)))
        assert isinstance(found, dict)
        return found

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGCONT)
            self.process.kill()
            self.process.wait()


def _stripped(word: str | bytes) -> str:
    return word.decode().strip() if isinstance(word, bytes) else word


@contextmanager
def redis_server(place: Path, *words: str, before: Sequence[str] = ()) -> Iterator[RedisServer]:
    """Run a server in a directory."""
    server = RedisServer(place, words, before)
    try:
        server.start()
        yield server
    finally:
        server.stop()
