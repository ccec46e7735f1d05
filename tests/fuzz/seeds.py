"""`python -m tests.fuzz.seeds` writes the inputs that the fuzzer begins with: small, and made up.

Findings that were mended stay here, too, each under the name of what it was.
"""

import bz2
import gzip
import lzma
import shutil
from collections.abc import Mapping
from pathlib import Path

from backports import zstd

PLACE = Path(__file__).parent / "seeds"
RELEASES = Path(__file__).parents[1] / "releases" / "0.1.0"

_CSV = {
    "one": b'\0\5a@example.com\n"b ""c"" d"\r\n\r\n=1+1\n',
    "two": b'\1\3x,a\n"x\ny",b\nx\n,\n',
    "latin": b'\2\1x;\xe9;y\nx;"a;b";y\n',
    "typed": b"\3\2i,a\ng,b\nx,c\ni,d\n",
    "list": b'\4\7"[a,b]"\n"[ ""c"" ]"\n[]\n[d\n',
    "dialect": b"\5\2'a,b',x\nc\\,d,x\n",
    "hive": b"\6\3a\x01b\nc\\\x01d\x01x\n",
    "headed": b"\7\4id,x\na,b\n",
    "open": b'\0\0a\n"b\nc\n',
}
_JSONL = {
    "plain": b'\0\5{"id":"a"}\n{"id":"b","x":[1,{"y":null}]}\r\n\n{"id":1}\n',
    "odd": b'\0\1{"id":"a","id":"b"}\n{"\\u0069d":"c"}\n{"id":"\\ud83d"}\n{"id":NaN}\n[]\n{',
    "spread": b'\0\0{"id":\n"a"}\n{"id":"b"}{"id":"c"}\n',
    "nested": b'\1\2{"a":[{"id":"g"},{"id":null},3]}\n{"a":{}}\n',
    "list": b'\2\3{"id":"[a,b]"}\n{"id":["c",2]}\n',
    "latin": b'\3\4{"id":"\xe9"}\n',
}
_JSON = {
    "plain": b'\0\5[{"id":"a"},{"id":"b"}, {"id":"c"},\n{"id":"d","x":["]"]}]\n',
    "pretty": b'\0\2[\n  {\n    "id": "a"\n  },\n  {\n    "id": "b"\n  },\n  {"id":"c"}\n]',
    "texts": b'\1\3["a","b","},{","c",["d",1],null]',
    "answer": b'\2\1{"status":"success","x":{"records":[1]},"records":[{"a":[{"id":"g"}]}],"n":1}',
    "two": b'\0\4[{"id":"a"}]\n[]\n[{"id":"b"}]',
    "broken": b'\0\0[{"id":"a"},nul,{"id":"b"],{"id":"c"}',
}
_LINES = {"plain": b"\0\3a\nb\r\n\r\n c \rd\xe9\xff\n\xc2\x85x"}
_UTF16 = {
    "little": b"\3" + "\ufeffidentity\nzo\xeb\n\U0001f600\n".encode("utf-16-le"),
    "big": b"\2" + "\ufeffa,b\n".encode("utf-16-be"),
    "half": b"\1\xff\xfe\x3d\xd8a\0",
}
_SNIFF = {
    "csv": b"\0\1identity,name\na@example.com,Ann\n",
    "typed": b"\0\2Type,Identity\ni,a\ng,__b\n",
    "semicolons": b'\1\3id;x\n"a;b";c\n',
    "jsonl": b'\2\4{"id":"a","n":1}\n{"id":"b"}\n',
    "array": b'\2\5[{"id":"a"}]',
    "answer": b'\2\1{"records":[{"id":"a"}]}',
    "lines": b"\6\2a\nb\n",
    "bare": b"\3\1a,b\nc,d\n",
    "unload": b"\4\1a|b\\|c\n",
    "marked": b"\1\1\xef\xbb\xbfidentity\nx\n",
}


def archives() -> dict[str, bytes]:
    """Return small archives of each kind: whole, of two members, cut off, with junk behind."""
    content = b"identity\n" + b"".join(b"user-%d\n" % number for number in range(40))
    whole = {
        "gzip": gzip.compress(content, mtime=0),
        "bzip2": bz2.compress(content),
        "xz": lzma.compress(content),
        "zstd": zstd.compress(content),
    }
    found = {}
    for name, data in whole.items():
        found[name] = b"\7" + data
        found[f"{name}-two"] = b"\2" + data + data
        found[f"{name}-cut"] = b"\1" + data[:-5]
        found[f"{name}-junk"] = b"\3" + data + b"junk after the end"
    found["gzip-padded"] = b"\4" + whole["gzip"] + bytes(12) + whole["gzip"]
    found["zstd-short"] = b"\1\x28\xb5\x2f\xfd\x60\x3f\0\1\0\0"
    found["zip"] = b"\0PK\3\4"
    return found


def made() -> Mapping[str, Mapping[str, bytes]]:
    """Return the seeds of each parser by name."""
    return {
        "csv": _CSV,
        "jsonl": _JSONL,
        "json": _JSON,
        "lines": _LINES,
        "utf16": _UTF16,
        "sniff": _SNIFF,
        "archives": archives(),
        "log": {"release": (RELEASES / "checkpoint.log").read_bytes()},
        "plan": {"release": (RELEASES / "plan.json").read_bytes()},
    }


def main() -> None:
    """Write them anew."""
    shutil.rmtree(PLACE, ignore_errors=True)
    for parser, some in made().items():
        (PLACE / parser).mkdir(parents=True)
        for name, data in some.items():
            (PLACE / parser / name).write_bytes(data)


if __name__ == "__main__":
    main()
