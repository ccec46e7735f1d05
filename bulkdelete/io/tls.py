"""How TLS is spoken: verified, always; there is no switch that turns it off."""

import os
import ssl

from bulkdelete.errors import UsageError


def verifying() -> ssl.SSLContext:
    """Return a context that proves who the other side is, by the machine's authorities."""
    if os.environ.get("SSLKEYLOGFILE"):
        raise UsageError(
            "sslkeylogfile",
            "SSLKEYLOGFILE is set: it would write the session's keys, and with them the passcode "
            "and the IDs, to a file",
            "unset SSLKEYLOGFILE",
        )
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
