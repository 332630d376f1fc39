"""Who may: tenants, people and keys, what they may do, secrets, and the audit of what they did."""

from crossdock.access.actions import ACTIONS
from crossdock.access.policy import Policies, Verdict
from crossdock.access.resource import Resource
from crossdock.access.who import Principal

__all__ = ["ACTIONS", "Policies", "Principal", "Resource", "Verdict"]
