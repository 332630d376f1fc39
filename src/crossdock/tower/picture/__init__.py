"""A process as a picture: where its boxes stand, and what is in them."""

from crossdock.tower.picture.graph import does, draw

__all__ = ["does", "draw"]
