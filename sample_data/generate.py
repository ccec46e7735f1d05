"""Makes the sample lists beside this file: the same bytes every time, IDs of no real person.

Run `python sample_data/generate.py [FOLDER]`. Standard library only.
"""  # noqa: INP001 - a script, not a package

import csv
import gzip
import io
import json
import sys
from pathlib import Path
from random import Random
from uuid import UUID

HERE = Path(__file__).parent
COLOURS = ("amber", "azure", "coral", "hazel", "indigo", "olive", "russet", "umber", "zoë")
BIRDS = ("crane", "finch", "heron", "ibis", "kite", "lark", "plover", "quail", "wren")

Rows = list[list[str]]


class Maker:
    """Makes IDs of every usual shape, never the same one twice."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)  # noqa: S311 - repeatable is the point
        self._number = 1000

    def next_number(self) -> int:
        """Return a number that grows with each call."""
        self._number += self.random.randint(1, 9)
        return self._number

    def hexadecimal(self, digits: int = 32) -> str:
        """Return lower-case hex digits."""
        return f"{self.random.getrandbits(4 * digits):0{digits}x}"

    def person(self) -> tuple[str, str]:
        """Return a colour and a bird: names that nobody has."""
        return self.random.choice(COLOURS), self.random.choice(BIRDS)

    def mail(self, host: str = "") -> str:
        """Return an e-mail address under a name that is reserved for examples."""
        host = host or self.random.choice(("example.com", "example.org"))
        return "{}.{}{}@{}".format(*self.person(), self.next_number(), host)

    def uuid(self) -> str:
        """Return a version 4 UUID."""
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def quoted(self) -> str:
        """Return an ID that a CSV writer must put in quotes."""
        colour, bird = self.person()
        name = f"{bird.title()}, {colour.title()}"
        shape = self.random.choice(("{} {}", '{} "the {}th"', "{};{}"))
        return shape.format(name, self.next_number())

    def identity(self) -> str:
        """Return a customer's own ID."""
        shape = self.random.choices(
            (self.mail, self.uuid, lambda: f"{self.next_number():010}", self.quoted),
            weights=(55, 25, 17, 3),
        )[0]
        return shape()

    def guid(self) -> str:
        """Return a CleverTap ID."""
        prefixes = ("", "__g", "__", "__h", "-g", "-")
        return self.random.choices(prefixes, weights=(50, 35, 8, 3, 2, 2))[0] + self.hexadecimal()


def csv_text(rows: Rows, delimiter: str = ",", end: str = "\n") -> str:
    """Write rows as CSV."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows(rows)
    return out.getvalue()


def with_duplicates(rows: Rows, count: int, make: Maker) -> Rows:
    """Repeat some of the first third of the rows in the last third."""
    third = len(rows) // 3
    found = list(rows)
    for row in make.random.sample(rows[:third], count):
        found.insert(make.random.randrange(2 * third, len(found)), list(row))
    return found


def purge_rows() -> Rows:
    """Return `Type,Identity` rows without the header: 2,340 IDs and 60 of them again."""
    make = Maker("purge list")
    rows = [["i", make.identity()] for _ in range(1_496)]
    rows += [["i", make.mail("staff.example.com")] for _ in range(12)]
    rows += [["g", make.guid()] for _ in range(832)]
    make.random.shuffle(rows)
    return with_duplicates(rows, 60, make)


def purge_list() -> bytes:
    """Return CleverTap's own list format, both kinds of ID in one file."""
    return csv_text([["Type", "Identity"], *purge_rows()]).encode()


