"""The conformance suite meets each built-in target, or the one that `--target` names."""

import pytest

from tests.targets.cases import BUILT_IN, Case, case_of


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test that wants a case all of them."""
    if "name" in metafunc.fixturenames:
        named = metafunc.config.getoption("--target")
        metafunc.parametrize("name", [named] if named else BUILT_IN)


@pytest.fixture
def case(name: str) -> Case:
    """Return a target with its look-alike."""
    return case_of(name)
