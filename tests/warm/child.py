"""Starts the program from the parent that has it in memory, as asyncio's own `Process`."""

import asyncio
import atexit
import json
import os
import socket
import subprocess
import sys
from asyncio.base_subprocess import BaseSubprocessTransport
from asyncio.subprocess import Process, SubprocessStreamProtocol
from functools import cache
from pathlib import Path
from typing import IO, Any

PARENT = Path(__file__).with_name("parent.py")


AHEAD = "TESTS_SECONDS_AHEAD"
"""A variable: the time of day is so many seconds ahead, for all that asks Python for it."""


@cache
def _parent(*, at_any_time: bool) -> socket.socket:
    """Start the parent, once for each process of the tests; it ends with the socket."""
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # A library that starts threads could not be forked safely.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with its:
        parent = subprocess.Popen(
            [sys.executable, "-P", str(PARENT), *([AHEAD] if at_any_time else [])],
            stdin=its.fileno(),
            stdout=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )

    def end() -> None:
        mine.close()
        parent.wait()

    atexit.register(end)
    return mine


class _Forked:
    """What asyncio wants to know of a child: as much of `Popen` as it uses."""

    def __init__(self, asked: "dict[str, Any]", stdin: int) -> None:
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = None
        if stdin == subprocess.PIPE:
            its, mine = os.pipe()
            self.stdin = open(mine, "wb", 0)  # noqa: PTH123, SIM115 - the transport closes it
        else:
            its = os.open(os.devnull, os.O_RDONLY) if stdin == subprocess.DEVNULL else os.dup(stdin)
        self.stdout, out = _readable()
        self.stderr, err = _readable()
        self.code, ended = os.pipe()
        files = [its, out, err, ended]
        parent = _parent(at_any_time=AHEAD in asked["environment"])
        socket.send_fds(parent, [json.dumps(asked).encode()], files)
        for file in files:
            os.close(file)
        self.pid = int(parent.recv(64))

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(9)

    def terminate(self) -> None:
        self.send_signal(15)


def _readable() -> "tuple[IO[bytes], int]":
    mine, its = os.pipe()
    return open(mine, "rb", 0), its  # noqa: PTH123 - the transport closes it


class _Transport(BaseSubprocessTransport):
    """A child that is another's: its end comes through a pipe."""

    def _start(self, args: Any, stdin: int, asked: "dict[str, Any]", **_: Any) -> None:  # type: ignore[override]  # noqa: ANN401, ARG002
        self._proc = forked = _Forked(asked, stdin)  # type: ignore[assignment]
        self._loop.add_reader(forked.code, self._end, forked)

    def _end(self, forked: _Forked) -> None:
        self._loop.remove_reader(forked.code)
        code = int(os.read(forked.code, 64))
        os.close(forked.code)
        forked.returncode = code
        self._process_exited(code)


async def start(
    words: "list[str]", place: Path, environment: "dict[str, str]", stdin: int
) -> Process:
    """Start `bulkdelete` with these words, in a place, with all of its environment given."""
    loop = asyncio.get_running_loop()
    protocol = SubprocessStreamProtocol(limit=2**16, loop=loop)
    connected = loop.create_future()
    pipe = subprocess.PIPE
    asked = {"words": words, "place": str(place), "environment": environment}
    transport = _Transport(
        loop, protocol, words, False, stdin, pipe, pipe, 0, connected, asked=asked
    )
    await connected
    return Process(transport, protocol, loop)
