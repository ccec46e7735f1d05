"""Who asks: the account and its passcode, which nothing shows."""

import re
from collections.abc import MutableMapping
from dataclasses import dataclass, field

from bulkdelete.errors import UsageError
from bulkdelete.io import files
from bulkdelete.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks; the passcode never shows in a repr."""

    account: str
    passcode: str = field(repr=False)


_VISIBLE = re.compile(r"[!-~]{1,256}")


def visible(value: str, what: str) -> str:
    """Return what goes into a header; UsageError when it cannot, naming only what it is."""
    if not _VISIBLE.fullmatch(value):
        raise UsageError("credentials", f"{what} is blank, or holds spaces, newlines or non-ASCII")
    return value


def credentials(settings: Settings, environment: MutableMapping[str, str]) -> Credentials:
    """Return who asks; UsageError when something is missing.

    The passcode is taken out of the environment, so that no child process inherits it.
    """
    if settings.account is None:
        raise UsageError(
            "account_missing",
            "the account is not named; nothing was sent",
            f"set {settings.target.account_variable} or give --account-id",
        )
    variable = settings.target.secret_variable
    passcode = environment.pop(variable, None)
    if settings.passcode_file is not None:
        passcode = files.read_secret(settings.passcode_file, "the passcode file")
    if passcode is None:
        raise UsageError(
            "passcode_missing",
            "there is no passcode; nothing was sent",
            f"set {variable} or give --passcode-file",
        )
    return Credentials(settings.account, visible(passcode, "the passcode"))
