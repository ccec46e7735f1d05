"""Where a Dask cluster is."""

import pytest

from bulkdelete.core.cluster import Address


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("local", "local"),
        ("tcp://scheduler", "tcp://scheduler:8786"),
        ("tcp://10.0.0.7:9000/", "tcp://10.0.0.7:9000"),
        ("tls://[fd00::7]:9000", "tls://[fd00::7]:9000"),
    ],
)
def test_an_address_is_read(text: str, shown: str) -> None:
    """It says where the scheduler is, and how it is spoken to."""
    address = Address.parse(text)
    assert str(address) == shown
    assert address.local == (text == "local")


@pytest.mark.parametrize(
    "text",
    [
        *("", "scheduler", "scheduler:8786", "Local", "tcp://", "tcp://:8786", "tcp://a b"),
        *("http://scheduler:8786", "inproc://x", "tcp://me:word@scheduler", "tcp://me@scheduler"),
        *(
            "tcp://scheduler:port",
            "tcp://scheduler:99999",
            "tcp://scheduler/x",
            "tcp://scheduler?x",
        ),
        *("tcp://scheduler#x", "tcp://scheduler:0"),
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """It says what is wanted instead."""
    with pytest.raises(ValueError, match="wanted"):
        Address.parse(text)


def test_half_an_address_is_none() -> None:
    """There is a host with its port and scheme, or neither."""
    with pytest.raises(ValueError, match="wanted"):
        Address("tcp", "scheduler")
    with pytest.raises(ValueError, match="wanted"):
        Address(scheme="tcp")
