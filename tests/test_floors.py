"""Imports point strictly down the floors, and each third party is let in at one place only.

All imports count: those for type checkers only, and those inside functions, too.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "bulkdelete"
ROOT = Path(__file__).parents[1] / PACKAGE

FLOORS: tuple[tuple[str, ...], ...] = (
    ("version", "errors", "core.model"),
    ("core",),
    ("targets",),
    ("io.room", "io.files", "io.inflating", "io.threads", "io.tls"),
    ("io.remote", "io.snapshots"),
    ("io.stores", "io.web"),
    (
        *("io.journal", "io.source", "io.names", "io.connections", "io.slots"),
        *("io.columnar", "io.sums", "io.spill"),
        "io.signing",
        *("io.places", "io.cluster", "io.orders", "io.purse"),
        *("io.pacing", "io.live", "io", "render"),
    ),
    (
        *("io.client", "io.hooks", "io.leased", "io.rundir", "io.tables"),
        *("settings", "backlog", "turns"),
    ),
    ("io.counted",),
    ("io.agreeing", "io.shared", "reading", "dispatch"),
    ("archive", "fates", "comparing", "findings", "census", "protecting", "tally", "wish"),
    ("walking",),
    ("surveying",),
    ("errands",),
    ("lake",),
    ("planning", "sending", "reporting", "outcome_files", "tracing"),
    ("steering", "events"),
    ("starting",),
    ("running", "runs", "auditing", "verifying", "shredding", "receipting", "concluding"),
    ("past",),
    ("intake",),
    ("approving", "choosing", "metrics", "notices", "telemetry"),
    ("options", "outlets"),
    ("audience",),
    ("library", "standing", "mustering"),
    ("reviewing", "carrying"),
    ("convoy",),
    ("hauling",),
    ("haulage",),
    ("fleet",),
    ("airflow", "emulator"),
    ("demo",),
    ("cli",),
    ("__init__", "__main__"),
)
"""Modules, or packages with all that is in them, from the ground up; the longest name counts."""

FAMILIES = ("airflow", "core", "cli", "emulator", "render", "settings", "targets")
"""Packages whose modules may import each other, as long as there is no cycle."""

NEVER: Mapping[str, tuple[str, ...]] = {"dispatch": ("io",), "__main__": ("__init__",)}
ALONE: Mapping[str, tuple[str, ...]] = {"emulator": ("emulator",)}
"""What a module must not import of ours; and what is all that it may."""

THIRD_PARTIES: Mapping[str, tuple[str, ...]] = {
    "fsspec": ("io.stores",),
    "google_crc32c": ("core",),
    "numpy": ("core.hashtable", "core.line_ends", "core.spill_arrays"),
    "xxhash": ("core.hashtable",),
    "msgspec": (
        "core",
        "targets",
        "archive",
        "io.rundir",
        "findings",
        "comparing",
        "cli",
        "demo",
        "emulator",
        "reporting",
        "receipting",
        "tracing",
        "verifying",
        "concluding",
        *("intake", "errands"),
        "choosing",
        "notices",
        *("mustering", "carrying", "fleet", "hauling", "haulage", "io.orders"),
    ),
    "aiohttp": ("io.client", "io.names", "io.connections", "io.hooks", "emulator"),
    "prometheus_client": ("metrics",),
    "opentelemetry": ("telemetry",),
    "aiofiles": ("io.source",),
    "aiolimiter": ("io.pacing",),
    "filelock": ("io.rundir",),
    "jinja2": ("render",),
    "pyarrow": ("io.columnar", "io.tables"),
    "redis": ("io.leased",),
    "distributed": ("io.cluster", "io.counted", "hauling", "haulage"),
    "cryptography": ("io.cluster",),
    "structlog": (
        *(
            "dispatch",
            "backlog",
            "sending",
            "planning",
            "reporting",
            "steering",
            "running",
            "verifying",
            *("audience", "io.leased", "io.shared", "library"),
            *("metrics", "notices", "outlets", "telemetry"),
            *("carrying", "haulage", "io.counted"),
        ),
        "cli",
    ),
    "cyclopts": ("cli", "demo"),
    "rich": ("cli", "demo"),
    "uvloop": ("cli",),
    "airflow": ("airflow.driven", "airflow.failing", "airflow.hook", "airflow.sensor"),
}
NOT_IN_CORE = frozenset({"asyncio", "os", "pathlib", "time", "random", "logging", "socket"})

Graph = dict[str, set[str]]
"""Module -> what it imports, both by full names; ours without the package's name."""


def within(module: str, names: Iterable[str]) -> str | None:
    """Return the longest of `names` that is this module, or a package that holds it."""
    return max((n for n in names if f"{module}.".startswith(f"{n}.")), key=len, default=None)


def floor(module: str) -> int | None:
    """Return the floor that a module is on."""
    number = {name: number for number, names in enumerate(FLOORS) for name in names}
    name = within(module, number)
    return None if name is None else number[name]


def imports(source: str, module: str, modules: Iterable[str]) -> Iterator[str]:
    """Yield what a source imports; of `from package import name`, the module if it is one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (one if one in modules else f"{node.module}" for one in whole)


def ours(name: str) -> str | None:
    """Return the short name of one of our modules, None for another's."""
    if name == PACKAGE:
        return "__init__"
    return name.removeprefix(f"{PACKAGE}.") if name.startswith(f"{PACKAGE}.") else None


