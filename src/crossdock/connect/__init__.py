"""How we call out: what a connector is, which there are, and the runtime that talks for them.

A connector imports `crossdock.connect.contract`, `sign_in` and `signatures`; all else imports from here.
"""

from crossdock.connect.call import Calls
from crossdock.connect.contract import Connector
from crossdock.connect.declarative import from_yaml
from crossdock.connect.keeper import Keeper, SealedKeeper
from crossdock.connect.lines import Lines
from crossdock.connect.registry import Registry
from crossdock.connect.systems import catalogue, contracts
from crossdock.connect.watch import Watch
from crossdock.connect.wire import Wire

__all__ = [
    "Calls",
    "Connector",
    "Keeper",
    "Lines",
    "Registry",
    "SealedKeeper",
    "Watch",
    "Wire",
    "catalogue",
    "contracts",
    "from_yaml",
]
