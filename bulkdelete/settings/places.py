"""Where requests go, and who keeps the account's slots."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from bulkdelete.core.keeper import LONGEST_TIMEOUT, Keeper
from bulkdelete.core.target import Target, is_loopback, is_private
from bulkdelete.errors import UsageError
from bulkdelete.io import files
from bulkdelete.settings.fields import PREFIX


def host_of(target: Target, values: Mapping[str, Any], *, by_flag: bool) -> str | None:
    """Return the base URL that region or endpoint name; None for none, UsageError for two."""
    region, endpoint = values["region"], values["endpoint"]
    if endpoint is None:
        return None if region is None else _of_region(target, region)
    host = endpoint_host(target, endpoint)
    if region is not None and _of_region(target, region) != host:
        raise UsageError("two_places", "--region and --endpoint name different places; give one")
    if host not in target.regions.values() and not by_flag:
        raise UsageError(
            "endpoint", "an endpoint outside the region table is given by --endpoint, or not at all"
        )
    return host


def _of_region(target: Target, region: str) -> str:
    with suppress(ValueError):
        region = target.dashboard(urlsplit(region).hostname or "") or region
    if region not in target.regions:
        known = " ".join(target.regions)
        raise UsageError("region", f"there is no such region; there are: {known}")
    return target.regions[region]


def endpoint_host(target: Target, endpoint: str) -> str:
    """Return the base URL that an endpoint or dashboard address means; UsageError if none."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError as error:
        raise UsageError("endpoint", "--endpoint is not a URL") from error
    name = parts.hostname or ""
    if region := target.dashboard(name):
        return _of_region(target, region)
    if parts.scheme not in {"http", "https"} or not name or parts.username or parts.query:
        raise UsageError("endpoint", "--endpoint wants https://HOST (or http:// for loopback)")
    if parts.scheme == "http" and not is_loopback(name):
        raise UsageError("endpoint", "http:// is only for a loopback address")
    if parts.path.rstrip("/"):
        raise UsageError("endpoint", "--endpoint wants the base of the URL, without a path")
    if is_private(name):
        raise UsageError("endpoint", "private and link-local addresses are refused")
    shown = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


# --- who keeps the slots ---


def keeper_of(
    values: Mapping[str, Any], environment: Mapping[str, str], *, by_flag: bool
) -> Keeper | None:
    """Return the Redis that keeps the slots, with its password; UsageError for one that shows."""
    keeper: Keeper | None = values["slots"]
    place = values["slots_password_file"]
    variable = f"{PREFIX}SLOTS_PASSWORD"
    if keeper is None:
        if place is not None:
            raise UsageError("slots_missing", "--slots-password-file is that of --slots: which?")
        return None
    if by_flag and keeper.password is not None:
        raise UsageError(
            "password_shows",
            "--slots holds a password, and all on this machine can read a command line",
            f"put it in {variable}, in BULKDELETE_SLOTS, or in --slots-password-file (0600)",
        )
    if values["timeout"] > LONGEST_TIMEOUT:
        raise UsageError(
            "slots_timeout",
            f"with --slots a request may take {LONGEST_TIMEOUT:g} s at most: its slot is leased",
            f"say --timeout {LONGEST_TIMEOUT:g}, or less",
        )
    password = environment.get(variable)
    if place is not None:
        password = files.read_secret(place, "the file of the slots' password")
    return keeper if password is None else replace(keeper, password=password)
