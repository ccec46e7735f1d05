"""Outcome files: the IDs of a state in their original columns and order, with reason and marker."""

import csv
import json
from collections.abc import Callable
from contextlib import ExitStack, aclosing
from typing import IO, TYPE_CHECKING, Any

from bulkdelete.core.full import MOST_EXAMPLES
from bulkdelete.core.guards import PLAN_LIVES
from bulkdelete.core.identities import mask
from bulkdelete.core.layout import Format
from bulkdelete.core.model import State
from bulkdelete.core.outcomes import MARKER, escape, mark
from bulkdelete.fates import fates
from bulkdelete.io import files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

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

    `examples` takes what it wants of those that did not go through.
    """
    # A plan that nobody approved yet grows old, too.
    unapproved = plan.created + PLAN_LIVES
    expires = progress.approval.expires if progress.approval else unapproved
    markers = {state.value: mark(state, expires) for state in states}

    def sort(fate: "Fate") -> "tuple[str, Fate]":
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
    index = run.index(plan)
    with ExitStack() as stack:
        stack.callback(index.close)
        writers = {}
        for name, path in paths.items():
            path.unlink(missing_ok=True)
            files.write_new(path)
            file = stack.enter_context(
                path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
            )
            writers[name] = _writer(file, outcome_format, markers[name])
        async with aclosing(fates(plan, parts, index, progress)) as stream:
            async for found in stream:
                for fate in found:
                    if (sorted_to := sort(fate)) is not None and sorted_to[0] in writers:
                        writers[sorted_to[0]].add(sorted_to[1])
    return list(paths.values())


def _writer(file: "IO[str]", outcome_format: str, marker: str) -> "_Csv | _Jsonl":
    return _Csv(file, marker) if outcome_format == "csv" else _Jsonl(file, marker)


class _Csv:
    """Original columns, `reason` and the marker; cells that a spreadsheet would run are escaped."""

    def __init__(self, file: "IO[str]", marker: str) -> None:
        self._csv = csv.writer(file, lineterminator="\n")
        self._marker = marker
        self._begun = False

    def add(self, fate: "Fate") -> None:
        names, cells = _columns(fate)
        if not self._begun:
            self._csv.writerow([*names, "reason", MARKER])
            self._begun = True
        self._csv.writerow([*map(escape, cells), fate.reason, self._marker])


def _columns(fate: "Fate") -> "tuple[Sequence[str], Sequence[str]]":
    """Return names and cells of a record; the ID alone where the input has no columns."""
    layout = fate.layout
    if layout.format is not Format.CSV:
        return [fate.kind.value], [fate.identifier]
    names: Sequence[str] = layout.header_names
    if not layout.has_header:
        names = [
            fate.kind.value if number == layout.column else f"column_{number}"
            for number in range(layout.width)
        ]
    cells = list(fate.cells)
    if list(names[-2:]) == ["reason", MARKER]:
        # An outcome file of an outcome file says what became of it now.
        names, cells = names[:-2], cells[: len(names) - 2]
    if layout.is_list and fate.state is not State.INVALID:
        cells[layout.column] = json.dumps([fate.identifier], ensure_ascii=False)
    return names, cells


class _Jsonl:
    """The original record (or its columns as an object), `reason` and the marker; exact."""

    def __init__(self, file: "IO[str]", marker: str) -> None:
        self._file = file
        self._marker = marker

    def add(self, fate: "Fate") -> None:
        record: dict[str, Any]
        if fate.layout.is_json and fate.layout.path:
            record = _object(fate)
        else:
            names, cells = _columns(fate)
            record = dict(zip(names, cells, strict=False))
        record |= {"reason": fate.reason, MARKER: self._marker}
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")


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
