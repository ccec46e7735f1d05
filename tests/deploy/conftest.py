"""What tests of deploy/ share: the image, which one process of them builds."""

from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.deploy import roots
from tests.deploy.containerfile import Build, Image
from tests.deploy.tools import BIN, DEPLOY


class ByImage(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Keeps together what needs the image; each other test goes to who has time."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "image" if file.endswith(("test_image.py", "test_pages.py")) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByImage:  # noqa: ANN401 - py's
    """Spread the tests; xdist's own groups are lost on this pytest."""
    return ByImage(config, log)


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
