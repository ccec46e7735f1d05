"""The list of rows and tests finds what is there, and says what is not."""

from pathlib import Path

from tests.faults import rows
from tests.faults.catalogue import CATALOGUE


def test_ids_stand_at_the_beginning_of_a_name() -> None:
    """Joined by underscores, up to the first word that is none."""
    assert rows.ids_of("test_d7_a_torn_tail") == ["D7"]
    assert rows.ids_of("test_n3_n14_x1_late") == ["N3", "N14", "X1"]
    assert rows.ids_of("test_a_torn_tail_d7_x") == []
    assert rows.ids_of("check_d7_x") == []


def test_tests_are_found_wherever_they_stand(tmp_path: Path) -> None:
    """In folders and classes; what only looks like one in a comment or a string does not count."""
    place = tmp_path / "deep"
    place.mkdir()
    (place / "test_one.py").write_text(
        "class TestIt:\n    def test_d7_inside(self): ...\n\n\n"
        "async def test_n1_p2_x(): ...\n\n\n# def test_d8_x(): ...\nTEXT = 'def test_d9_x(): ...'\n"
    )
    found = rows.held(tmp_path)
    assert found["D7"] == ["deep/test_one.py::test_d7_inside"]
    assert found["N1"] == found["P2"] == ["deep/test_one.py::test_n1_p2_x"]
    assert "D8" not in found
    assert "D9" not in found
    assert set(rows.missing(found)) == set(CATALOGUE) - {"D7", "N1", "P2"}


def test_a_name_with_an_unknown_id_is_told(tmp_path: Path) -> None:
    """A slip of the pen would hold nothing; promises of the contract may be named."""
    (tmp_path / "test_two.py").write_text("def test_q7_x(): ...\n\n\ndef test_s8_d1_x(): ...\n")
    assert rows.unknown(rows.held(tmp_path)) == ["Q7"]
