"""Real servers that speak as stores of objects do, on loopback, each a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

import boto3
import pytest

S3_NAMES = {
    "AWS_ACCESS_KEY_ID": "AKIATESTONLY",
    "AWS_SECRET_ACCESS_KEY": "5ecre7-key-of-the-tests",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class S3:
    """An S3-speaking server: moto's, which keeps all in memory."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process speak to it."""
        return {**S3_NAMES, "AWS_ENDPOINT_URL_S3": self.url}

    def put(self, key: str, data: bytes, *, public: bool = False) -> None:
        """Put an object (`bucket/key`)."""
        bucket, _, name = key.partition("/")
        acl = "public-read" if public else "private"
        self._client().put_object(Bucket=bucket, Key=name, Body=data, ACL=acl)

    def delete(self, key: str) -> None:
        """Delete an object."""
        bucket, _, name = key.partition("/")
        self._client().delete_object(Bucket=bucket, Key=name)

    def make(self, bucket: str) -> None:
        """Make a bucket."""
        self._client().create_bucket(Bucket=bucket)

    def _client(self) -> Any:  # noqa: ANN401 - a client of boto, which makes it as it runs
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=S3_NAMES["AWS_DEFAULT_REGION"],
            aws_access_key_id="OTHER",
            aws_secret_access_key="other",
        )


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def s3_server() -> Iterator[S3]:
    """Run moto's server."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _MOTO, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": str(64 << 20)},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(process, f"{url}/moto-api/")
        found = S3(url)
        found.make("bucket")
        yield found
    finally:
        process.terminate()
        process.wait(20)


_MOTO = "import sys; from moto.server import main; main(['-H', '127.0.0.1', '-p', sys.argv[1]])"


def wait_for(process: "subprocess.Popen[bytes]", url: str) -> None:
    """Wait until a server answers."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urlopen(url, timeout=5):  # noqa: S310 - to loopback
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail("the server of a store did not start")
