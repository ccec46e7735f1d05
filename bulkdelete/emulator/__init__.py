"""A stateful look-alike of a vendor's API on loopback, with seeded and scripted faults.

| module | what it knows |
|---|---|
| `dialect` | `Dialect`: what one vendor understands and says (pure) |
| `clevertap`, `braze`, `amplitude` | theirs (pure) |
| `config` | `EmulatorConfig`: everything that is settled before it starts |
| `faults` | `Faults` (rates), the script's words, and which fault a request meets (pure) |
| `dials` | what can be turned while it runs: faults, limit, latency, scripts (pure) |
| `windows` | requests in a time: the limit (pure) |
| `slots` | requests in flight: the limit, the utilisation, the gaps (pure) |
| `state` | profiles, IDs acted on, the log of requests, the counts (pure) |
| `answers` | responses, and the ways to spoil their delivery |
| `traffic` | one running account: its two lanes (deletes, reads), its trace file |
| `deleting` | the delete endpoint: what a body must be, one request from arrival to end |
| `app` | `create_app`: the routes, and the profile read |
| `control` | routes under `/_emulator/` |
| `server` | `serve`, `start`, `running`: loopback sockets and a clean stop |

docs/emulator.md says of each behaviour whether the real API documents it, or whether it is a guess.
"""

from bulkdelete.emulator.app import EMULATION, create_app
from bulkdelete.emulator.config import EmulatorConfig
from bulkdelete.emulator.dialect import Dialect, Kind, Order, Refusal
from bulkdelete.emulator.faults import Faults
from bulkdelete.emulator.server import RunningEmulator, running, serve, start
from bulkdelete.emulator.state import State

__all__ = [
    "EMULATION",
    "Dialect",
    "EmulatorConfig",
    "Faults",
    "Kind",
    "Order",
    "Refusal",
    "RunningEmulator",
    "State",
    "create_app",
    "running",
    "serve",
    "start",
]
