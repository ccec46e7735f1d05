"""Protect lists: whom a plan must never hold; read whole, and rather too much than too little.

They are read as any list is, but that nothing has to be said of them: an entry whose kind nobody
says is held for both kinds, a whole number in JSON is an ID by its digits, and what stands in
brackets or quotes is protected without them, too. Of a list with several columns of IDs, as a
profile export is, all are taken. What cannot be read at all means no plan.
"""

from contextlib import aclosing
from dataclasses import replace
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING

from bulkdelete.core.columns import Meaning, fold, known
from bulkdelete.core.digests import FileHash
from bulkdelete.core.identities import ProtectRules
from bulkdelete.core.json_records import NULL
from bulkdelete.core.layout import NUMBERS, Format, Layout, Reading
from bulkdelete.core.lists import items
from bulkdelete.core.model import Kind
from bulkdelete.core.plan import Protected
from bulkdelete.errors import InputError, UsageError
from bulkdelete.io import source
from bulkdelete.reading import Part, batches, layout_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkdelete.core.columns import Names
    from bulkdelete.core.model import Batch

_IN_DOUBT = frozenset({"ambiguous_format", "column_needed", "no_json_record"})
_ONE_COLUMN = (
    "a protect list is read as it stands (--column and --format speak of the input): leave one"
    " column of IDs in it, or one ID a line; columns of known names are all taken"
)
_BESIDES: "Names" = (("email", Meaning(Kind.IDENTITY, is_list=False)),)
"""Names of columns that protect, too, beside known ones: for many an e-mail is the identity."""

_NESTED = {"platforminfo": "platformInfo[].objectId"}
"""Keys of JSON under which the API's own answer has more IDs, and the way to these."""


async def expanded(paths: "Sequence[Path]") -> "tuple[Path, ...]":
    """Return the files that protect lists stand for: a glob means all that match, sorted."""
    found: list[Path] = []
    for path in paths:
        source.check_name(str(path))
        # One that is not there is refused when it is read.
        globbed = not path.exists() and has_magic(str(path))
        places = await source.expanded([str(path)]) if globbed else (path,)
        found.extend(one for one in places if isinstance(one, Path))
    return tuple(found)


async def protect_rules(
    paths: "Sequence[Path]", names: "Names"
) -> tuple[list[ProtectRules], tuple[Protected, ...]]:
    """Read the protect lists; InputError when one cannot be read or protects nothing."""
    all_rules, lists = [], []
    for path in paths:
        rules = ProtectRules()
        found = await _protect_list(Part(path, str(path)), rules, names)
        if not found.entries:
            raise InputError(
                "protect_empty",
                "the protect list is empty, so it would protect nobody; nothing was sent",
                "restore the list, or leave --protect out",
                where=str(path),
            )
        all_rules.append(rules)
        lists.append(found)
    return all_rules, tuple(lists)


async def _protect_list(part: Part, rules: ProtectRules, names: "Names") -> Protected:
    """Add one list's entries to `rules`, column by column where it has several of them."""
    layout, kinds = await _protect_layout(part, names)
    columns = _known_columns(layout, names)
    if not columns:
        return await _read_column(part, layout, kinds, rules)
    found = []
    for column in columns:
        reading = Reading(normal=(NUMBERS,), names=(*names, *_BESIDES), column=column)
        found.append(
            await _read_column(part, await layout_of(part, reading), (), rules, one_of=True)
        )
    if len({one.sha256 for one in found}) > 1:
        raise InputError(
            "protect_unreadable",
            "the protect list changed while it was read; nothing was sent",
            "run it again when whoever writes it is done",
            where=part.name,
        )
    return Protected(found[0].sha256, sum(one.entries for one in found), columns)


def _known_columns(layout: Layout, names: "Names") -> tuple[str, ...]:
    """Return the columns, and ways into JSON, that surely hold IDs, where they are several."""
    if layout.type_column is not None or not (layout.has_columns or layout.is_json):
        return ()
    found = [one for one in layout.header_names if known(one, (*names, *_BESIDES))]
    if layout.is_json:
        found += [_NESTED[fold(one)] for one in layout.header_names if fold(one) in _NESTED]
    return tuple(found) if len(found) > 1 else ()


async def _read_column(
    part: Part,
    layout: Layout,
    kinds: tuple[Kind, ...],
    rules: ProtectRules,
    *,
    one_of: bool = False,
) -> Protected:
    """Add what a column holds, for `kinds` (none: each entry says its own).

    `one_of` several: where it holds nothing, another may.
    """
    hasher = FileHash()
    # One column under a header is a file of lines, too: rather protect more than less.
    wildcards = not layout.is_json and layout.width == 1
    # A first line that is no known header may be an entry that somebody wants protected.
    loose = layout.header_names if kinds and layout.format is Format.CSV else ()
    entries = sum(rules.add(name, tuple(Kind), wildcards=False) for name in loose)
    async with aclosing(batches(part, layout, hasher=hasher)) as stream:
        async for batch in stream:
            _refuse_unreadable(part, batch, one_of=one_of)
            for position, one in enumerate(batch.ids):
                for_kinds = kinds or (batch.kind(position),)
                entries += rules.add(one, for_kinds, wildcards=wildcards)
                for other in _also_meant(one):
                    rules.add(other, for_kinds, wildcards=False)
    return Protected(hasher.hexdigest(), entries)


def _refuse_unreadable(part: Part, batch: "Batch", *, one_of: bool) -> None:
    """Refuse an entry that cannot be read: it may be somebody's."""
    faults = sorted(batch.faults)
    if one_of:
        faults = [at for at in faults if not _is_blank(batch, at)]
    if faults:
        raise InputError(
            "protect_unreadable",
            f"the protect list cannot be read: {batch.faults[faults[0]]}; nothing was sent",
            "write each ID as text in UTF-8, or in JSON as a whole number (12, not 12.0)",
            where=f"{part.name}:{batch.lines[faults[0]]}",
        )


def _is_blank(batch: "Batch", at: int) -> bool:
    """Tell that a record has nothing in this column, as an empty cell of CSV has nothing."""
    return batch.faults[at] in {"missing_key", "null"} or batch.told.get(at) == NULL


def _also_meant(entry: str) -> "Iterator[str]":
    """Yield what an entry may mean besides what it says: it without quotes, items of brackets."""
    if not entry.startswith(('"', "[")):
        return
    bare = entry[1:].removesuffix('"').replace('""', '"') if entry.startswith('"') else entry
    yield bare
    yield from items(bare) or ()


async def _protect_layout(part: Part, names: "Names") -> tuple[Layout, tuple[Kind, ...]]:
    """Return a list's layout, and the kinds of its entries (empty: each entry says its own)."""
    reading = Reading(normal=(NUMBERS,), names=names, any_known=True)
    try:
        layout = await layout_of(part, reading)
    except UsageError as error:
        if error.code in _IN_DOUBT:
            raise type(error)(error.code, str(error), _ONE_COLUMN) from error
        if error.code != "id_type_needed":
            raise
        return await layout_of(part, replace(reading, id_type=Kind.IDENTITY)), tuple(Kind)
    return layout, ()
