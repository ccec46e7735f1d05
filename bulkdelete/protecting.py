"""Protect lists: whom a plan must never hold; read whole, and rather too much than too little.

They are read as any list is, but that nothing has to be said of them: an entry whose kind nobody
says is held for both kinds, a whole number in JSON is an ID by its digits, and what stands in
brackets or quotes is protected without them, too. What cannot be read at all means no plan.
"""

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from bulkdelete.core.digests import FileHash
from bulkdelete.core.identities import ProtectRules
from bulkdelete.core.layout import NUMBERS, Format, Layout, Reading
from bulkdelete.core.lists import items
from bulkdelete.core.model import Kind
from bulkdelete.core.plan import Protected
from bulkdelete.errors import InputError, UsageError
from bulkdelete.reading import Part, batches, layout_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bulkdelete.core.columns import Names

_IN_DOUBT = frozenset({"ambiguous_format", "column_needed", "no_json_record", "which_column"})
_ONE_COLUMN = (
    "a protect list is read as it stands (--column and --format speak of the input): leave one"
    " column of IDs in it, or one ID a line"
)


async def protect_rules(
    paths: "Sequence[Path]", names: "Names"
) -> tuple[list[ProtectRules], tuple[Protected, ...]]:
    """Read the protect lists; InputError when one cannot be read or protects nothing."""
    all_rules, lists = [], []
    for path in paths:
        rules = ProtectRules()
        hasher = FileHash()
        entries = await _protect_list(Part(path, str(path)), rules, hasher, names)
        if not entries:
            raise InputError(
                "protect_empty",
                "the protect list is empty, so it would protect nobody; nothing was sent",
                "restore the list, or leave --protect out",
                where=str(path),
            )
        all_rules.append(rules)
        lists.append(Protected(hasher.hexdigest(), entries))
    return all_rules, tuple(lists)


async def _protect_list(part: Part, rules: ProtectRules, hasher: FileHash, names: "Names") -> int:
    """Add one list's entries to `rules` and return how many there are."""
    layout, kinds = await _protect_layout(part, names)
    # One column under a header is a file of lines, too: rather protect more than less.
    wildcards = not layout.is_json and layout.width == 1
    # A first line that is no known header may be an entry that somebody wants protected.
    loose = layout.header_names if kinds and layout.format is Format.CSV else ()
    entries = sum(rules.add(name, tuple(Kind), wildcards=False) for name in loose)
    async with aclosing(batches(part, layout, hasher=hasher)) as stream:
        async for batch in stream:
            if batch.faults:
                place = min(batch.faults)
                raise InputError(
                    "protect_unreadable",
                    f"the protect list cannot be read: {batch.faults[place]}; nothing was sent",
                    "write each ID as text in UTF-8, or in JSON as a whole number (12, not 12.0)",
                    where=f"{part.name}:{batch.lines[place]}",
                )
            for position, one in enumerate(batch.ids):
                for_kinds = kinds or (batch.kind(position),)
                entries += rules.add(one, for_kinds, wildcards=wildcards)
                for other in _also_meant(one):
                    rules.add(other, for_kinds, wildcards=False)
    return entries


def _also_meant(entry: str) -> "Iterator[str]":
    """Yield what an entry may mean besides what it says: it without quotes, items of brackets."""
    if not entry.startswith(('"', "[")):
        return
    bare = entry[1:].removesuffix('"').replace('""', '"') if entry.startswith('"') else entry
    yield bare
    yield from items(bare) or ()


async def _protect_layout(part: Part, names: "Names") -> tuple[Layout, tuple[Kind, ...]]:
    """Return a list's layout, and the kinds of its entries (empty: each entry says its own)."""
    reading = Reading(normal=(NUMBERS,), names=names)
    try:
        layout = await layout_of(part, reading)
    except UsageError as error:
        if error.code in _IN_DOUBT:
            raise type(error)(error.code, str(error), _ONE_COLUMN) from error
        if error.code != "id_type_needed":
            raise
        return await layout_of(part, replace(reading, id_type=Kind.IDENTITY)), tuple(Kind)
    return layout, ()
