"""The vendors: each a `Target` in a module of its own, found by its name.

    bulkdelete.targets      the group of entry points where others put theirs

The built-in ones are found without entry points, and first: no package that is installed besides
can take the place of one.
"""

import importlib
from importlib.metadata import entry_points

from bulkdelete.core.target import Target
from bulkdelete.errors import UsageError

GROUP = "bulkdelete.targets"
FIRST = "clevertap"
BUILT_IN = {
    FIRST: "bulkdelete.targets.clevertap:CLEVERTAP",
    "braze": "bulkdelete.targets.braze:BRAZE",
    "amplitude": "bulkdelete.targets.amplitude:AMPLITUDE",
}


def find(name: str) -> Target:
    """Return the target of that name; UsageError when there is none, two, or something else."""
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        found = getattr(importlib.import_module(module), attribute)
    else:
        found = _installed(name)
    if not isinstance(found, Target) or found.name != name:
        raise UsageError("target", f"what is installed as the target {name!r} is not one")
    return found


def names() -> list[str]:
    """Return the names that there are."""
    return sorted({*BUILT_IN, *(one.name for one in entry_points(group=GROUP))})


def secrets_of(chosen: Target) -> frozenset[str]:
    """Return the variables with the credentials of a target, and of each built-in one."""
    every = (chosen, *map(find, BUILT_IN))
    return frozenset(name for one in every for name in (one.account_variable, one.secret_variable))


def _installed(name: str) -> object:
    found = set(entry_points(group=GROUP, name=name))
    if not found:
        raise UsageError("target", f"there is no target {name!r}; there are: {' '.join(names())}")
    if len({one.value for one in found}) > 1:
        raise UsageError("target", f"two packages say that they are the target {name!r}")
    try:
        return found.pop().load()
    except Exception as error:
        raise UsageError(
            "target", f"the target {name!r} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