def read_package() -> Graph:
    """Read the imports of every module."""
    sources = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        short = parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts
        sources[".".join(short)] = path.read_text(encoding="utf-8")
    modules = {f"{PACKAGE}.{name}" for name in sources}
    return {name: set(imports(text, name, modules)) for name, text in sources.items()}


def faults(graph: Graph) -> list[str]:
    """Say what is wrong with the imports of a package."""
    found = [f"{module} is on no floor" for module in graph if floor(module) is None]
    for module, names in graph.items():
        for name in sorted(names):
            short = ours(name)
            wrong = third_party(module, name) if short is None else downwards(module, short)
            found += [f"{module} imports {name}: {wrong}"] if wrong else []
    return found + cycles(graph)


def downwards(module: str, other: str) -> str | None:
    """Say why a module must not import another of ours."""
    here, there = floor(module), floor(other)
    if other == "__init__":
        return "the package itself is imported by none of its modules"
    if within(other, NEVER.get(module, ())):
        return "never"
    family = within(module, FAMILIES)
    alone = within(module, ALONE)
    if alone and not within(other, ALONE[alone]):
        return "it may import nothing else of ours"
    if family and family == within(other, FAMILIES) and here == there:
        return None
    return None if here is not None and there is not None and there < here else "not downwards"


def third_party(module: str, name: str) -> str | None:
    """Say why a module must not import what is not ours."""
    top = name.partition(".")[0]
    if within(module, ("core",)) and (top in NOT_IN_CORE or top.startswith("aio")):
        return "the core touches nothing"
    if top in sys.stdlib_module_names:
        return None
    if floor(module) == 0:
        return "the ground floor stands on nothing"
    return None if within(module, THIRD_PARTIES.get(top, ())) else "not let in here"


def cycles(graph: Graph) -> list[str]:
    """Name the modules that import each other in a circle."""
    inner = {module: {ours(name) or "" for name in names} for module, names in graph.items()}
    try:
        TopologicalSorter(inner).prepare()
    except CycleError as error:
        return [f"a cycle: {error.args[1]}"]
    return []


def test_imports_point_down() -> None:
    """The package keeps its own rules."""
    assert faults(read_package()) == []


def test_all_modules_are_read() -> None:
    """The check sees the package, with imports for type checkers and inside functions."""
    graph = read_package()
    assert len(graph) == len(list(ROOT.rglob("*.py")))
    assert "bulkdelete.core.model" in graph["dispatch"]
    assert "bulkdelete.render.html" in graph["reporting"]
    assert "bulkdelete.backlog" in graph["dispatch"]


BAD = [
    ("core.plan", "import asyncio", "core touches nothing"),
    ("core.plan", "from os import path", "core touches nothing"),
    ("core.plan", "import aiohttp", "core touches nothing"),
    ("core.plan", "import rich", "not let in here"),
    ("core.plan", "from bulkdelete.io import files", "not downwards"),
    ("core.model", "from bulkdelete import errors", "not downwards"),
    ("core.model", "import msgspec", "stands on nothing"),
    ("dispatch", "if TYPE_CHECKING:\n    import bulkdelete.io.journal", "never"),
    ("dispatch", "def f():\n    from bulkdelete.sending import Sender", "not downwards"),
    ("dispatch", "from bulkdelete.reading import Part", "not downwards"),
    ("io.source", "import aiohttp", "not let in here"),
    ("io.source", "from bulkdelete.io import slots", "not downwards"),
    ("sending", "import some_package_of_tomorrow", "not let in here"),
    ("emulator.app", "from bulkdelete.core.model import Kind", "nothing else of ours"),
    ("cli.run", "import bulkdelete", "imported by none"),
    ("cli.run", "from bulkdelete import __version__", "imported by none"),
    ("helpers", "", "on no floor"),
]

GOOD = [
    ("core.plan", "import msgspec, hashlib\nfrom bulkdelete.core import model"),
    ("core.layout", "from bulkdelete.core import plan"),
    ("io.rundir", "from bulkdelete.io import files\nimport filelock"),
    ("emulator.app", "from bulkdelete.emulator import state\nfrom aiohttp import web"),
    ("cli.demo", "from bulkdelete import demo\nfrom bulkdelete.cli import common"),
    ("__main__", "from bulkdelete.cli import main"),
]


def read_one(module: str, source: str) -> Graph:
    """Read a package of one module; what it imports of ours is there too."""
    modules = {f"{PACKAGE}.{name}" for names in FLOORS for name in names}
    modules |= {f"{PACKAGE}.{name}" for name in ("core.plan", "cli.common", "emulator.state")}
    return {module: set(imports(source, module, modules))}


@pytest.mark.parametrize(("module", "source", "complaint"), BAD)
def test_a_bad_import_is_caught(module: str, source: str, complaint: str) -> None:
    """Each rule bites: wherever the import stands, and however it is written."""
    found = faults(read_one(module, source))
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(("module", "source"), GOOD)
def test_a_good_import_is_let_through(module: str, source: str) -> None:
    """No rule bites where it should not."""
    assert faults(read_one(module, source)) == []


def test_a_cycle_is_caught() -> None:
    """Modules of one family may lean on each other, but not in a circle."""
    graph = {"core.plan": {"bulkdelete.core.index"}, "core.index": {"bulkdelete.core.plan"}}
    found = faults(graph)
    assert len(found) == 1
    assert "a cycle" in found[0]
