"""Lists in a bucket, on a real S3-speaking server: planned, sent, resumed, refused."""

import asyncio
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.conftest import Emulate, Program, times_acted
from tests.stores.servers import S3

pytestmark = pytest.mark.stores


def lines(first: int, count: int) -> bytes:
    """Return a list of so many identities."""
    return b"identity\n" + b"".join(b"user-%06d\n" % n for n in range(first, first + count))


def ids(first: int, count: int) -> set[str]:
    """Return the same as a set."""
    return {f"user-{n:06d}" for n in range(first, first + count)}


def parts_of(run_dir: Path) -> list[dict[str, object]]:
    """Return what plan.json says of the parts."""
    found: list[dict[str, object]] = json.loads((run_dir / "plan.json").read_text())["parts"]
    return found


async def test_a_prefix_is_many_parts_in_a_stable_order(
    program: Program, emulate: Emulate, s3: S3
) -> None:
    """By name, whatever order they came in; archives and tables among them; each ID sent once."""
    table = io.BytesIO()
    parquet.write_table(pa.table({"identity": sorted(ids(200, 100)), "x": [0] * 100}), table)
    s3.put("bucket/many/part-2.csv.gz", gzip.compress(lines(100, 100)))
    s3.put("bucket/many/part-10.csv", lines(0, 100))
    s3.put("bucket/many/sub/part-0.parquet", table.getvalue())
    emulator = await emulate()
    ended = await program.run("s3://bucket/many/")
    assert ended.code == 0, ended.err
    assert times_acted(emulator) == dict.fromkeys(ids(0, 300), 1)
    found = parts_of(program.run_dir())
    names = ["part-10.csv", "part-2.csv.gz", "sub/part-0.parquet"]
    assert [one["path"] for one in found] == [f"s3://bucket/many/{name}" for name in names]
    assert all(str(one["version"]).startswith('etag:"') for one in found)


async def test_the_digest_is_that_of_the_same_files_here(program: Program, s3: S3) -> None:
    """Bound is what is in them, not where they are."""
    s3.put("bucket/same/list.csv", lines(0, 500))
    program.write("list.csv", *lines(0, 500).decode().splitlines())
    words = ("--region", "eu1", "--json")
    here = (await program("plan", "list.csv", *words)).json
    there = (await program("plan", "s3://bucket/same/list.csv", *words)).json
    assert there["plan_digest"] == here["plan_digest"]
    assert there["ids"]["unsent"] == 500


async def test_a_plan_of_a_bucket_is_applied_and_resumed(
    program: Program, emulate: Emulate, s3: S3
) -> None:
    """By the address in the plan; the same command goes on; nothing is sent twice."""
    s3.put("bucket/resumed/list.csv", lines(0, 1000))
    emulator = await emulate()
    held = await program.run("s3://bucket/resumed/*.csv", "--hold-after", 300)
    assert held.code == 75, held.err
    again = await program(*program.sending("apply", program.run_dir()))
    assert again.code == 0, again.err
    assert times_acted(emulator) == dict.fromkeys(ids(0, 1000), 1)
    finished = await program.run("s3://bucket/resumed/*.csv")
    assert (finished.code, finished.json["reason"]["code"]) == (0, "already_finished")
    audited = await program("audit", program.run_dir(), "--json")
    assert audited.code == 0, audited.out
    wrote = await program("report", program.run_dir(), "--outcomes", "accepted")
    assert wrote.code == 0, wrote.err
    assert len((program.run_dir() / "accepted.csv").read_text().splitlines()) == 1001


@pytest.mark.parametrize("what", ["other", "longer", "gone"])
async def test_h3_i14_an_object_that_changed_since_the_plan_is_refused(
    program: Program, emulate: Emulate, s3: S3, what: str
) -> None:
    """Before the first request, by its version; another version of the same bytes is the same."""
    key = f"bucket/changed/{what}.csv"
    s3.put(key, lines(0, 300))
    emulator = await emulate()
    words = ("--endpoint", program.url, "--json")
    planned = await program("plan", f"s3://{key}", *words)
    assert planned.code == 0, planned.err
    apply = program.sending("apply", planned.json["run_dir"], "--json")
    if what == "gone":
        s3.delete(key)
    else:
        s3.put(key, lines(1, 300) if what == "other" else lines(0, 301))
    refused = await program(*apply)
    code = (2, "input_missing") if what == "gone" else (6, "input_changed")
    assert (refused.code, refused.json["reason"]["code"]) == code
    assert not times_acted(emulator)
    s3.put(key, lines(0, 300))
    assert (await program(*apply)).code == 0
    assert times_acted(emulator) == dict.fromkeys(ids(0, 300), 1)


