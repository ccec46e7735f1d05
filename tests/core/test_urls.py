"""Which words are addresses, which are refused, and that nothing secret of one is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.core.urls import Scheme, masked, url_of
from bulkdelete.errors import UsageError

SIGNED = "https://host/a/users.csv?X-Amz-Signature=5ecre7&X-Amz-Expires=900"


@pytest.mark.parametrize(
    "word", ["users.csv", "/a/b", "a:b", "://x", "./s3://x", "C:/x", "export/*.csv", ""]
)
def test_a_path_is_none(word: str) -> None:
    """It is a file here, and is shown as it is."""
    assert url_of(word) is None
    assert masked(word) == word


@pytest.mark.parametrize(
    ("word", "text", "name", "pattern"),
    [
        ("s3://b/k.csv", "s3://b/k.csv", "k.csv", False),
        ("S3A://b/a/k.csv", "s3://b/a/k.csv", "k.csv", False),
        ("gs://b/p/*.gz", "gs://b/p/*.gz", "*.gz", True),
        ("gcs://b/x", "gs://b/x", "x", False),
        ("az://c/export/", "az://c/export/", "export", True),
        ("s3://b/part-?.csv", "s3://b/part-?.csv", "part-?.csv", True),
        ("s3://b/x[1].csv", "s3://b/x[1].csv", "x[1].csv", True),
        ("https://h/a%20b.csv#x", "https://h/a%20b.csv", "a b.csv", False),
        ("HTTPS://h:8443/a*.csv", "https://h:8443/a*.csv", "a*.csv", False),
        ("http://127.0.0.1:1/x", "http://127.0.0.1:1/x", "x", False),
        ("https://h", "https://h", "h", False),
    ],
)
def test_an_address(word: str, text: str, name: str, pattern: bool) -> None:
    """Its scheme in the usual name; what it is called; whether it stands for many."""
    found = url_of(word)
    assert found is not None
    assert (found.text, found.name, found.pattern) == (text, name, pattern)
    assert str(found) == text
    assert not found.secret
    assert found.web is (found.scheme in {Scheme.HTTP, Scheme.HTTPS})
    assert found.of("b/other").text == f"{found.scheme.value}://b/other"
    assert found.key == text.partition("://")[2]


def test_what_may_be_a_secret_is_not_shown() -> None:
    """Neither by `str` nor by `repr`; but it is what is asked for."""
    found = url_of(SIGNED)
    assert found is not None
    assert found.text == SIGNED
    assert found.secret
    assert found.name == "users.csv"
    assert str(found) == "https://host/a/users.csv?***"
    assert "5ecre7" not in f"{found!r} {found}"


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("https://ann:5ecre7@host/x", "https://***@host/x"),
        ("s3://KEY:5ecre7@bucket/x", "s3://***@bucket/x"),
        ("https://a@b:5ecre7@host/x?y#z", "https://***@host/x?***"),
        ("https://host?5ecre7", "https://host?***"),
        ("https://host/x#5ecre7", "https://host/x"),
        ("az://c/blob?sv=1&sig=5ecre7", "az://c/blob?***"),
        ("ftp://u:5ecre7@h/x", "ftp://***@h/x"),
        ("https://host/x\n?5ecre7", "https://host/x\n?***"),
        ("s3://ann:5ecre7@b?x", "s3://***@b?x"),
        ("s3://?/k.csv", "s3://?/k.csv"),
    ],
)
def test_masks(word: str, shown: str) -> None:
    """User, password, query and fragment go; what is left can be recognised."""
    assert masked(word) == shown


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("https://ann:5ecre7@host/x", "seen by others"),
        ("s3://KEY:5ecre7@bucket/x", "seen by others"),
        ("http://host/x?5ecre7", "could change the list"),
        ("http://10.0.0.1/x", "could change the list"),
        ("ftp://host/x?5ecre7", "ftp:// is not read"),
        ("file:///etc/x", "file:// is not read"),
        ("https:///x", "no address"),
        ("https://h:port/x", "no address"),
        ("https://[::1/x", "no address"),
        ("https://h/a b?5ecre7", "blank"),
        ("s3://bucket", "a bucket and what is in it"),
        ("s3://bucket/", "a bucket and what is in it"),
        ("s3:///key", "a bucket and what is in it"),
        ("s3://b*/key", "a bucket and what is in it"),
        ("az://c/blob?sv=1&sig=5ecre7", "begins with https://"),
    ],
)
def test_refused(word: str, why: str) -> None:
    """What is not asked for, why; without what may be a secret."""
    with pytest.raises(UsageError, match=why) as caught:
        url_of(word)
    assert caught.value.code == "input_url"
    assert "5ecre7" not in f"{caught.value} {caught.value.hint}"


@given(st.text(), st.sampled_from(["https", "http", "s3", "az", "x"]), st.text(max_size=9))
def test_no_secret_survives(path: str, scheme: str, host: str) -> None:
    """Wherever the query begins, what is in it is gone."""
    for secret in ("?sig=5ecre7", "?a&sig=5ecre7&b"):
        shown = masked(f"{scheme}://{host.replace('/', '')}/{path.replace('/', '')}{secret}")
        assert "5ecre7" not in shown
        assert masked(shown) == shown
