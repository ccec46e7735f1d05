"""What happened: plan + checkpoint (+ input) -> summary, reports, outcome files, one ID's story.

All of it is derived; nothing here is believed by the sending side.
"""

import csv
import json
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

import msgspec

from bulkdelete.core import index as codes
from bulkdelete.core import report as reports
from bulkdelete.core.guards import PLAN_LIVES
from bulkdelete.core.layout import Format
from bulkdelete.core.model import Kind, State
from bulkdelete.core.outcomes import MARKER, escape, mark
from bulkdelete.errors import UsageError
from bulkdelete.io import files
from bulkdelete.reading import batches, layout_of, reading_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
    from pathlib import Path

    from bulkdelete.core.layout import Layout
    from bulkdelete.core.model import Batch
    from bulkdelete.core.plan import Plan
    from bulkdelete.core.progress import Progress
    from bulkdelete.io.rundir import IndexFile, RunDir
    from bulkdelete.reading import Part


def state_of(plan: "Plan", progress: "Progress", *, busy: bool) -> str:
    """Name the state of a run, as the summary shows it."""
    if progress.abandoned:
        return "abandoned"
    if busy:
        return "running"
    if progress.seal is not None:
        return "finished"
    if not progress.starts:
        return "draft" if plan.draft else "planned"
    stop = progress.stopped
    return "stopped" if stop is not None and stop.exit < 128 else "interrupted"  # noqa: PLR2004


def summary(
    run: "RunDir", plan: "Plan", progress: "Progress", *, head: str, busy: bool = False
) -> reports.Report:
    """Work the summary out, offline, from the plan and the replayed checkpoint."""
    stop, seal = progress.stopped, progress.seal
    last = seal or stop
    reason = None
    if seal is None and stop is not None:
        reason = reports.Reason(stop.code, stop.message, stop.hint)
    if seal is not None and seal.exit:
        reason = reports.Reason(
            "not_all_accepted",
            f"finished, but {seal.ids['rejected']:,} IDs were rejected and "
            f"{seal.ids['ambiguous']:,} are in doubt",
            f"look at rejected.csv and ambiguous.csv in {run.path}",
        )
    return reports.Report(
        run_id=run.run_id,
        run_dir=str(run.path),
        plan_digest=plan.digest,
        state=state_of(plan, progress, busy=busy),
        exit_code=last.exit if last is not None else None,
        reason=reason,
        ids=reports.as_dict(reports.balance(plan.counts, progress)),
        chunks=reports.chunk_counts(plan.counts, progress),
        requests=reports.request_counts(progress),
        timing=reports.Timing(
            plan_s=round(plan.seconds, 3),
            send_s=round(progress.send_seconds, 3),
            in_flight_utilisation=round(last.utilisation if last is not None else 0.0, 4),
            latency_ms=reports.latency(progress),
        ),
        in_flight=reports.in_flight(progress) if busy else reports.InFlight(),
        chain_head=head,
    )


def facts(
    report: reports.Report, plan: "Plan", progress: "Progress", version: str
) -> "dict[str, Any]":
    """Put together what the HTML report shows."""
    return {
        "report": msgspec.to_builtins(report),
        "plan": msgspec.to_builtins(plan),
        "approval": msgspec.to_builtins(progress.approval) if progress.approval else None,
        "starts": [msgspec.to_builtins(start) for start in progress.starts],
        "stops": [msgspec.to_builtins(stop) for stop in progress.stops],
        "reasons": dict(progress.reasons.most_common()),
        "title": f"bulkdelete {version}: {report.run_id}",
    }


def write(
    run: "RunDir", report: reports.Report, plan: "Plan", progress: "Progress", version: str
) -> None:
    """Write report.json and report.html."""
    from bulkdelete.render.html import render  # noqa: PLC0415 - jinja2 is slow to import

    text = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    files.replace(run.report_path, text)
    page = render(facts(report, plan, progress, version))
    files.replace(run.path / "report.html", page.encode())


# --- every ID again, with its state ---


@dataclass(frozen=True, slots=True)
class Fate:
    """One ID read: where, its original cells, and what became of it."""

    place: str
    kind: Kind
    identifier: str
    cells: "Sequence[str]"
    state: State
    reason: str
    chunk: int | None
    layout: "Layout"


class _Places:
    """Finds the chunk of the n-th planned ID of a kind, n growing."""

    def __init__(self, index: "IndexFile", size: int) -> None:
        self._index = index
        self._size = size
        self._count = dict.fromkeys(Kind, 0)
        self._seq = dict.fromkeys(Kind, -1)

    def next(self, kind: Kind) -> tuple[int, int]:
        """Return chunk number and position of the next planned ID of this kind."""
        position = self._count[kind] % self._size
        self._count[kind] += 1
        if not position:
            self._seq[kind] += 1
            while self._index.chunk(self._seq[kind]).kind is not kind:
                self._seq[kind] += 1
        return self._seq[kind], position