async def test_i14_an_object_that_changes_while_it_is_sent_stops_the_run(
    program: Program, emulate: Emulate, s3: S3
) -> None:
    """What is not the plan's is not sent; once it is back, the run goes on to its end."""
    key = "bucket/meanwhile/list.csv"
    many = b"identity\n" + b"".join(b"%s-%06d\n" % (b"u" * 90, n) for n in range(40_000))
    wanted = set(many.decode().split()[1:])
    s3.put(key, many)
    emulator = await emulate(latency=0.02)
    process = await program.start(*program.sending("run", f"s3://{key}", "--json"))
    while len(times_acted(emulator)) < 200:
        await asyncio.sleep(0.01)
    s3.put(key, many.replace(b"-000", b"-999"))
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, json.loads(out)["reason"]["code"]) == (6, "input_changed"), err
    assert set(times_acted(emulator)) < wanted
    s3.put(key, many)
    assert (await program.run(f"s3://{key}", seconds=120)).code == 0
    assert set(times_acted(emulator)) == wanted


async def test_no_secret_of_a_store_is_written_anywhere(
    program: Program, emulate: Emulate, s3: S3
) -> None:
    """Neither to files of the run, nor on stdout or stderr, in whatever detail."""
    s3.put("bucket/secret/list.csv", lines(0, 10))
    await emulate()
    ended = await program.run("s3://bucket/secret/list.csv", "--log-level", "debug")
    assert ended.code == 0, ended.err
    secrets = [s3.environment[f"AWS_{one}"] for one in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")]
    written = b"".join(one.read_bytes() for one in program.run_dir().rglob("*") if one.is_file())
    for secret in secrets:
        assert secret.encode() not in written
        assert secret not in ended.out + ended.err


@pytest.mark.parametrize(
    ("word", "code", "says"),
    [
        ("s3://bucket/none.csv", "input_missing", "no such object"),
        ("s3://nobucket/none.csv", "input_missing", "no such object"),
        ("s3://bucket/none/*.csv", "input_missing", "nothing matches"),
        ("s3://bucket/none/", "input_missing", "nothing matches"),
        ("s3://bucket/a", "not_a_file", "this is a prefix"),
        ("s3://bucket", "input_url", "a bucket and what is in it"),
        ("gs://bucket/x", "missing_extra", "needs the package `gcsfs`"),
        ("az://bucket/x", "missing_extra", "needs the package `adlfs`"),
    ],
)
async def test_what_is_wrong_is_said_in_one_line(
    program: Program, s3: S3, word: str, code: str, says: str
) -> None:
    """And what to do in the next; exit 2."""
    s3.put("bucket/a/x.csv", lines(0, 10))
    ended = await program("plan", word, "--json")
    assert (ended.code, ended.json["reason"]["code"]) == (2, code)
    first, second = ended.err.splitlines()
    assert says in first
    assert second.startswith("  next: ")


async def test_without_rights_and_without_a_store(program: Program, s3: S3) -> None:
    """No credentials are exit 2, and say which; a store that does not answer may come back: 75."""
    s3.put("bucket/rights/x.csv", lines(0, 10), public=True)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del program.env[name]
    program.env["HOME"] = str(program.place)
    program.cold = True  # fsspec reads its variables when it is imported
    refused = await program("plan", "s3://bucket/rights/x.csv", "--json")
    assert (refused.code, refused.json["reason"]["code"]) == (2, "input_forbidden"), refused.err
    assert "AWS_PROFILE" in refused.err
    program.env["FSSPEC_S3_ANON"] = "true"
    assert (await program("plan", "s3://bucket/rights/x.csv", "--json")).code == 0
    program.env["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:1"
    away = await program("plan", "s3://bucket/rights/x.csv", "--json")
    assert (away.code, away.json["reason"]["code"]) == (75, "input_unreachable"), away.err


async def test_a_mark_of_a_folder_is_no_list(program: Program, s3: S3) -> None:
    """The console makes such objects, of no bytes, and so do others: they hold nobody."""
    for mark in ("marks/", "marks/2026/"):
        s3.put(f"bucket/{mark}", b"")
    for word in ("s3://bucket/marks/", "s3://bucket/marks/*"):
        assert "nothing matches" in (await program("plan", word)).err
    s3.put("bucket/marks/2026/x.csv", lines(0, 10))
    s3.put("bucket/marks/2026/_SUCCESS", b"")
    for word in ("s3://bucket/marks/", "s3://bucket/marks/**"):
        planned = await program("plan", word, "--json")
        assert (planned.code, planned.json["ids"]["read"]) == (0, 10), planned.err


async def test_names_with_signs_in_them(program: Program, emulate: Emulate, s3: S3) -> None:
    """A wild card finds them, and a plan finds them again."""
    s3.put("bucket/signs/a[1] é?.csv", lines(0, 10))
    emulator = await emulate()
    planned = await program("plan", "s3://bucket/signs/", "--endpoint", program.url, "--json")
    assert planned.code == 0, planned.err
    applied = await program(*program.sending("apply", planned.json["run_dir"]))
    assert applied.code == 0, applied.err
    assert times_acted(emulator) == dict.fromkeys(ids(0, 10), 1)
