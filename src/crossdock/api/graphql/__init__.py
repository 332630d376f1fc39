"""Orders, shipments, runs, exceptions and tasks as a graph, for portals and control towers. It only reads."""

from crossdock.api.graphql.persisted import Persisted
from crossdock.api.graphql.serve import Asking, endpoint

__all__ = ["Asking", "Persisted", "endpoint"]
