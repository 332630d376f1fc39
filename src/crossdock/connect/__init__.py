"""How we call out: what a connector is, which there are, and the runtime that talks for them.

A connector imports `crossdock.connect.contract` (and `sign_in`, `signatures`); everything else imports from
here.
"""

from crossdock.connect.contract import Connector
from crossdock.connect.registry import Registry
from crossdock.connect.systems import catalogue, contracts

__all__ = ["Connector", "Registry", "catalogue", "contracts"]
