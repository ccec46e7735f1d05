"""What Airflow is told of this package: the type of connection, and its form; without Airflow."""

from typing import Any


def info() -> dict[str, Any]:
    """Return the metadata of a provider, for the entry point `apache_airflow_provider`."""
    return {
        "package-name": "bulkdelete",
        "name": "bulkdelete",
        "description": "Delete user profiles in bulk through CleverTap's API.",
        "connection-types": [
            {
                "connection-type": "clevertap",
                "hook-class-name": "bulkdelete.airflow.hook.CleverTapHook",
                "hook-name": "CleverTap",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port", "extra"],
                    "relabeling": {"login": "Account ID", "password": "Passcode", "host": "Region"},
                    "placeholders": {"login": "XXX-XXX-XXXX", "host": "eu1"},
                },
            }
        ],
    }
