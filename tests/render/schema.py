"""The JSON Schemas of what a run leaves: `python -m tests.render.schema` writes them to docs/."""

import inspect
from pathlib import Path

import msgspec

from bulkdelete.core.full import FullReport
from bulkdelete.core.receipt import Receipt

DOCS = Path(__file__).parents[2] / "docs"
PUBLISHED = {"report.schema.json": FullReport, "receipt.schema.json": Receipt}


def schema(kind: type) -> str:
    """Return the schema as the file holds it."""
    found = msgspec.json.schema(kind)
    for one in (found, *found.get("$defs", {}).values()):
        if "description" in one:  # a docstring: from Python 3.13 on without its indentation
            one["description"] = inspect.cleandoc(one["description"])
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return msgspec.json.format(msgspec.json.encode(found, order="sorted"), indent=2).decode() + "\n"


if __name__ == "__main__":
    for name, kind in PUBLISHED.items():
        (DOCS / name).write_text(schema(kind), "utf-8")
