"""Each planted bug finds the line that it changes."""

from pathlib import Path

import pytest

import bulkdelete
from tests.sabotage.saboteurs import SABOTEURS, Saboteur

PACKAGE = Path(bulkdelete.__file__).parent


@pytest.mark.parametrize("one", SABOTEURS, ids=lambda one: one.name)
def test_the_line_is_there_once(one: Saboteur) -> None:
    """A line that was changed or doubled since would make a bug that is never planted."""
    assert (PACKAGE / one.path).read_text("utf-8").count(one.old) == 1
    assert one.old != one.new
