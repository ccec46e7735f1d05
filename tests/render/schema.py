"""The JSON Schema of report.json: `python -m tests.render.schema > docs/report.schema.json`."""

import sys

import msgspec

from bulkdelete.core.full import FullReport


def schema() -> str:
    """Return the schema as the file holds it."""
    found = msgspec.json.schema(FullReport)
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return msgspec.json.format(msgspec.json.encode(found, order="sorted"), indent=2).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
