"""What tests of deploy/ share: the image, built once in each process of them."""

from collections.abc import Iterator

import pytest

from tests.deploy import roots
from tests.deploy.containerfile import Build, Image
from tests.deploy.tools import BIN, DEPLOY


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Build the image in memory; the wheels are here already, and their hashes are checked."""
    place = tmp_path_factory.mktemp("image")
    roots.mount_memory(place)
    try:
        roots.make_base(place / "base")
        env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels", "PIP_ROOT_USER_ACTION": "ignore"}
        made = Build(DEPLOY.parent, place / "base", place, env, {BIN.parent / "wheels": "/wheels"})
        made.build(DEPLOY / "Containerfile")
        yield made
    finally:
        roots.unmount(place)


@pytest.fixture(scope="session")
def image(build: Build) -> Image:
    """Give the image of the last stage."""
    return build.image
