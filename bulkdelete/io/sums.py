"""SHA256SUMS of a run: of the files in its directory that nothing else there vouches for.

One line a file, as `sha256sum -c` reads it: outcome files, the sketch, signatures.
"""

import hashlib
import re
from io import FileIO
from typing import TYPE_CHECKING, Any

from bulkdelete.io import files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([^/\n]+)\n")


class Summed(FileIO):
    """A file, opened to be written from its beginning, that hashes what is written."""

    def __init__(self, path: "Path") -> None:
        super().__init__(path, "r+")
        self._digest = hashlib.sha256()

    def write(self, data: Any) -> int:  # noqa: ANN401 - whatever is a buffer
        """Write, perhaps not all of it, and hash what was taken."""
        taken = super().write(data)
        self._digest.update(memoryview(data).cast("B")[:taken])
        return taken

    def sha256(self) -> str:
        """Return the hash of what was written so far."""
        return self._digest.hexdigest()


def sha256(path: "Path") -> str:
    """Return the hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(place: "Path") -> dict[str, str] | None:
    """Return the hashes by name; None when none were kept, ValueError when they cannot be read."""
    try:
        text = (place / NAME).read_text("utf-8")
    except FileNotFoundError:
        return None
    found = {name: digest for digest, name in _LINE.findall(text)}
    if "".join(f"{digest}  {name}\n" for name, digest in sorted(found.items())) != text:
        raise ValueError(f"{NAME} cannot be read")
    return found


def note(place: "Path", found: "Mapping[str, str | None]") -> None:
    """Keep these hashes by name, besides those that were kept; None: the file is gone."""
    try:
        before = read(place) or {}
    except ValueError:
        before = {}  # what cannot be read vouches for nothing
    kept = {**before, **found}
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(kept.items()) if digest)
    if kept:
        files.replace(place / NAME, text.encode())
