"""People decide: what a person, a key or an assistant changes is done here, once, for every door."""

from crossdock.desk.acts import Acts
from crossdock.desk.ground import REFUSALS, Asked, Told

__all__ = ["REFUSALS", "Acts", "Asked", "Told"]