async def fates(
    plan: "Plan", parts: "Sequence[Part]", index: "IndexFile", progress: "Progress"
) -> "AsyncGenerator[list[Fate], None]":
    """Read the input again and yield, batch by batch, what became of each ID."""
    reading = reading_of(plan)
    places = _Places(index, plan.bound.chunk_size)
    record = out = 0
    for part in parts:
        layout = await layout_of(part, reading)
        async with aclosing(batches(part, layout, keep_cells=True)) as stream:
            async for batch in stream:
                others = index.codes(record, len(batch.ids))
                numbers = iter(index.reasons(out, sum(c == codes.OUT for c in others.values())))
                record += len(batch.ids)
                found = list(_fates(part, layout, batch, others, places, progress, plan, numbers))
                out += sum(code == codes.OUT for code in others.values())
                yield found


def _fates(  # noqa: PLR0913, PLR0917 - one step of the walk above
    part: "Part",
    layout: "Layout",
    batch: "Batch",
    others: "Mapping[int, int]",
    places: _Places,
    progress: "Progress",
    plan: "Plan",
    numbers: "Iterator[int]",
) -> "Iterator[Fate]":
    for position, identifier in enumerate(batch.ids):
        chunk = None
        match others.get(position, codes.PLANNED):
            case codes.PLANNED:
                chunk, place = places.next(batch.kind(position))
                state, reason = progress.state_of(chunk, place)
            case codes.DUPLICATE:
                state, reason = State.DUPLICATE, "read_before"
            case codes.PROTECTED:
                state, reason = State.PROTECTED, "protect_list"
            case _:
                state, reason = State.INVALID, plan.reasons[next(numbers)]
        cells = batch.cells[position] if batch.cells is not None else ()
        yield Fate(
            f"{part.name}:{batch.lines[position]}",
            batch.kind(position),
            identifier,
            cells,
            state,
            reason,
            chunk,
            layout,
        )


# --- outcome files ---


async def write_outcomes(
    run: "RunDir",
    plan: "Plan",
    parts: "Sequence[Part]",
    progress: "Progress",
    states: "Sequence[State]",
    outcome_format: str = "csv",
) -> "dict[State, Path]":
    """Write one file for each state asked for, in input order; return the paths by state."""
    paths = {state: run.path / f"{state.value}.{outcome_format}" for state in states}
    # A plan that nobody approved yet grows old, too.
    unapproved = plan.created + PLAN_LIVES
    expires = progress.approval.expires if progress.approval else unapproved
    index = run.index(plan)
    with ExitStack() as stack:
        stack.callback(index.close)
        writers = {}
        for state, path in paths.items():
            path.unlink(missing_ok=True)
            files.write_new(path)
            file = stack.enter_context(
                path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
            )
            writers[state] = _writer(file, outcome_format, mark(state, expires))
        async with aclosing(fates(plan, parts, index, progress)) as stream:
            async for found in stream:
                for fate in found:
                    if fate.state in writers:
                        writers[fate.state].add(fate)
    return paths


def _writer(file: "IO[str]", outcome_format: str, marker: str) -> "_Csv | _Jsonl":
    return _Csv(file, marker) if outcome_format == "csv" else _Jsonl(file, marker)


class _Csv:
    """Original columns, `reason` and the marker; cells that a spreadsheet would run are escaped."""

    def __init__(self, file: "IO[str]", marker: str) -> None:
        self._csv = csv.writer(file, lineterminator="\n")
        self._marker = marker
        self._begun = False

    def add(self, fate: Fate) -> None:
        names, cells = _columns(fate)
        if not self._begun:
            self._csv.writerow([*names, "reason", MARKER])
            self._begun = True
        self._csv.writerow([*map(escape, cells), fate.reason, self._marker])


def _columns(fate: Fate) -> "tuple[Sequence[str], Sequence[str]]":
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

    def add(self, fate: Fate) -> None:
        record: dict[str, Any]
        if fate.layout.format is Format.JSONL:
            record = _object(fate)
        else:
            names, cells = _columns(fate)
            record = dict(zip(names, cells, strict=False))
        record |= {"reason": fate.reason, MARKER: self._marker}
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _object(fate: Fate) -> "dict[str, Any]":
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


# --- one ID ---


async def story(
    run: "RunDir", plan: "Plan", parts: "Sequence[Part]", progress: "Progress", identifier: str
) -> "list[dict[str, Any]]":
    """Tell what happened to one ID: one entry for each time that it stands in the input."""
    index = run.index(plan)
    try:
        found: list[Fate] = []
        async with aclosing(fates(plan, parts, index, progress)) as stream:
            async for fated in stream:
                found.extend(one for one in fated if one.identifier == identifier)
    finally:
        index.close()
    if not found:
        raise UsageError("unknown_id", "this ID is not in the input of the run")
    return [
        {
            "where": fate.place,
            "kind": fate.kind.value,
            "state": fate.state.value,
            "reason": fate.reason or None,
            "chunk": fate.chunk,
        }
        for fate in found
    ]


def day(at: float) -> str:
    """Show a time to a person, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
