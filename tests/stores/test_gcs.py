"""Lists in Google Cloud Storage: by gcsfs, from an emulator that speaks as the store does."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from tests.conftest import Emulate, Program, times_acted
from tests.stores.servers import free_port, wait_for
from tests.stores.test_s3 import ids, lines, parts_of

pytestmark = pytest.mark.gcs

_EMULATOR = """
import sys
from http import HTTPStatus
from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import objects

give = objects.download

def download(request, response, storage, *args, **kwargs):
    asked = (request.query.get("generation") or [None])[0]
    try:
        there = storage.get_file_obj(
            request.params["bucket_name"], request.params["object_id"]
        )["generation"]
    except NotFound:
        there = None
    if asked in (None, there):
        give(request, response, storage, *args, **kwargs)
    else:
        response.status = HTTPStatus.NOT_FOUND

objects.download = download
from gcp_storage_emulator.server import create_server
create_server("127.0.0.1", int(sys.argv[1]), True, "bucket").run()
"""
"""It gives any generation for any other; the store does not, and so it does not here."""


@dataclass(frozen=True)
class Gcs:
    """The server."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process speak to it."""
        return {"STORAGE_EMULATOR_HOST": self.url, "FSSPEC_GS_TOKEN": "anon"}

    def put(self, key: str, data: bytes) -> None:
        """Put an object."""
        name = quote(key, safe="")
        self._ask(f"/upload/storage/v1/b/bucket/o?uploadType=media&name={name}", "POST", data)

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._ask(f"/storage/v1/b/bucket/o/{quote(key, safe='')}", "DELETE")

    def _ask(self, path: str, method: str, data: bytes | None = None) -> None:
        sort = {"Content-Type": "text/csv"}
        asked = Request(self.url + path, data, sort, method=method)  # noqa: S310 - to loopback
        with urlopen(asked, timeout=20):  # noqa: S310 - to loopback
            pass


@pytest.fixture(scope="module")
def gcs_process() -> Iterator[Gcs]:
    """Run the emulator, all in memory."""
    os.environ["WARM_TOO"] = "gcsfs"
    port = free_port()
    words = [sys.executable, "-W", "ignore", "-c", _EMULATOR, str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, stdout=quiet, stderr=quiet) as process:
        try:
            wait_for(process, f"http://127.0.0.1:{port}/")
            yield Gcs(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


@pytest.fixture
def gcs(gcs_process: Gcs, program: Program) -> Gcs:
    """Let the program speak to it."""
    program.env |= gcs_process.environment
    program.cold = True  # fsspec reads its variables when it is imported
    return gcs_process


async def test_a_prefix_and_a_glob_are_many_parts_in_a_stable_order(
    program: Program, emulate: Emulate, gcs: Gcs
) -> None:
    """By name, whatever order they came in; each ID sent once."""
    gcs.put("many/part-2.csv.gz", gzip.compress(lines(100, 100)))
    gcs.put("many/part-10.csv", lines(0, 100))
    gcs.put("many/sub/a[1] é?.csv", lines(200, 100))
    emulator = await emulate()
    ended = await program.run("gs://bucket/many/")
    assert ended.code == 0, ended.err
    assert ended.err.count("warning") == 0, ended.err
    assert times_acted(emulator) == dict.fromkeys(ids(0, 300), 1)
    found = parts_of(program.run_dir())
    names = ["part-10.csv", "part-2.csv.gz", "sub/a[1] é?.csv"]
    assert [one["path"] for one in found] == [f"gs://bucket/many/{name}" for name in names]
    assert all(str(one["version"]).startswith("generation:") for one in found)
    globbed = await program("plan", "gs://bucket/many/*.csv", "--json")
    assert globbed.json["ids"]["unsent"] == 100, globbed.err


async def test_the_digest_is_that_of_the_same_file_here(program: Program, gcs: Gcs) -> None:
    """Bound is what is in it, not where it is; larger than a range, too."""
    gcs.put("same.csv", lines(0, 600_000))
    program.write("list.csv", *lines(0, 600_000).decode().splitlines())
    words = ("--region", "eu1", "--json")
    here = (await program("plan", "list.csv", *words)).json
    there = (await program("plan", "gs://bucket/same.csv", *words)).json
    assert there["plan_digest"] == here["plan_digest"]
    assert there["ids"]["unsent"] == 600_000


@pytest.mark.parametrize("what", ["other", "longer", "gone"])
async def test_an_object_that_changed_since_the_plan_is_refused(
    program: Program, emulate: Emulate, gcs: Gcs, what: str
) -> None:
    """Before the first request, by its generation; a new one of the same bytes is the same."""
    key = f"changed/{what}.csv"
    gcs.put(key, lines(0, 300))
    emulator = await emulate()
    words = ("--endpoint", program.url, "--json")
    planned = await program("plan", f"gs://bucket/{key}", *words)
    assert planned.code == 0, planned.err
    apply = program.sending("apply", planned.json["run_dir"], "--json")
    if what == "gone":
        gcs.delete(key)
    else:
        gcs.put(key, lines(1, 300) if what == "other" else lines(0, 301))
    refused = await program(*apply)
    code = (2, "input_missing") if what == "gone" else (6, "input_changed")
    assert (refused.code, refused.json["reason"]["code"]) == code, refused.err
    assert not times_acted(emulator)
    gcs.put(key, lines(0, 300))
    assert (await program(*apply)).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids(0, 300), 1)


