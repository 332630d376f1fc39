"""A connector from one YAML file, for a REST system, without Python."""

from crossdock.connect.declarative.grammar import SCHEMA
from crossdock.connect.declarative.read import NotAConnector, from_yaml

__all__ = ["SCHEMA", "NotAConnector", "from_yaml"]
