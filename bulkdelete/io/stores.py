"""Objects in stores, by fsspec: S3, Google Cloud Storage, Azure (extra `remote`; a package each).

Who we are and where the store is, its own settings say (`AWS_...`, `AZURE_STORAGE_...`,
`GOOGLE_APPLICATION_CREDENTIALS`, `FSSPEC_...`, their files): there is no flag for a secret.
"""

import errno
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from bulkdelete.core.urls import Scheme, Url
from bulkdelete.errors import InputError, Stopped, UsageError
from bulkdelete.io.remote import ChangedError, Facts, LostError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_MODULES = {Scheme.S3: "s3fs", Scheme.GS: "gcsfs", Scheme.AZ: "adlfs"}
_FORBIDDEN = frozenset({401, 403})
_MISSING = frozenset({404, 410})
_LATER = frozenset({408, 425, 429})
_NO_CREDENTIALS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "ProfileNotFound",
    "TokenRetrievalError",
    "DefaultCredentialsError",
    "RefreshError",
    "ClientAuthenticationError",
    "CredentialRetrievalError",
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
)
_HINTS = {
    Scheme.S3: "see AWS_PROFILE or AWS_ACCESS_KEY_ID, and that it may do s3:GetObject (a prefix: "
    "s3:ListBucket); FSSPEC_S3_ANON=true for a public bucket",
    Scheme.GS: "see GOOGLE_APPLICATION_CREDENTIALS; FSSPEC_GS_TOKEN=anon for a public bucket",
    Scheme.AZ: "see AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and its key",
}


@cache
def _system(scheme: Scheme) -> Any:  # noqa: ANN401 - a file system of fsspec
    """Return what speaks to a store; UsageError `missing_extra` when it is not installed."""
    module = _MODULES[scheme]
    try:
        import_module(module)
        import fsspec  # noqa: PLC0415 - an extra
    except ImportError as error:
        package = (
            "'bulkdelete[remote]'" if scheme is Scheme.S3 else f"'bulkdelete[remote]' {module}"
        )
        raise UsageError(
            "missing_extra",
            f"{scheme.value}:// needs the package `{module}`",
            f"pip install {package}",
        ) from error
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if scheme is Scheme.S3:
        # Who asks again, and how long, is `Remote`'s to say: not each of the layers below, too.
        options["config_kwargs"] = {"retries": {"total_max_attempts": 1}}
    if scheme is Scheme.GS:
        # The class itself: fsspec's own choice asks each bucket for its layout by gRPC first.
        return import_module("gcsfs.core").GCSFileSystem(**options)
    return fsspec.filesystem(scheme.value, **options)


class Object:
    """One object of a store."""

    def __init__(self, url: Url) -> None:
        self._url = url
        self._file: Any = None
        self._facts: dict[str, Any] = {}

    def look(self) -> Facts:
        """Ask for its facts."""
        return _asked(self._url, self._look)

    def read(self, start: int, end: int) -> bytes:
        """Ask for a range of the version that was looked at."""
        return _asked(self._url, lambda: self._read(start, end))

    def rest(self) -> None:
        """Leave it to fsspec what it holds open: that is for all objects of a store."""

    def _look(self) -> Facts:
        system = _system(self._url.scheme)
        system.invalidate_cache()
        if self._url.scheme is Scheme.S3:
            # Opened so, each range is asked for of this version only (If-Match).
            self._file = system.open(self._url.key, "rb", cache_type="none")
            found = self._file.details
        else:
            found = system.info(self._url.key)
        if found.get("type") != "file":
            raise RefusedError(
                "not_a_file",
                "this is a prefix, not an object",
                "put / at its end to take all that is under it",
            )
        self._facts = found
        return Facts(int(found["size"]), _modified(found), _version(found), firm=True)

    def _read(self, start: int, end: int) -> bytes:
        if self._url.scheme is Scheme.S3:
            self._file.seek(start)
            return bytes(self._file.read(end - start))
        system, wanted = _system(self._url.scheme), {"start": start, "end": end}
        if self._url.scheme is not Scheme.GS:
            return bytes(system.cat_file(self._url.key, **wanted))
        generation = self._facts["generation"]
        try:
            return bytes(system.cat_file(self._url.key, generation=generation, **wanted))
        except FileNotFoundError:
            if system.info(self._url.key)["generation"] != generation:
                raise ChangedError from None
            raise