@pytest.mark.parametrize("what", ["other", "gone"])
async def test_an_object_that_changes_while_it_is_sent_stops_the_run(
    program: Program, emulate: Emulate, gcs: Gcs, what: str
) -> None:
    """Another generation is another list, none may come back; once it is, the run goes on."""
    key = f"meanwhile/{what}.csv"
    many = b"identity\n" + b"".join(b"%s-%06d\n" % (b"u" * 900, n) for n in range(20_000))
    wanted = set(many.decode().split()[1:])
    gcs.put(key, many)
    emulator = await emulate(latency=0.05)
    process = await program.start(*program.sending("run", f"gs://bucket/{key}", "--json"))
    async with asyncio.timeout(120):
        while len(times_acted(emulator)) < 200:
            await asyncio.sleep(0.01)
    if what == "gone":
        gcs.delete(key)
    else:
        gcs.put(key, many.replace(b"-000", b"-999"))
    out, err = await asyncio.wait_for(process.communicate(), 120)
    code = (75, "input_withdrawn") if what == "gone" else (6, "input_changed")
    assert (process.returncode, json.loads(out)["reason"]["code"]) == code, err
    assert set(times_acted(emulator)) < wanted
    gcs.put(key, many)
    assert (await program.run(f"gs://bucket/{key}", seconds=120)).code == 0
    assert set(times_acted(emulator)) == wanted


@pytest.mark.parametrize(
    ("word", "code", "says"),
    [
        ("gs://bucket/none.csv", "input_missing", "no such object"),
        ("gs://nobucket/none.csv", "input_missing", "no such object"),
        ("gs://bucket/none/*.csv", "input_missing", "nothing matches"),
        ("gs://bucket/none/", "input_missing", "nothing matches"),
        ("gs://bucket/a", "not_a_file", "this is a prefix"),
        ("gs://bucket", "input_url", "a bucket and what is in it"),
    ],
)
async def test_what_is_wrong_is_said_in_one_line(
    program: Program, gcs: Gcs, word: str, code: str, says: str
) -> None:
    """And what to do in the next; exit 2."""
    gcs.put("a/x.csv", lines(0, 10))
    ended = await program("plan", word, "--json")
    assert (ended.code, ended.json["reason"]["code"]) == (2, code)
    first, second = ended.err.splitlines()
    assert says in first
    assert second.startswith("  next: ")


async def test_a_store_that_does_not_answer_may_come_back(program: Program, gcs: Gcs) -> None:
    """Exit 75; gcsfs asks six times by itself, and so do we: two minutes."""
    program.env |= gcs.environment | {"STORAGE_EMULATOR_HOST": "http://127.0.0.1:1"}
    away = await program("plan", "gs://bucket/x.csv", "--json", seconds=300)
    assert (away.code, away.json["reason"]["code"]) == (75, "input_unreachable"), away.err
