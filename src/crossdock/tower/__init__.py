"""For eyes: the pages of one tenant, made on the server. They read history and act by putting events in."""

from crossdock.tower.ground import EVERY_ROLE, Person, Who
from crossdock.tower.site import app

__all__ = ["EVERY_ROLE", "Person", "Who", "app"]
