"""What a list holds, whole, wherever it is."""

from contextlib import aclosing

from bulkdelete.io import source
from bulkdelete.io.inflating import BLOCK


async def content(place: source.Place, **options: int) -> bytes:
    """Return all blocks as one, and check that none is empty or too large."""
    found = []
    async with aclosing(source.blocks(place, **options)) as blocks:  # type: ignore[arg-type]
        async for block in blocks:
            assert 0 < len(block) <= BLOCK
            found.append(block)
    return b"".join(found)
