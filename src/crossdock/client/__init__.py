"""A program's way in: the API of a server, typed, asked with a key."""

from crossdock.client.asking import Asking
from crossdock.client.client import Client
from crossdock.client.shapes import (
    Alias,
    Case,
    Decision,
    Kept,
    Outcome,
    Run,
    Sent,
    Task,
    Unread,
)

__all__ = [
    "Alias",
    "Asking",
    "Case",
    "Client",
    "Decision",
    "Kept",
    "Outcome",
    "Run",
    "Sent",
    "Task",
    "Unread",
]