def protect() -> bytes:
    """Return eight entries: one wild, four in other letters than the list, two not in it."""
    ids = [one for _, one in dict.fromkeys(map(tuple, purge_rows()))]
    plain_mails = [one for one in ids if one.endswith("@example.com") and one.isascii()]
    accented = next(one for one in ids if one.startswith("zoë."))
    guid = next(one for one in ids if one.startswith("__g"))
    lines = [
        "*@staff.example.com",
        plain_mails[10].upper(),
        plain_mails[200].title(),
        plain_mails[-1],
        accented.upper(),
        guid.upper(),
        "board@example.com",
        "auditor@example.org",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def quoted_list(ids: list[str]) -> str:
    """Write a bracketed list as one flavour of the export does: `[ "a", "b" ]`."""
    return f"[ {', '.join(map(json.dumps, ids))} ]" if ids else "[]"


def bare_list(ids: list[str]) -> str:
    """Write a bracketed list as the other flavour does: `[a,b]`."""
    return f"[{','.join(ids)}]"


def export_row(make: Maker, *, anonymous: bool) -> list[str]:
    """Return one profile of the export; an anonymous one has no identity."""
    identities = [] if anonymous else [make.uuid(), make.mail()][: make.random.randint(1, 2)]
    guids = [make.guid() for _ in range(make.random.choice((1, 1, 1, 2, 3)))]
    flavour = make.random.choice((quoted_list, bare_list))
    return [
        next(iter(identities), ""),
        quoted_list(identities),
        guids[0],
        flavour(guids),
    ]


def profile_export() -> bytes:
    """Return the export of 500 profiles, 3 of them anonymous; the same gzip bytes every time."""
    make = Maker("profile export")
    rows = [["identity", "all_identities", "clevertapId", "clevertapIds"]]
    rows += [export_row(make, anonymous=number in {120, 300, 480}) for number in range(500)]
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as packed:
        packed.write(csv_text(rows).encode())
    return out.getvalue()


def api_record(make: Maker) -> dict[str, object]:
    """Return one record as the profiles API answers it."""
    devices = make.random.choice((1, 1, 2, 3))
    guids = [make.guid() for _ in range(devices)]
    colour, bird = make.person()
    return {
        "identity": make.random.choice((make.mail, make.uuid))(),
        "objectId": guids[0],
        "name": f"{colour.title()} {bird.title()}",
        "profileData": {"plan": make.random.choice(("free", "plus")), "address": {"zip": "00000"}},
        "platformInfo": [
            {"platform": make.random.choice(("iOS", "Android", "Web")), "objectId": one}
            for one in guids
        ],
        "events": {"App Launched": {"count": make.random.randint(1, 90)}},
    }


def api_export() -> bytes:
    """Return 300 records, one JSON object a line."""
    make = Maker("api export")
    lines = [json.dumps(api_record(make), ensure_ascii=False) for _ in range(300)]
    return "".join(f"{line}\n" for line in lines).encode()


def spreadsheet() -> bytes:
    """Return what a spreadsheet saves: 640 rows, of which it has damaged three IDs."""
    make = Maker("spreadsheet")
    reasons = ("asked by mail", "asked by phone; confirmed", "account closed", "")
    rows = []
    for _ in range(635):
        name = " ".join(make.person()).title()
        one = make.random.choice((make.mail(), make.mail(), f"C-{make.next_number():07}"))
        rows.append([name, one, make.random.choice(reasons)])
    rows = with_duplicates(rows, 5, make)
    for place, damage in ((250, "1.23E+05"), (300, "#N/A"), (388, "")):
        rows[place][1] = damage
    text = csv_text([["Customer", "identity", "Reason"], *rows], ";", "\r\n")
    return text.encode("utf-8-sig")


def ids() -> bytes:
    """Return 400 lines without a header, 4 of them repeated ones."""
    make = Maker("ids")
    rows = with_duplicates([[make.uuid()] for _ in range(396)], 4, make)
    return "".join(f"{row[0]}\n" for row in rows).encode()


FILES = {
    "purge_list.csv": purge_list,
    "profile_export.csv.gz": profile_export,
    "api_export.jsonl": api_export,
    "spreadsheet.csv": spreadsheet,
    "ids.txt": ids,
    "protect.txt": protect,
}


def main(folder: Path = HERE) -> None:
    """Write all files into `folder`."""
    for name, make in FILES.items():
        (folder / name).write_bytes(make())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
