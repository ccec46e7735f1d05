"""Bugs on purpose: a place where the program stumbles, with all secrets in the exception's text.

`plant` writes a `sitecustomize`, which Python runs before the program; it leaves a mark when the
bug was met.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

_PLANTED = """
import importlib
import pathlib

MARK = pathlib.Path({mark!r})
SECRETS = pathlib.Path({secrets!r}).read_text("utf-8")

def stumble(*values, **more):
    MARK.write_text("met")
    raise RuntimeError(SECRETS + repr(values) + repr(more))

{change}
"""

_PATCH = """
def patch(module, *names):
    place = importlib.import_module(module)
    for name in names[:-1]:
        place = getattr(place, name)
    setattr(place, names[-1], stumble)

patch({names})
"""

BUGS: dict[str, str] = {
    "in a worker": _PATCH.format(names="'bulkdelete.io.client', 'Client', 'post'"),
    "in the verdict": _PATCH.format(names="'bulkdelete.dispatch', '_accepts'"),
    "in the feeder": _PATCH.format(names="'bulkdelete.sending', 'chunk_digest'"),
    "in the plan": _PATCH.format(names="'bulkdelete.surveying', '_example'"),
    "in the report": _PATCH.format(names="'bulkdelete.reporting', 'write'"),
    "in a callback": """
from bulkdelete.sending import Sender
old = Sender.run

async def run(self, chunks):
    import asyncio
    asyncio.get_running_loop().call_soon(stumble, self)
    return await old(self, chunks)

Sender.run = run
""",
    "in a task that nobody waits for": """
from bulkdelete.sending import Sender
old = Sender.run

async def run(self, chunks):
    import asyncio
    async def lost():
        stumble(self)
    task = asyncio.create_task(lost())
    await asyncio.sleep(0)
    del task
    return await old(self, chunks)

Sender.run = run
""",
    "in a thread": _PATCH.format(names="'bulkdelete.io.journal', 'os', 'fdatasync'"),
    "in a thread of its own": """
import threading
from bulkdelete.sending import Sender
old = Sender.run

async def run(self, chunks):
    thread = threading.Thread(target=stumble)
    thread.start()
    thread.join()
    return await old(self, chunks)

Sender.run = run
""",
    "in what is thrown away": """
from bulkdelete.sending import Sender
old = Sender.run

class Waste:
    __del__ = stumble

async def run(self, chunks):
    Waste()
    return await old(self, chunks)

Sender.run = run
""",
    "in a warning, and in a library's log": """
import logging, warnings
from bulkdelete.sending import Sender
old = Sender.run

async def run(self, chunks):
    MARK.write_text("met")
    warnings.warn(SECRETS, UserWarning)
    logging.getLogger("aiohttp.client").error("%s", SECRETS)
    try:
        stumble(chunks)
    except RuntimeError:
        logging.getLogger("asyncio").exception("unexpected %s", SECRETS)
    return await old(self, chunks)

Sender.run = run
""",
    "before the command": _PATCH.format(names="'bulkdelete.cli.console', 'Console'"),
}
"""Where it stumbles, and the lines that make it."""


def plant(program: "Program", bug: str, secrets: str) -> "Path":
    """Make the program meet a bug; return the mark that is there once it did."""
    mark = program.place / "met"
    kept = program.write("secrets.txt", secrets)
    text = _PLANTED.format(mark=str(mark), secrets=str(kept), change=BUGS[bug])
    customise(program, text)
    return mark


def customise(program: "Program", text: str) -> None:
    """Let Python run this before the program."""
    site = program.place / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(text, "utf-8")
    program.env["PYTHONPATH"] = str(site)
