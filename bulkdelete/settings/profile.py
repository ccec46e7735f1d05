"""The profiles of bulkdelete.toml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bulkdelete.errors import UsageError
from bulkdelete.settings.fields import FIELDS

CONFIG_FILE = "bulkdelete.toml"


def load_profile(name: str | None, place: Path) -> Mapping[str, Any]:
    """Return a profile of bulkdelete.toml (`default` when none is named), {} when there is none.

    UsageError for a file that cannot be read, an unknown key, or a profile that is not there.
    """
    path = place / CONFIG_FILE
    if not path.is_file():
        if name is not None:
            raise UsageError("profile", f"there is no {CONFIG_FILE} here to find a profile in")
        return {}
    import tomllib  # noqa: PLC0415 - half a megabyte that a run without profiles does not need

    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError("config", f"{CONFIG_FILE} cannot be read: {error}") from error
    profiles = document.pop("profiles", {})
    tables = isinstance(profiles, dict) and all(isinstance(p, dict) for p in profiles.values())
    if document or not tables:
        raise UsageError("config", f"{CONFIG_FILE} holds something else than [profiles.NAME]")
    if name is not None and name not in profiles:
        raise UsageError("profile", f"{CONFIG_FILE} has no profile {name!r}")
    found = profiles.get(name or "default", {})
    values = {key.replace("-", "_"): value for key, value in found.items()}
    for key in values:
        if key not in FIELDS:
            raise UsageError("config", f"{CONFIG_FILE}: {key!r} is no setting of a profile")
    if "endpoint" in values:
        raise UsageError("config", f"{CONFIG_FILE}: an endpoint is said by a flag; name a region")
    return values
