"""Who may: tenants, people and keys, what they may do, secrets, and the audit of what they did."""

from crossdock.access.actions import ACTIONS
from crossdock.access.resource import Resource
from crossdock.access.who import Principal

__all__ = ["ACTIONS", "Principal", "Resource"]
