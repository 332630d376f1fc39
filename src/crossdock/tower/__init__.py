"""For eyes: the pages of one tenant, made on the server. They read history, and act by the desk."""

from crossdock.tower.ground import Person, Who
from crossdock.tower.site import app

__all__ = ["Person", "Who", "app"]