def found_under(url: Url) -> list[Url]:
    """Return what matches a pattern, or is under a prefix, sorted by name. It blocks.

    InputError when that cannot be listed; Stopped when the store does not answer.
    """
    try:
        keys = _asked(url, lambda: _keys(url))
    except RefusedError as error:
        raise InputError(error.code, str(error), error.hint, where=str(url)) from error
    except LostError as error:
        raise Stopped(
            "input_unreachable",
            f"{url}: cannot be listed now: {error}; nothing was sent",
            "see that the place is well, then run the same command again",
        ) from error
    return [url.of(key) for key in sorted(keys)]


def _keys(url: Url) -> list[str]:
    system = _system(url.scheme)
    if url.key.endswith("/") and "*" not in url.key:
        found = system.find(url.key, detail=True)
    else:
        found = system.glob(url.key.rstrip("/") if url.key.endswith("/") else url.key, detail=True)
    return [
        name for name, one in found.items() if one.get("type") == "file" and _is_list(name, one)
    ]


def _is_list(name: str, facts: dict[str, Any]) -> bool:
    """Tell that it is no mark of a folder, as consoles and Hadoop make them: `name/`, empty."""
    return not name.endswith("/") or bool(facts.get("size"))


def _asked(url: Url, ask: "Callable[[], T]") -> T:
    """Ask a store, and say in our words what it raises."""
    try:
        return ask()
    except (LostError, RefusedError, ChangedError, UsageError):
        raise
    except Exception as error:
        raise _meaning(url, error) from error


def _meaning(url: Url, error: Exception) -> Exception:
    """Return what an error of a store's own package means."""
    status, names = _status(error), {one.__name__ for one in type(error).__mro__}
    if "FileExpired" in names or status == 412:  # noqa: PLR2004
        return ChangedError()
    if isinstance(error, FileNotFoundError) or status in _MISSING:
        return RefusedError(
            "input_missing", "there is no such object", "check bucket and key, and the account"
        )
    if (
        isinstance(error, PermissionError)
        or status in _FORBIDDEN
        or not names.isdisjoint(_NO_CREDENTIALS)
        or str(error).startswith("Forbidden")
    ):
        return RefusedError(
            "input_forbidden",
            f"the store does not let us read it, or does not know us ({type(error).__name__})",
            _HINTS[url.scheme],
        )
    if isinstance(error, ValueError) and status is None:
        return RefusedError(
            "input_store", "the store's settings do not say how to reach it", _HINTS[url.scheme]
        )
    if status is not None and 300 <= status < 500 and status not in _LATER:  # noqa: PLR2004
        return RefusedError("input_store", f"the store answers {status}", _HINTS[url.scheme])
    return LostError(_why(error))


def _status(error: BaseException) -> int | None:
    """Return the HTTP status behind an error, however its package keeps it."""
    seen: BaseException | None = error
    while seen is not None:
        reply = getattr(seen, "response", None)
        told = reply.get("ResponseMetadata", {}) if isinstance(reply, dict) else {}
        for one in (
            told.get("HTTPStatusCode"),
            *(getattr(seen, name, None) for name in ("status_code", "status", "code")),
        ):
            if isinstance(one, int | str) and str(one).isdecimal() and 100 <= int(one) < 600:  # noqa: PLR2004
                return int(one)
        seen = seen.__cause__
    return None


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "there is no answer in time"
    number = error.errno if isinstance(error, OSError) else None
    return f"no answer that helps ({errno.errorcode.get(number or 0, type(error).__name__)})"


def _version(found: dict[str, Any]) -> str:
    for name in ("generation", "ETag", "etag"):
        if found.get(name):
            return f"{name.lower()}:{found[name]}"
    raise RefusedError(
        "input_store", "the store names no version of it, so a change could go unseen"
    )


def _modified(found: dict[str, Any]) -> float:
    for name in ("LastModified", "last_modified", "mtime", "updated"):
        value = found.get(name)
        if isinstance(value, str) and value:
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value.timestamp()
    return 0.0
