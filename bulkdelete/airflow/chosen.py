"""From an Airflow connection and an operator's options to settings; without Airflow."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.errors import UsageError
from bulkdelete.options import (
    ApplyOptions,
    PlanOptions,
    RunOptions,
    VerifyOptions,
    as_flags,
    check_names,
    how_to_ask,
)
from bulkdelete.settings import FIELDS, Credentials, Settings, credentials, load_profile, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from bulkdelete.airflow.access import Access

NOT_HERE: Final[Mapping[str, str]] = {
    "account_id": "the connection says it",
    "passcode_file": "the connection says it",
    "notify": "its address is a secret, and Airflow shows options: say it in a profile",
    "heartbeat": "its address is a secret, and Airflow shows options: say it in a profile",
}
"""Options of the library that are none in a DAG, and why."""

SWITCHES: Final = frozenset(
    {
        *("yes", "renew", "dry_run", "again", "abandon", "must_resume", "full", "ambiguous", "now"),
        *("accept_anomaly", "accept_protect_mismatch", "no_header", "explode", "numbers"),
        *("trim", "lower", "nfc", "otel", "watch_return"),
    }
)
"""Options that are true or false: the text "False", as a template makes it, would be a yes."""

PLACES: Final = frozenset(
    {"protect", "input", "key_file", "kill_file", "metrics_file", "slots_password_file"}
)
"""Options that are paths: "None", as a template makes it, would be a file's name somewhere."""

AIRFLOW_GRACE: Final = 3.0
"""Seconds for what is in flight, when killed: Airflow sends SIGKILL 5 s after SIGTERM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Options, split: settings, and what is said besides of approval and of what is meant."""

    settings: Settings
    who: Credentials
    besides: Mapping[str, Any]

    def sending(self) -> dict[str, Any]:
        """Return what `bulkdelete.run` is told."""
        return {"settings": self.settings, "credentials": self.who, **self.besides}

    def resuming(self) -> dict[str, Any]:
        """Return what `bulkdelete.run` is told by a retry, which begins nothing."""
        first = {"again", "abandon"}
        told = {name: one for name, one in self.sending().items() if name not in first}
        return told | {"must_resume": True}

    def applying(self) -> dict[str, Any]:
        """Return what `bulkdelete.apply` is told: of a plan that is made already."""
        told = {
            name: one for name, one in self.besides.items() if name in ApplyOptions.__annotations__
        }
        lists = {"protect": self.settings.protect} if self.settings.protect else {}
        return {"settings": self.settings, "credentials": self.who, **lists, **told}


def check_named(options: Mapping[str, object], kind: type) -> None:
    """Refuse an option that is none, when the DAG is read; UsageError."""
    for name in options:
        if name in NOT_HERE:
            raise UsageError("options", f"{name} is no option in a DAG: {NOT_HERE[name]}")
    check_names(options, kind)


def check_values(options: Mapping[str, object]) -> None:
    """Refuse, when all is rendered, what is not there, a switch that is text, a lost path."""
    for name, value in options.items():
        if value is None or value in ("", [], ()):
            raise UsageError("options", f"the option {name} is {value!r}: leave it out, or say it")
        if name in SWITCHES and not isinstance(value, bool):
            raise UsageError(
                "options",
                f"the option {name} is not True or False; nothing was sent",
                "a template makes text: say it in Python, or render native objects",
            )
        if name in PLACES:
            check_inputs(value)  # type: ignore[arg-type]


def check_inputs(places: "str | PathLike[str] | Sequence[str | PathLike[str]]") -> tuple[str, ...]:
    """Return paths as they would be typed; UsageError for one that depends on where it is read."""
    every = tuple(map(str, places if isinstance(places, list | tuple) else (places,)))
    for one in every:
        if not Path(one).is_absolute() and "://" not in one:
            raise UsageError(
                "input", f"{one!r} does not begin at the root: a worker may start anywhere"
            )
    return every


def choose(
    access: "Access",
    options: Mapping[str, object],
    kind: type,
    profile: str | None = None,
    profile_dir: str | None = None,
) -> Chosen:
    """Put settings and credentials together; UsageError where two places say two things."""
    check_values(options)
    said = _profile(profile, profile_dir)
    named = how_to_ask(options) if kind is VerifyOptions else options  # type: ignore[arg-type]
    flags = as_flags({name: value for name, value in named.items() if name in FIELDS})
    if not {"region", "endpoint"} & flags.keys():
        flags |= access.place
    if "grace" not in said:
        flags.setdefault("grace", str(AIRFLOW_GRACE))
    settings = resolve(flags | {"account_id": access.account}, {}, said)
    _check_one_place(settings, access, said)
    if kind in {PlanOptions, RunOptions}:
        settings = _settled(settings, flags.keys() | said.keys())
    settings = replace(settings, passcode_file=None)
    return Chosen(
        settings=settings,
        who=credentials(settings, {settings.target.secret_variable: access.passcode}),
        besides={name: value for name, value in options.items() if name not in flags},
    )


def _profile(name: str | None, place: str | None) -> Mapping[str, Any]:
    if place is None:
        if name is not None:
            raise UsageError("profile", "a profile needs profile_dir, where bulkdelete.toml is")
        return {}
    return load_profile(name or "default", Path(place))


def _check_one_place(settings: Settings, access: "Access", said: Mapping[str, Any]) -> None:
    """Refuse options that go elsewhere than the connection, and a profile of somebody else."""
    region = {"region": said["region"]} if "region" in said else {}
    for place in (access.place, region):
        if place and resolve({}, {}, place, settings.target.name).host != settings.host:
            raise UsageError(
                "two_places",
                "connection, options and profile name different places; nothing was sent",
                "name the region in the connection, and nowhere else",
            )
    if said.get("account_id", access.account) != access.account:
        raise UsageError(
            "two_places",
            "the connection is of another account than the profile's; nothing was sent",
            "use the connection of the profile's account",
        )


def _settled(settings: Settings, named: "set[str]") -> Settings:
    """Return settings with a place for the runs that is the same on every worker."""
    place = settings.run_dir if settings.run_dir is not None else settings.runs_dir
    if not {"run_dir", "runs_dir"} & named or not place.is_absolute():
        raise UsageError(
            "runs_dir",
            "the options want runs_dir (or run_dir), from the root on; nothing was sent",
            "name a directory that outlives the task, and that every worker sees",
        )
    if "runs_dir" not in named:  # the job's earlier runs are where this one is
        return replace(settings, runs_dir=place.parent)
    return settings
