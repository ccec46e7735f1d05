"""Processes of the program that start in milliseconds: forked from one that has imported it.

What a process is to the kernel, they are: each with its own memory, signals, files, exit code. Only
the time in which an interpreter starts and imports is spent once. `parent` is what they are forked
from; `child` starts them as `asyncio.create_subprocess_exec` would.
"""
