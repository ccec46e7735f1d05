"""The program on a terminal of its own."""

import asyncio
import fcntl
import os
import pty

from tests.conftest import Program


async def at_terminal(program: Program, typed: str, *words: object) -> tuple[int, str]:
    """Run a command and type; return its exit code and all that was to be seen."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *program.words(*words),
        cwd=program.place,
        env=program.environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    fcntl.fcntl(ours, fcntl.F_SETFL, os.O_NONBLOCK)
    shown = b""
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0.02)
            try:
                shown += os.read(ours, 65536)
            except BlockingIOError:
                continue
            except OSError:  # nobody has it open any more
                break
        code = await process.wait()
    os.close(ours)
    return code, shown.decode(errors="replace")
