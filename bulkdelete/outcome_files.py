"""Outcome files: the IDs of a state in their original columns and order, with reason and marker."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, aclosing
from io import BufferedWriter, TextIOWrapper
from typing import IO, TYPE_CHECKING, Any, Protocol

from bulkdelete.core.full import MOST_EXAMPLES
from bulkdelete.core.guards import PLAN_LIVES
from bulkdelete.core.identities import mask
from bulkdelete.core.model import Kind, State
from bulkdelete.core.outcomes import MARKER, escape, mark
from bulkdelete.core.shard import OTHER_SHARD
from bulkdelete.fates import fates
from bulkdelete.io import files, sums
from bulkdelete.io.columnar import ParquetRows
from bulkdelete.reading import layout_of, reading_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bulkdelete.core.layout import Layout
    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.fates import Fate
    from bulkdelete.io.rundir import RunDir
    from bulkdelete.reading import Part


class Examples:
    """The first few IDs of each reason that requests failed for: their place, and masked."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}

    def see(self, fate: "Fate") -> None:
        """Keep an ID as an example, when there are too few of its reason."""
        if not fate.reason or fate.state not in {State.REJECTED, State.AMBIGUOUS}:
            return
        known = self.found.setdefault(fate.reason, [])
        if len(known) < MOST_EXAMPLES:
            known.append(f"{fate.place} {mask(fate.identifier)}")


Sort = Callable[["Fate"], "tuple[str, Fate] | None"]
"""Says into which file an ID goes, and as what; None: into none."""


async def write_outcomes(  # noqa: PLR0913, PLR0917 - what a run is made of, and what is wanted
    run: "RunDir",
    plan: "Plan",
    parts: "Sequence[Part]",
    progress: "Progress",
    states: "Sequence[State]",
    outcome_format: str = "csv",
    examples: "Examples | None" = None,
) -> "dict[State, Path]":
    """Write one file for each state asked for, in input order; return the paths by state.

    What another shard owns is in the files of its run only: here nobody knows if it is protected.
    `examples` takes what it wants of those that did not go through.
    """
    # A plan that nobody approved yet grows old, too.
    unapproved = plan.created + PLAN_LIVES
    expires = progress.approval.expires if progress.approval else unapproved
    markers = {state.value: mark(state, expires) for state in states}

    def sort(fate: "Fate") -> "tuple[str, Fate] | None":
        if fate.state is State.EXCLUDED and fate.reason == OTHER_SHARD:
            return None
        if examples is not None:
            examples.see(fate)
        return fate.state.value, fate

    paths = await write_sorted(run, plan, parts, progress, markers, sort, outcome_format)
    return dict(zip(states, paths, strict=True))


async def write_sorted(  # noqa: PLR0913, PLR0917 - what a run is made of, and what is wanted of it
    run: "RunDir",
    plan: "Plan",
    parts: "Sequence[Part]",
    progress: "Progress",
    markers: "Mapping[str, str]",
    sort: Sort,
    outcome_format: str = "csv",
) -> "list[Path]":
    """Write one file for each name that has a marker, in input order; return their paths."""
    paths = {name: run.path / f"{name}.{outcome_format}" for name in markers}
    reading = reading_of(plan.reading)
    header = Header([await layout_of(part, reading) for part in parts])
    index = run.index(plan)
    with ExitStack() as stack:
        stack.callback(index.close)
        writers: dict[str, _Writer] = {}
        summed: dict[str, sums.Summed] = {}
        for name, path in paths.items():
            path.unlink(missing_ok=True)
            files.write_new(path)
            raw = summed[path.name] = stack.enter_context(sums.Summed(path))
            file = stack.enter_context(BufferedWriter(raw, 1 << 18))
            writers[name] = WRITERS[outcome_format](file, header, markers[name])
        async with aclosing(fates(plan, parts, index, progress)) as stream:
            async for found in stream:
                for fate in found:
                    if (sorted_to := sort(fate)) is not None and sorted_to[0] in writers:
                        writers[sorted_to[0]].add(sorted_to[1])
        for writer in writers.values():
            writer.close()
    sums.note(run.path, {name: raw.sha256() for name, raw in summed.items()})
    return list(paths.values())


class Header:
    """The columns of an outcome file: those of all parts, a name as often as one part has it.

    Parts whose columns differ, or stand in another order, are put under the same names.
    """

    def __init__(self, layouts: "Sequence[Layout]") -> None:
        self.json = any(one.is_json and one.path for one in layouts)
        self.names: list[str] = []
        for layout in layouts:
            counted = Counter(_names(layout)) - Counter(self.names)
            for name in _names(layout):
                if counted[name]:
                    self.names.append(name)
                    counted[name] -= 1
        self._layout: Layout | None = None

    def row(self, fate: "Fate") -> list[str]:
        """Return the cells of a record under these names; "" where its part has no such column.

        One that had another number of cells than its header stays as it was read.
        """
        layout = fate.layout
        if layout is not self._layout:
            self._layout, self._places = layout, self._find(_names(layout))
        if not layout.has_columns:
            cells = [fate.identifier]
        else:
            own = self._width < layout.width
            cells = list(fate.cells[: self._width] if own else fate.cells)
            if layout.is_list and fate.state is not State.INVALID:
                cells[layout.column] = json.dumps([fate.identifier], ensure_ascii=False)
        if self._places is None or len(cells) != self._width:
            return cells
        found = [""] * len(self.names)
        for place, cell in zip(self._places, cells, strict=True):
            found[place] = cell
        return found

    def _find(self, names: "Sequence[str]") -> list[int] | None:
        """Say where each column goes; None when they stand as they are."""
        self._width = len(names)
        if list(names) == self.names:
            return None
        free = dict.fromkeys(names, -1)
        found = []
        for name in names:
            free[name] = self.names.index(name, free[name] + 1)
            found.append(free[name])
        return found


