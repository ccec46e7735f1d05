"""All that was said, put together and checked as a whole."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bulkdelete import targets
from bulkdelete.core.layout import Format, Reading
from bulkdelete.core.selection import NORMAL, Selection
from bulkdelete.core.target import Target
from bulkdelete.errors import UsageError
from bulkdelete.settings.fields import FIELDS, fields_for
from bulkdelete.settings.merging import check_variables, value_of
from bulkdelete.settings.model import Settings
from bulkdelete.settings.places import host_of, keeper_of
from bulkdelete.settings.profile import CONFIG_FILE
from bulkdelete.settings.who import visible


def resolve(
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    profile: Mapping[str, Any],
    planned: str | None = None,
    file: str = CONFIG_FILE,
) -> Settings:
    """Put the settings together; UsageError names the flag, variable or key at fault.

    `flags` maps names to what was given on the command line (None: not given); `planned` is the
    target of the plan that they are for, if there is one; `file` is where the profile stands.
    """
    check_variables(environment)
    chosen = FIELDS["target"]
    if planned is not None:
        chosen = replace(chosen, default=planned)
    target = targets.find(
        value_of("target", chosen, flags.get("target"), environment, profile, file)
    )
    values = {
        name: value_of(name, one, flags.get(name), environment, profile, file)
        for name, one in fields_for(target).items()
    }
    host = host_of(target, values, by_flag=flags.get("endpoint") is not None)
    values["slots"] = keeper_of(values, environment, by_flag=flags.get("slots") is not None)
    _check_together(values)
    return _settings(target, values, host)


def _check_together(values: Mapping[str, Any]) -> None:
    """Refuse settings that make no sense beside each other."""
    if values["leave_free"] >= values["max_in_flight"]:
        raise UsageError("leave_free", "--leave-free leaves no slot of --max-in-flight to use")
    if (values["max_percent"] is None) != (values["population"] is None):
        raise UsageError(
            "percent_of_what",
            "--max-percent and --population go together: a share of how many users?",
        )
    if values["last_seen"] is not None and values["exported_at"] is None:
        raise UsageError(
            "exported_at_needed",
            "--last-seen needs --exported-at: active after which time?",
        )
    if values["signatures"] is not None and values["signers"] is None:
        raise UsageError("signers_missing", "signatures are demanded, and no file of signers named")
    if values["seed"] is not None and values["sample"] is None:
        raise UsageError("selection", "--seed is that of --sample")
    if values["account_id"] is not None:
        visible(values["account_id"], "the account ID")


def _settings(target: Target, values: Mapping[str, Any], host: str | None) -> Settings:
    plain = {
        name: value
        for name, value in values.items()
        if name in Settings.__dataclass_fields__ and name not in {"reading", "target"}
    }
    # Who names signers wants a signature.
    plain["signatures"] = values["signatures"] or (1 if values["signers"] else 0)
    plain["environment"] = values["environment"] or ""
    return Settings(
        **plain,
        reading=Reading(
            format=Format(values["format"]),
            delimiter=values["delimiter"],
            quote=values["quote"],
            escape=values["escape"],
            encoding=values["encoding"],
            column=values["column"],
            header=not values["no_header"],
            id_type=values["id_type"],
            explode=values["explode"],
            normal=tuple(way for way in NORMAL if values[way]),
            names=target.columns,
        ),
        selection=_selection(values),
        target=target,
        host=host,
        account=values["account_id"],
    )


def _selection(values: Mapping[str, Any]) -> Selection:
    return Selection(
        where=values["where"],
        skip=values["skip"],
        limit=values["limit"],
        sample=values["sample"],
        seed=values["seed"] or 0,
    )
