"""Runs the real program in forked children that may die anywhere, as often as is wanted.

Everything is imported once; a child is there in milliseconds, runs `bulkdelete run` on real files
against the server in its parent, and dies at its point. What it leaves behind is read as the
program itself would read it.
"""

import asyncio
import json
import os
import random
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bulkdelete.core.hashtable
import bulkdelete.running  # noqa: F401 - the same
from bulkdelete.cli import audit, console, progress, summary  # noqa: F401 - the same
from bulkdelete.cli import run as command
from bulkdelete.cli.flags import (
    ApprovalFlags,
    GuardFlags,
    InputFlags,
    OutputFlags,
    PlaceFlags,
    RunsFlags,
    SendFlags,
)
from bulkdelete.io import journal, slots
from bulkdelete.render import html
from tests.faults.points import Hooks, Point, QuickLoop, Shared
from tests.faults.scripted import Server
from tests.faults.stories import Command
from tests.warm.parent import load

if TYPE_CHECKING:
    from collections.abc import Coroutine

ACCOUNT = "KILLS-ACCT"
PASSCODE = "kills-passcode-19c2"
KILLED = -9
_MEMORY = "/dev/shm"  # noqa: S108 - the directory in it is made safely
_PLACE = _MEMORY if os.access(_MEMORY, os.W_OK) else None
"""A kill leaves what the kernel has, whatever the disk is: in memory it is quickest."""


@dataclass
class Bench:
    """A directory, a server, and the memory that is shared with the child in it.

    Its log is worth a snapshot after every `snapshot_after` bytes.
    """

    dice: random.Random
    snapshot_after: int = journal.SNAPSHOT_AFTER
    place: Path = field(default_factory=lambda: Path(tempfile.mkdtemp("", "bulkdelete-", _PLACE)))
    shared: Shared = field(default_factory=Shared)
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self.server = Server(self.dice)
        self.server.durable = lambda: self.shared.synced
        (self.place / "slots").mkdir()

    def close(self) -> None:
        """Remove everything."""
        self.server.close()
        shutil.rmtree(self.place)

    def write(self, name: str, lines: list[str]) -> None:
        """Write a list."""
        (self.place / name).write_text("".join(f"{one}\n" for one in lines), "utf-8")

    def start(self, what: Command, point: Point | None) -> int:
        """Run the command in a child until it ends or dies; return its exit code."""
        self.shared.clear()
        pid = os.fork()
        if pid == 0:
            self._child(what, point)
        return self.server.serve(pid)

    def _child(self, what: Command, point: Point | None) -> None:
        """Be the program; never returns."""
        code = 99
        try:
            self.server.close_in_child()
            out = os.open(self.place / "out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            err = os.open(self.place / "err", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(out, 1)
            os.dup2(err, 2)
            os.chdir(self.place)
            os.environ["CLEVERTAP_ACCOUNT_ID"] = ACCOUNT
            os.environ["CLEVERTAP_PASSCODE"] = PASSCODE
            journal.SNAPSHOT_AFTER = self.snapshot_after
            slots.directory = lambda: self.place / "slots"
            hooks = Hooks(point, self.shared)
            console.run_loop = partial(_run, hooks=hooks)  # type: ignore[assignment]
            hooks.install()
            code = _command(what, self.server.url)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def output(self) -> "dict[str, Any]":
        """Return the one object that the last child printed."""
        found: dict[str, Any] = json.loads((self.place / "out").read_text("utf-8"))
        return found

    def errors(self) -> str:
        """Return what all children said."""
        return (self.place / "err").read_text("utf-8", "replace")


def _command(what: Command, url: str) -> int:
    return command.run(
        "list.csv",
        reading=InputFlags(),
        place=PlaceFlags(endpoint=url),
        guard=GuardFlags(
            protect=("protect.txt",) if os.path.exists("protect.txt") else (),  # noqa: PTH110
            max_deletes="100000",
            chunk_size=str(what.size),
            max_invalid="100",
        ),
        approval=ApprovalFlags(yes=True),
        sending=SendFlags(
            max_in_flight=str(what.cap), max_failures="100", timeout="3600", give_up_after="30d"
        ),
        where=RunsFlags(runs_dir="runs"),
        output=OutputFlags(json=True, log_level="warning"),
    )


def _run(coroutine: "Coroutine[Any, Any, int]", *, hooks: Hooks) -> int:
    """Run on a quick loop with counted steps."""
    with asyncio.Runner(loop_factory=QuickLoop) as runner:
        runner.get_loop().set_task_factory(hooks.task)
        return runner.run(coroutine)


def freeze() -> None:
    """Let the children share what the parent has."""
    html.template("report.html.jinja")
    load()
