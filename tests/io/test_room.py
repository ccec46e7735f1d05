"""Room that is held on a disk: what asking for it costs who asks for hours."""

import gc
from pathlib import Path

from bulkdelete.io import room


def test_room_that_is_held_again_and_again_leaves_nothing_behind(tmp_path: Path) -> None:
    """Each open library leaves classes in cycles, until Python looks for these, which is rare."""
    with (tmp_path / "log").open("wb") as file:
        room.hold(file.fileno(), 1 << 16)
        assert (tmp_path / "log").stat().st_blocks, "this file system holds nothing"
        gc.disable()
        try:
            before = len(gc.get_objects())
            for number in range(100):
                room.hold(file.fileno(), (1 << 16) + number)
            assert len(gc.get_objects()) - before < 100
        finally:
            gc.enable()
