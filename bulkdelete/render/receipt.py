"""The receipt as one HTML page, in the look of the report."""

from collections.abc import Mapping
from typing import Any

from bulkdelete.core.model import State
from bulkdelete.render.html import MEANINGS, segments, template

_HOWS = {
    "typed": "typed at a terminal: the account and the number of IDs",
    "digest": "by the digest of the plan",
    "yes": "by --yes, under a ceiling of IDs",
    "signed": "by signatures on the plan",
}


def render(receipt: Mapping[str, Any]) -> str:
    """Return the page of a receipt (`core.receipt`), given as builtins."""
    ids = receipt["answered"]["ids"]
    return template("receipt.html.jinja").render(
        receipt=receipt,
        title=f"Receipt of plan {receipt['asked']['plan_digest'].removeprefix('sha256:')[:12]}",
        mood="open" if _open(receipt) else "good",
        states=[(state.value, ids[state], MEANINGS[state]) for state in State],
        segments=segments(ids),
        hows=_HOWS,
    )


def _open(receipt: Mapping[str, Any]) -> bool:
    """Tell whether anything is left to do or to explain."""
    ids = receipt["answered"]["ids"]
    rest = ids[State.REJECTED] + ids[State.AMBIGUOUS] + ids[State.UNSENT]
    not_gone = sum(one["asked"] - one["gone"] for one in receipt["verified"][-1:])
    return bool(rest or not_gone or receipt["state"] != "finished")
