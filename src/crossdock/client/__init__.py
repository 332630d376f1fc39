"""A program's way in: the API of a server, typed, asked with a key."""

from crossdock.client.asking import Answer, Asking
from crossdock.client.client import Client
from crossdock.client.operator import Operator
from crossdock.client.shapes import Case, Decision, Kept, Outcome, Run, Sent, Task, Unread

__all__ = [
    "Answer",
    "Asking",
    "Case",
    "Client",
    "Decision",
    "Kept",
    "Operator",
    "Outcome",
    "Run",
    "Sent",
    "Task",
    "Unread",
]
