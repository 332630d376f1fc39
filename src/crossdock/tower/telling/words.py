"""What states are called, and the icon and tone each has on every page. Colour never tells it alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """How a status is shown: its word, its icon (a symbol of `icons.svg.jinja`), its tone (a class)."""

    word: str
    icon: str
    tone: str


STEP_STATUS: dict[str, Look] = {
    "pending": Look("pending", "ring", "quiet"),
    "running": Look("running", "play", "busy"),
    "waiting": Look("waiting", "clock", "wait"),
    "succeeded": Look("done", "check", "good"),
    "skipped": Look("skipped", "skip", "quiet"),
    "failed": Look("failed", "cross", "bad"),
    "held": Look("held", "stop", "bad"),
    "cancelled": Look("cancelled", "slash", "quiet"),
    "undone": Look("undone", "undo", "quiet"),
}

RUN_STATUS: dict[str, Look] = {
    "active": Look("active", "play", "busy"),
    "held": Look("held", "stop", "bad"),
    "cancelling": Look("cancelling", "undo", "wait"),
    "completed": Look("completed", "check", "good"),
    "cancelled": Look("cancelled", "slash", "quiet"),
    "failed": Look("failed", "cross", "bad"),
}

SEVERITY: dict[str, Look] = {
    "critical": Look("critical", "stop", "bad"),
    "high": Look("high", "up", "bad"),
    "medium": Look("medium", "dot", "wait"),
    "low": Look("low", "down", "quiet"),
}

CONNECTION: dict[str, Look] = {
    "open": Look("open", "check", "good"),
    "draining": Look("draining", "play", "busy"),
    "stopped": Look("stopped", "slash", "wait"),
    "broken": Look("breaker open", "stop", "bad"),
}

REPAIR_STATUS: dict[str, Look] = {
    "trial": Look("trial", "play", "busy"),
    "waiting": Look("waits for you", "clock", "wait"),
    "running": Look("running", "play", "busy"),
    "done": Look("all sent", "check", "good"),
    "stopped": Look("stopped", "slash", "quiet"),
}

# What came of one run of a repair; `sent` and `waiting` are none yet.
OUTCOME: dict[str, Look] = {
    "mended": Look("mended", "check", "good"),
    "moved": Look("goes on", "check", "good"),
    "stayed": Look("stays", "cross", "bad"),
    "held": Look("held again", "stop", "bad"),
    "refused": Look("not taken", "cross", "bad"),
    "ended": Look("ended", "slash", "quiet"),
    "stopped": Look("stopped", "stop", "bad"),
    "sent": Look("under way", "play", "busy"),
    "waiting": Look("not sent yet", "ring", "quiet"),
}

UNKNOWN = Look("unknown", "ring", "quiet")


def look(table: dict[str, Look], word: str) -> Look:
    """How `word` is shown; one that nobody has told us of keeps its text."""
    return table.get(word) or Look(word or "unknown", UNKNOWN.icon, UNKNOWN.tone)


def plain(name: str) -> str:
    """A name of the language as people read it: `order_changed_in_flight` is `Order changed in flight`."""
    text = name.replace("_", " ").replace("-", " ").strip()
    return text[:1].upper() + text[1:]


def step_title(name: str, title: str) -> str:
    """A step's title, or its name in words."""
    return title if title and title != name.replace("_", " ") and title != name else plain(name)
