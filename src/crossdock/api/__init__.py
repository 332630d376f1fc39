"""For programs: REST, GraphQL. Reads the history; acts by putting events in."""

from crossdock.api.app import app, described, nothing_here
from crossdock.api.ground import Ground
from crossdock.api.importing import Imports
from crossdock.api.names import NameBook

__all__ = ["Ground", "Imports", "NameBook", "app", "described", "nothing_here"]
