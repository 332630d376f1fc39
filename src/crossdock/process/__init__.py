"""What must happen: the process language and the pure kernel that runs it.

`check` and `load` read a process; `starts`, `new_state` and `advance` run it, `replay` runs it again, and a
`Course` lets a run go on under another version. No I/O, no clock, nothing random.
"""

from crossdock.process.advance import Decision, advance, new_state, replay, starts
from crossdock.process.catalogue import Catalogue, canonical
from crossdock.process.definition import Process
from crossdock.process.messages import Event
from crossdock.process.move import Course
from crossdock.process.publish import check, load
from crossdock.process.state import State, decode_state, encode_state

__all__ = [
    "Catalogue",
    "Course",
    "Decision",
    "Event",
    "Process",
    "State",
    "advance",
    "canonical",
    "check",
    "decode_state",
    "encode_state",
    "load",
    "new_state",
    "replay",
    "starts",
]
