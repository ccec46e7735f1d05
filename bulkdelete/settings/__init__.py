"""Settings: flags > environment > profile > default, each value checked once, none blank.

Some things are said by a flag or not at all (approval, renewal, every way round a guard): a
variable or a file that was forgotten somewhere must not be able to delete anybody.

    values     one value, read            fields    which settings there are
    merging    one, out of all its words  places    where requests go, who keeps the slots
    profile    bulkdelete.toml            who       the account and its passcode
    resolving  all of them, checked       model     what comes of it: Settings
"""

from bulkdelete.settings.fields import FIELDS, PREFIX
from bulkdelete.settings.merging import checked
from bulkdelete.settings.model import Settings, is_production
from bulkdelete.settings.places import endpoint_host
from bulkdelete.settings.profile import CONFIG_FILE, load_profile
from bulkdelete.settings.resolving import resolve
from bulkdelete.settings.values import duration
from bulkdelete.settings.who import Credentials, credentials

__all__ = [
    "CONFIG_FILE",
    "FIELDS",
    "PREFIX",
    "Credentials",
    "Settings",
    "checked",
    "credentials",
    "duration",
    "endpoint_host",
    "is_production",
    "load_profile",
    "resolve",
]
