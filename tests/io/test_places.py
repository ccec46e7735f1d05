"""What a directory is on."""

from pathlib import Path

import pytest

from bulkdelete.io.places import fleeting

_DISK = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw"
_LAYER = "22 1 0:40 / / rw,relatime - overlay overlay rw,lowerdir=/a,upperdir=/b"
_MEMORY = "30 22 0:30 / /mem\\040ory rw,nosuid shared:3 - tmpfs tmpfs rw,size=1024k"
_VOLUME = "31 30 8:2 / /mem\\040ory/disk rw - ext4 /dev/sdb rw"


@pytest.mark.parametrize(
    ("mounts", "path", "found"),
    [
        ((_DISK,), "/data/runs", ""),
        ((_LAYER,), "/data/runs", "the container's own layer"),
        ((_LAYER.replace(" / / ", " / /merged "), _DISK), "/merged/runs", ""),
        ((_DISK, _MEMORY), "/mem ory/runs", "a tmpfs"),
        ((_DISK, _MEMORY), "/mem ory2/runs", ""),
        ((_DISK, _MEMORY, _VOLUME), "/mem ory/disk/runs", ""),
        ((_LAYER, _MEMORY, _VOLUME), "/mem ory/disk", ""),
    ],
)
def test_places_that_are_soon_gone(
    tmp_path: Path, mounts: tuple[str, ...], path: str, found: str
) -> None:
    """The innermost mount counts; a volume in a container is no layer of it."""
    table = tmp_path / "mountinfo"
    table.write_text("\n".join(mounts) + "\n")
    said = fleeting(Path(path), table)
    assert said.startswith(found)
    assert bool(said) == bool(found)


def test_a_system_without_a_table_of_mounts_says_nothing(tmp_path: Path) -> None:
    """Elsewhere than on Linux nobody knows."""
    assert not fleeting(tmp_path, tmp_path / "nothing")
