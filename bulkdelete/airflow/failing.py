"""How a try ends, as Airflow's exceptions."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRuntimeError,
    AirflowSkipException,
)

from bulkdelete.airflow.drive import Halted
from bulkdelete.airflow.rules import Ending, of_error, sentence
from bulkdelete.concluding import bug
from bulkdelete.errors import BulkdeleteError

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXCEPTIONS = {
    Ending.SKIP: AirflowSkipException,
    Ending.AGAIN: AirflowException,
    Ending.FAIL: AirflowFailException,
}


def end(ending: Ending, words: str) -> None:
    """Raise what Airflow acts on; return when all is done."""
    if ending is not Ending.DONE:
        raise _EXCEPTIONS[ending](words)


@contextmanager
def translated() -> "Iterator[None]":
    """Put the library's exceptions as Airflow's, without what they came from: that may hold IDs."""
    try:
        yield
    except Halted as halted:
        raise AirflowException(
            f"{halted}: what was in flight is on record, and a retry goes on"
        ) from None
    except BulkdeleteError as error:
        _raise(error)
    except (AirflowException, AirflowRuntimeError):  # no connection, no API server: its own words
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is: its message may hold an ID
        known = bug(error)
        raise AirflowException(sentence(known.code, str(known))) from None


def _raise(error: BulkdeleteError) -> NoReturn:
    words = sentence(error.code, str(error), error.hint)
    raise _EXCEPTIONS[of_error(error)](words) from None
