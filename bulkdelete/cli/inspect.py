"""`bulkdelete inspect`: what is in a list, and the command line that plans it. Offline."""

import shlex
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from bulkdelete.cli.console import execute
from bulkdelete.cli.flags import InputFlags, OutputFlags, given

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkdelete.cli.console import Console
    from bulkdelete.core.layout import Layout, Reading
    from bulkdelete.core.looks import Head, Look
    from bulkdelete.core.model import Batch
    from bulkdelete.core.target import Target
    from bulkdelete.reading import Part

_IN, _OUT = InputFlags(), OutputFlags()


def inspect(
    *inputs: Annotated[str, Parameter(help="Files, globs, or addresses (s3://, https://).")],
    target: Annotated[
        str | None, Parameter(help="The vendor: whose names of columns are known.")
    ] = None,
    reading: InputFlags = _IN,
    output: OutputFlags = _OUT,
) -> int:
    """Look at a list: dialect, columns, what the IDs look like, masked; and a command to plan it.

    Only the beginning of each file is read. What is guessed is said: look at it before you go on.
    """

    async def body(console: "Console") -> int:
        from bulkdelete.cli import STDIN_PATH
        from bulkdelete.cli.common import load_settings
        from bulkdelete.errors import UsageError
        from bulkdelete.io import source
        from bulkdelete.reading import Part

        if not inputs or STDIN_PATH in inputs:
            raise UsageError(
                "input_missing", "name the files to look at", "bulkdelete inspect FILE"
            )
        settings = load_settings(output, {"target": target} | given(reading))
        said = settings.reading
        parts = [Part(place, str(place)) for place in await source.expanded(inputs)]
        looks: list[Look] = []
        for part in parts:
            # What was guessed for the first holds for all, as in one plan.
            wished = looks[0].reading if looks else said
            looks.append(await _look(part, wished, settings.target))
        command = _command(inputs, looks[0], target)
        facts = [await _facts(part, one) for part, one in zip(parts, looks, strict=True)]
        console.object({"schema": "bulkdelete.inspect/1", "files": facts, "command": command})
        for line in _told(looks, facts):
            console.result(line)
        console.result("to plan it (offline; --region and the account make it ready to apply):")
        console.result(f"  {command}")
        return 0

    return execute(output, body)


async def _look(part: "Part", said: "Reading", target: "Target") -> "Look":
    from bulkdelete.core.looks import TableHead, TextHead, look
    from bulkdelete.errors import InputError
    from bulkdelete.io import tables
    from bulkdelete.reading import head_of

    data, complete = await head_of(part)
    head: Head = TextHead(data, part.name, complete=complete)
    if (chosen := tables.table_format(data)) is not None:
        names, leaves = await tables.schema(part.path)

        def read(layout: "Layout", keep_cells: bool) -> "list[Batch]":  # noqa: FBT001 - as asked
            return tables.first_batches(part.path, layout, keep_cells=keep_cells)

        head = TableHead(part.name, chosen, names, leaves, read)
    try:
        return look(head, said, target)
    except InputError as error:
        if part.name in str(error):
            raise
        raise InputError(error.code, str(error), error.hint, where=part.name) from error


def _command(inputs: "Sequence[str]", first: "Look", target: str | None) -> str:
    from bulkdelete.core.looks import flags
    from bulkdelete.core.urls import masked

    named = [f"./{one}" if one.startswith("-") else masked(one) for one in inputs]
    words = ["bulkdelete", "plan", *named]
    named_target = [] if target is None else ["--target", target]
    return shlex.join([*words, *named_target, *flags(first.reading)])


async def _facts(part: "Part", one: "Look") -> dict[str, Any]:
    """Return what was found as an object; what may be an ID is masked."""
    import msgspec

    from bulkdelete.io import source

    layout = one.layout
    columns: list[dict[str, Any]] = msgspec.to_builtins(one.columns)
    for column in columns:
        column["name"] = _shown(column["name"])
    return {
        "path": part.name,
        "bytes": (await source.facts(part.path)).size,
        "compression": await source.compression_of(part.path),
        "format": layout.format.value,
        "empty": layout.empty,
        "notes": list(layout.notes),
        "guesses": list(one.guesses),
        "columns": columns,
        "head": {
            "ids": one.ids,
            "kind": layout.kind.value if layout.kind else "typed",
            "invalid": one.invalid,
            "shapes": one.shapes,
            "examples": list(one.examples),
            "warnings": list(one.warnings),
        },
    }


def _shown(name: str) -> str:
    from bulkdelete.core.columns import looks_like_id

    return "(an ID?)" if looks_like_id(name) and not name.isdigit() else name


def _told(looks: "Sequence[Look]", facts: "Sequence[dict[str, Any]]") -> "Iterator[str]":
    """Tell of each kind of file once: an export of hundreds of parts is one kind."""
    kinds: dict[str, list[int]] = {}
    for number, fact in enumerate(facts):
        kinds.setdefault(_kind(fact), []).append(number)
    for first, *others in kinds.values():
        yield from _lines(looks[first], facts[first])
        if others:
            size = sum(facts[one]["bytes"] for one in others)
            last = facts[others[-1]]["path"]
            yield f"  {len(others):,} more look like it, to {last}: {size:,} bytes in all"


def _kind(fact: "dict[str, Any]") -> str:
    """Return what is the same for files of one kind."""
    head = fact["head"]
    names = [column["name"] for column in fact["columns"]]
    same = ("compression", "format", "empty", "notes", "guesses")
    shape = max(head["shapes"], key=head["shapes"].get, default="")
    found = (head["kind"], shape, sorted(head["invalid"]), head["warnings"])
    return repr(([fact[one] for one in same], names, found))


def _lines(one: "Look", fact: "dict[str, Any]") -> "Iterator[str]":
    from bulkdelete.core.guards import cure_of, wanted

    packed = f", {fact['compression']}" if fact["compression"] else ""
    yield f"{fact['path']}: {fact['bytes']:,} bytes{packed}, {fact['format']}"
    if fact["empty"]:
        yield "  it is empty"
        return
    for note in one.layout.notes:
        yield f"  {note}"
    yield from (f"  GUESSED: {guess}" for guess in one.guesses)
    for column, fact_of in zip(one.columns, fact["columns"], strict=True):
        name = fact_of["name"] or "(the line)"
        looks = ", ".join(f"{shape} {count:,}" for shape, count in column.shapes.items())
        lists = " (lists)" if column.is_list else ""
        yield f"  {name}{lists}: {column.filled:,} filled, {column.distinct:,} different; {looks}"
        yield f"    such as {'; '.join(column.examples)}" if column.examples else "    all blank"
    invalid = ", ".join(f"{reason} {count:,}" for reason, count in one.invalid.items())
    yield f"  in its beginning {one.ids:,} IDs; invalid: {invalid or 'none'}"
    if one.first is not None:
        line, reason, told = one.first
        yield f"    the first: line {line:,} {reason} {wanted(reason, one.layout, told)}".rstrip()
    if cure := cure_of(one.invalid):
        yield f"    what helps: {cure}"
    yield from (f"  WARNING {warning}" for warning in one.warnings)
