"""Airflow over the library: a hook, operators that plan and send, and a sensor for afterwards.

    CleverTapHook            who asks, and which region: an Airflow connection
    BulkDeleteOperator       plan, approve, send; a retry goes on with the run of the first try
    BulkDeletePlanOperator   plan only, offline
    BulkDeleteApplyOperator  send exactly that plan
    BulkDeleteVerifySensor   wait until the profiles are gone

They run on the worker and are not deferred: a triggerer may run one trigger twice, has no disk
that outlives it, and is told of no kill; a run needs the opposite of all three. The sensor, which
waits for days, gives its slot back in between. Airflow is imported when one of these names is used;
what decides (`access`, `chosen`, `rules`, `telling`, `drive`, `memory`) does without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkdelete.airflow.hook import CleverTapHook
    from bulkdelete.airflow.operators import (
        BulkDeleteApplyOperator,
        BulkDeleteOperator,
        BulkDeletePlanOperator,
    )
    from bulkdelete.airflow.sensor import BulkDeleteVerifySensor

__all__ = [
    "BulkDeleteApplyOperator",
    "BulkDeleteOperator",
    "BulkDeletePlanOperator",
    "BulkDeleteVerifySensor",
    "CleverTapHook",
]

_HOME = {
    "BulkDeleteApplyOperator": "operators",
    "BulkDeleteOperator": "operators",
    "BulkDeletePlanOperator": "operators",
    "BulkDeleteVerifySensor": "sensor",
    "CleverTapHook": "hook",
}


if not TYPE_CHECKING:  # a name that is not there is an error to the type checker, too

    def __getattr__(name: str) -> object:
        """Import a name, and Airflow with it, when it is first used."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
