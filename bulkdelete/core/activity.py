"""Who was active after the list was made: such a user came back, and is set aside as protected."""

import json
from typing import TYPE_CHECKING

from bulkdelete.core.times import instant
from bulkdelete.errors import InputError, UsageError

if TYPE_CHECKING:
    from bulkdelete.core.layout import Layout
    from bulkdelete.core.model import Batch


class ActivityColumn:
    """The column (or JSON key; dots reach inside) that says when a user was last seen."""

    def __init__(self, layout: "Layout", name: str, column: str) -> None:
        self._name = name
        self._path = tuple(column.split(".")) if layout.is_json else ()
        self._place = -1
        if self._path:
            return
        places = [at for at, header in enumerate(layout.header_names) if header == column]
        if len(places) != 1:
            raise UsageError(
                "last_seen",
                f"{name}: there is not exactly one column of the name that --last-seen gives",
                "correct --last-seen; it needs a header",
            )
        self._place = places[0]

    def active_after(self, batch: "Batch", moment: float) -> frozenset[int]:
        """Return the positions of the IDs that were seen after `moment`.

        A blank means never. InputError for what is no time: who cannot be judged is not deleted.
        """
        found = []
        for position, cells in enumerate(batch.cells or ()):
            if position in batch.faults:
                continue
            try:
                seen = self._seen(cells[-1 if self._path else self._place])
            except (ValueError, OverflowError) as error:
                raise InputError(
                    "last_seen",
                    "the column that --last-seen names holds no time here",
                    "correct it; an ISO date or time, or seconds since 1970, is understood",
                    where=f"{self._name}:{batch.lines[position]}",
                ) from error
            if seen is not None and seen > moment:
                found.append(position)
        return frozenset(found)

    def _seen(self, cell: str) -> float | None:
        value: object = cell
        if self._path:
            value = json.loads(cell)
            for key in self._path:
                if not isinstance(value, dict):
                    raise ValueError("the path leads nowhere")  # noqa: TRY004 - a fault of the list
                value = value.get(key)
        text = "" if value is None else str(value)
        return instant(text) if text.strip() else None
