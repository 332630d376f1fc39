"""A push that is a hint: what there is to tell is read by the feeds, at once instead of when they are due.

A feed that fails is left to its pauses, or every push would ask a system that is down.
"""

from __future__ import annotations

from typing import LiteralString

HINT: LiteralString = """
update crossdock.feed set hinted = true, due = least(due, crossdock.now())
where tenant = $1 and connection = $2 and failures = 0
"""
