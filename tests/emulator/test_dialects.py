"""What each vendor's look-alike makes of a body: refused in words that never repeat an ID."""

import pytest

from bulkdelete.emulator.amplitude import AMPLITUDE
from bulkdelete.emulator.braze import BRAZE
from bulkdelete.emulator.clevertap import CLEVERTAP
from bulkdelete.emulator.dialect import Dialect, Order, Refusal

SECRET = "ana@example.com"
WELL = {
    CLEVERTAP.path: (CLEVERTAP, b'{"identity": ["%s"]}'),
    BRAZE.path: (BRAZE, b'{"external_ids": ["%s"]}'),
    AMPLITUDE.path: (
        AMPLITUDE,
        b'{"user_ids": ["%s"], "ignore_invalid_id": "true", "include_mapped_user_ids": "true"}',
    ),
}
DEEP = b'{"x": ' + b"[" * 100_000


@pytest.mark.parametrize(("dialect", "form"), WELL.values(), ids=WELL)
def test_bodies_that_are_understood_and_not(dialect: Dialect, form: bytes) -> None:
    """One ID, then the same torn, of another type, not UTF-8, too deep, and of no known key."""
    body = form % SECRET.encode()
    assert dialect.read(body) == Order("identity", [SECRET])
    for broken in (body[:-1], b"", DEEP, body.replace(b"ana", b"\xff\xfe")):
        assert dialect.read(broken) == Refusal("The body is not JSON")
    for wrong in (
        body.replace(b'["', b'[["').replace(b'"]', b'"]]', 1),
        b'["' + SECRET.encode() + b'"]',
    ):
        found = dialect.read(wrong)
        assert isinstance(found, Refusal)
        assert found.error.startswith("Expected ")
        assert SECRET not in found.error
    assert isinstance(dialect.read(b'{"other": ["x"]}'), Refusal)
