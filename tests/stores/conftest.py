"""Servers of stores, started once for all tests here."""

import os
from collections.abc import Iterator

import pytest

from tests.conftest import Program
from tests.stores.servers import S3, s3_server


@pytest.fixture(scope="session")
def s3_process() -> Iterator[S3]:
    """Run an S3-speaking server; what speaks to it is imported once for all programs."""
    os.environ["WARM_TOO"] = "s3fs"
    with s3_server() as found:
        yield found


@pytest.fixture
def s3(s3_process: S3, program: Program) -> S3:
    """Let the program speak to it."""
    program.env |= s3_process.environment
    return s3_process


@pytest.fixture
def s3_here(s3_process: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """Let this process speak to it."""
    for name, value in s3_process.environment.items():
        monkeypatch.setenv(name, value)
    return s3_process
