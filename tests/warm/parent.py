"""The process that has imported the program and waits to be forked; run by its path.

Its standard input is a socket. Each message is a JSON object (`words`, `place`, `environment`) and
four open files: what becomes the child's standard input, output and error, and a pipe that gets the
child's exit code. The answer is the child's number. It ends when the socket does.

With the name of a variable as its argument, children live that many seconds ahead: `time.time` is
another one before anything of the program is imported. Waits and the times of files are true.
"""

import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress

MESSAGE = 1 << 20


def move_clock(variable: str) -> None:
    """Let the time of day be as far ahead as a variable says, when one asks for it."""
    true = time.time
    time.time = lambda: true() + float(os.environ.get(variable, "0"))


def load() -> None:
    """Import all of the program and what it may need, so that children share it."""
    import bulkdelete  # noqa: PLC0415 - not what reads these functions, but what runs them

    for found in pkgutil.walk_packages(bulkdelete.__path__, "bulkdelete."):
        if not found.name.endswith("__main__"):
            with suppress(ImportError):  # what belongs to an extra that is not there
                importlib.import_module(found.name)
    for name in os.environ.get("WARM_TOO", "").split():
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def become(
    words: "list[str]", place: str, environment: "dict[str, str]", files: "list[int]"
) -> None:
    """Be as a process is that has just been started."""
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    os.closerange(3, 1 << 16)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(place)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.path.insert(0, place)
    sys.argv = ["bulkdelete", *words]


def serve(asked: socket.socket) -> bool:
    """Fork whenever it is asked for: True in a child, False at the end."""
    waited = selectors.DefaultSelector()
    waited.register(asked, selectors.EVENT_READ)
    while True:
        for key, _ in waited.select():
            if key.data is None:
                message, files, _, _ = socket.recv_fds(asked, MESSAGE, 4)
                if not message:
                    return False
                pid = os.fork()
                if pid == 0:
                    waited.close()
                    asked.close()
                    become(**json.loads(message), files=files)
                    return True
                for file in files[:3]:
                    os.close(file)
                waited.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, files[3]))
                asked.send(str(pid).encode())
            else:
                pid, pipe = key.data
                waited.unregister(key.fd)
                os.close(key.fd)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with suppress(BrokenPipeError):
                    os.write(pipe, str(code).encode())
                os.close(pipe)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in sys.argv[1:]:
        move_clock(name)
    load()
    if serve(socket.socket(fileno=os.dup(0))):
        # Not within anything: an uncaught error, `sys.exit` and the end are as in the program.
        importlib.import_module("bulkdelete.cli").main()