def _names(layout: "Layout") -> "Sequence[str]":
    """Return the names of a part's columns; the ID alone where the input has no columns.

    An outcome file of an outcome file says what became of it now.
    """
    kind = (layout.kind or Kind.IDENTITY).value
    if not layout.has_columns:
        return [kind]
    if not layout.has_header:
        return [
            kind if number == layout.column else f"column_{number}"
            for number in range(layout.width)
        ]
    names = layout.header_names
    return names[:-2] if list(names[-2:]) == ["reason", MARKER] else names


class _Writer(Protocol):
    """Writes one outcome file."""

    def add(self, fate: "Fate") -> None:
        """Write one record."""

    def close(self) -> None:
        """Write what is left."""


class _Csv:
    """Original columns, `reason` and the marker; cells that a spreadsheet would run are escaped."""

    def __init__(self, file: "IO[bytes]", header: Header, marker: str) -> None:
        self._text = _text(file)
        self._csv = csv.writer(self._text, lineterminator="\n")
        self._header = header
        self._marker = marker
        self._begun = False

    def add(self, fate: "Fate") -> None:
        if not self._begun:
            self._csv.writerow([*self._header.names, "reason", MARKER])
            self._begun = True
        self._csv.writerow([*map(escape, self._header.row(fate)), fate.reason, self._marker])

    def close(self) -> None:
        self._text.flush()


class _Jsonl:
    """The original record (or its columns as an object), `reason` and the marker; exact."""

    def __init__(self, file: "IO[bytes]", header: Header, marker: str) -> None:
        self._text = _text(file)
        self._header = header
        self._marker = marker

    def add(self, fate: "Fate") -> None:
        record: dict[str, Any]
        if fate.layout.is_json and fate.layout.path:
            record = _object(fate)
        else:
            record = dict(zip(self._header.names, self._header.row(fate), strict=False))
        record |= {"reason": fate.reason, MARKER: self._marker}
        self._text.write(json.dumps(record, ensure_ascii=False) + "\n")

    def close(self) -> None:
        self._text.flush()


class _Parquet:
    """Original columns, `reason` and the marker, as text and exact.

    Of a record of JSON: its ID, and the record as it was read.
    """

    def __init__(self, file: "IO[bytes]", header: Header, marker: str) -> None:
        self._header = header
        self._marker = marker
        records = ["record"] * header.json
        self._rows = ParquetRows(file, [*header.names, *records, "reason", MARKER])

    def add(self, fate: "Fate") -> None:
        own = fate.layout.is_json and fate.layout.path
        record = [fate.cells[0] if own else ""] * self._header.json
        width = len(self._header.names)
        cells = self._header.row(fate)
        # What no column has a place for goes into the last one.
        cells[width - 1 :] = [fate.layout.delimiter.join(cells[width - 1 :])]
        cells += [""] * (width - len(cells))
        self._rows.add([*cells, *record, fate.reason, self._marker])

    def close(self) -> None:
        self._rows.close()


def _text(file: "IO[bytes]") -> TextIOWrapper:
    """Write text as the bytes that it was read from."""
    return TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="")


WRITERS: "Mapping[str, Callable[[IO[bytes], Header, str], _Writer]]" = {
    "csv": _Csv,
    "jsonl": _Jsonl,
    "parquet": _Parquet,
}
"""What writes each format."""


def _object(fate: "Fate") -> "dict[str, Any]":
    try:
        found = json.loads(fate.cells[0])
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return {"record": fate.cells[0]}
    if fate.state is State.INVALID:
        return found
    return _narrowed(found, fate.layout.path, fate.identifier)


def _narrowed(
    value: "dict[str, Any]", path: "tuple[str, ...]", identifier: str
) -> "dict[str, Any]":
    """Return a record with this one ID at its path: the others in a list have their own record."""
    name = path[0].removesuffix("[]")
    child = value.get(name)
    if isinstance(child, list):
        child = next((one for one in child if _holds(one, path[1:], identifier)), child)
        inner = _narrowed(child, path[1:], identifier) if isinstance(child, dict) else identifier
        return value | {name: [inner]}
    if isinstance(child, dict) and path[1:]:
        return value | {name: _narrowed(child, path[1:], identifier)}
    return value | {name: identifier}


def _holds(value: object, path: "tuple[str, ...]", identifier: str) -> bool:
    """Tell whether an ID stands at a path inside a value."""
    if isinstance(value, list):
        return any(_holds(one, path, identifier) for one in value)
    if path and isinstance(value, dict):
        return _holds(value.get(path[0].removesuffix("[]")), path[1:], identifier)
    return value == identifier and not path
