"""One setting out of all that was said of it: flag > environment > profile > default."""

from collections.abc import Mapping
from typing import Any

from bulkdelete.errors import UsageError
from bulkdelete.settings.fields import ELSEWHERE, FIELDS, PREFIX, Field


def value_of(
    name: str,
    one: Field,
    flag: Any,  # noqa: ANN401 - what a flag gave
    environment: Mapping[str, str],
    profile: Mapping[str, Any],
    file: str,
) -> Any:  # noqa: ANN401 - any setting
    """Return one setting: the nearest word counts, but protect lists add up."""
    variable = one.env or PREFIX + name.upper()
    found = []
    if flag not in (None, False, ()):
        found.append(_checked(one, flag, "--" + name.replace("_", "-")))
    if variable in environment and not one.only:
        found.append(_checked(one, environment[variable], variable))
    if name in profile:
        where = f"{name.replace('_', '-')} in {file}"
        found.append(_checked(one, profile[name], where))
        by_flag = flag not in (None, False, ())
        _check_against_profile(one, found, where, variable, by_flag=by_flag)
    if name == "protect":
        return tuple(dict.fromkeys(path for paths in found for path in paths))
    return found[0] if found else one.default


def _check_against_profile(
    one: Field, found: list[Any], where: str, variable: str, *, by_flag: bool
) -> None:
    """Refuse a file that loosens a guard, and a variable that contradicts or loosens the file."""
    said = found[-1]
    if one.only == "flag":
        raise UsageError("config", f"{where}: this is said by a flag, or not at all")
    if one.ceiling and one.default is not None and not said <= one.default:
        raise UsageError(
            "loosens",
            f"{where} loosens a guard, and a file may only tighten it",
            f"leave it out, or say it by the flag; at most {one.default:g} is allowed there",
        )
    if by_flag or len(found) == 1:
        return
    if one.place and str(found[0]) != str(said):  # a place, without who asks there
        raise UsageError(
            "two_places",
            f"{variable} in the environment contradicts {where}; nothing was sent",
            f"unset {variable}, or say by a flag which one is meant",
        )
    if one.ceiling and not found[0] <= said:
        raise UsageError(
            "loosens",
            f"{variable} loosens what {where} says; nothing was sent",
            f"unset {variable}, or say it by the flag",
        )


def checked(name: str, value: str) -> Any:  # noqa: ANN401 - any setting
    """Read one setting that a flag gives; UsageError names the flag."""
    return _checked(FIELDS[name], value, "--" + name.replace("_", "-"))


def _checked(one: Field, value: Any, where: str) -> Any:  # noqa: ANN401 - any setting
    texts = value if isinstance(value, list | tuple) else (value,)
    if any(isinstance(text, str) and not text.strip() and text != "\t" for text in texts):
        raise UsageError("blank", f"{where} is blank; a blank value never means a default")
    try:
        return one.parse(value)
    except (ValueError, TypeError, OverflowError) as error:
        text = str(error)
        reason = text if "wanted" in text or "allowed" in text else "that is not a number"
        raise UsageError("bad_value", f"{where}: {reason}") from error


def check_variables(environment: Mapping[str, str]) -> None:
    """Refuse a variable of ours that is no setting: it was meant to be one."""
    known = {
        PREFIX + name.upper() for name, one in FIELDS.items() if one.env is None and not one.only
    }
    known |= {PREFIX + name for name in ELSEWHERE}
    for name in environment:
        if name.startswith(PREFIX) and name not in known:
            raise UsageError(
                "unknown_variable",
                f"the environment sets {name}, which is no setting, or one that only a flag gives",
                f"unset {name}",
            )
