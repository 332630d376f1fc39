"""What went wrong, as programs read it: one table from error to status, one form (RFC 9457) for all of them.

    type      names the problem, `.../problem/not-found`: what a program decides by
    title     the same in words
    status    the HTTP status
    detail    what happened this time
    instance  the address that was asked
    where     the place in what was sent, `body.lines.0.quantity`; absent where it is none
    mend      what mends it
    request   the id of the request, as logs have it
    problems  where there are several: detail, where and mend of each

The first row of `STATUS` that fits an error counts; no error carries a status. Of a fault of ours nothing is
told but the id under which the log has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from starlette.responses import Response

from crossdock.access.redaction import hidden
from crossdock.engine.inbox import Suspended
from crossdock.errors import (
    Broken,
    Conflict,
    CrossdockError,
    Forbidden,
    NotFound,
    NotProven,
    Refused,
    TooMany,
    UnknownOutcome,
    Unreachable,
)
from crossdock.model.documents import Invalid
from crossdock.process.problems import NotAProcess
from crossdock.translate import NotAMapping

log = structlog.get_logger(__name__)

MEDIA = "application/problem+json"
TYPES = "https://schemas.crossdock.dev/problem/"


class Unreadable(Refused):
    """What was sent cannot be read at all: no JSON, no such form."""


class WrongMedia(Refused):
    """What was sent is of a kind that is not taken here."""


class TooLarge(Refused):
    """What was sent is larger than is taken."""


class NotAllowed(Refused):
    """The address is there, and does not take this method."""


class Changed(Conflict):
    """What was to be changed is not what was seen: `If-Match` does not hold."""


class Unconditional(Refused):
    """A change that does not say of what: `If-Match` is missing."""


class KeyReused(Refused):
    """An idempotency key that was used for something else."""


class AtWork(Conflict):
    """The same is being done just now."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table."""

    error: type[CrossdockError]
    status: int
    name: str
    title: str


STATUS: tuple[Kind, ...] = (
    Kind(NotProven, 401, "not-proven", "Who asks has not been shown"),
    Kind(Forbidden, 403, "forbidden", "Not allowed"),
    Kind(NotFound, 404, "not-found", "Not there"),
    Kind(NotAllowed, 405, "method", "Not taken here"),
    Kind(Changed, 412, "changed", "It has changed"),
    Kind(Unconditional, 428, "unconditional", "Say what you have seen"),
    Kind(AtWork, 409, "at-work", "The same is being done"),
    Kind(Suspended, 503, "suspended", "The tenant is suspended"),
    Kind(Conflict, 409, "conflict", "It contradicts what is"),
    Kind(Unreadable, 400, "unreadable", "It cannot be read"),
    Kind(TooLarge, 413, "too-large", "Too large"),
    Kind(WrongMedia, 415, "media-type", "Of a kind that is not taken"),
    Kind(KeyReused, 422, "key-reused", "The key was used for something else"),
    Kind(Refused, 422, "refused", "Not taken"),
    Kind(TooMany, 429, "too-many", "More often than is agreed"),
    Kind(Unreachable, 503, "unreachable", "Not there at the moment"),
    Kind(UnknownOutcome, 500, "unknown-outcome", "It may have happened"),
    Kind(Broken, 500, "broken", "Something is broken"),
    Kind(CrossdockError, 500, "broken", "Something is broken"),
)


class Several(Refused):
    """Several things are wrong with what was sent; each has its place."""

    def __init__(self, problems: Sequence[Refused]) -> None:
        """Take them in the order in which they stand."""
        first = problems[0]
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        super().__init__(f"{first.message}{more}", where=first.where, mend=first.mend)
        self.problems = tuple(problems)


def kind_of(error: CrossdockError) -> Kind:
    """The row of the table for an error."""
    return next(kind for kind in STATUS if isinstance(error, kind.error))


def problem(error: CrossdockError, *, path: str, request: str) -> Response:
    """The answer that tells an error."""
    kind = kind_of(error)
    headers: dict[str, str] = {}
    if kind.status == 401:
        headers["www-authenticate"] = 'Bearer realm="crossdock"'
    if isinstance(error, AtWork | Suspended | Unreachable):
        headers["retry-after"] = str(max(1, round(getattr(error, "retry_after", None) or 5)))
    if isinstance(error, NotAllowed):
        headers["allow"] = error.mend.removeprefix("use ")
    if kind.status == 500:
        log.error("api.fault", path=path, request=request, error=str(error))
        told: dict[str, Any] = {
            "detail": "This could not be done, by a fault in Crossdock or its set-up.",
            "mend": "try again; if it stays, ask those who run Crossdock, and name the request",
        }
    else:
        told = {
            "detail": hidden(error.message),
            "where": hidden(error.where),
            "mend": hidden(error.mend),
            "problems": [
                {name: hidden(text) for name, text in one.items() if text} for one in _several(error)
            ],
        }
    body = {
        "type": TYPES + kind.name,
        "title": kind.title,
        "status": kind.status,
        "instance": quote(path),
        "request": request,
        **{name: value for name, value in told.items() if value},
    }
    return Response(msgspec.json.encode(body), kind.status, headers, MEDIA)


def _several(error: CrossdockError) -> Iterator[Mapping[str, str]]:
    """Each of several things that are wrong: the problems of a document, a process, a request."""
    if isinstance(error, Several):
        for one in error.problems:
            yield {"detail": one.message, "where": one.where, "mend": one.mend}
    elif isinstance(error, Invalid):
        for found in error.problems:
            yield {"detail": found.message, "where": found.path, "mend": found.mend}
    elif isinstance(error, NotAProcess | NotAMapping):
        for wrong in error.problems:
            place = f"{wrong.line}:{wrong.column}" + (f" step {wrong.step}" if wrong.step else "")
            place = f"{wrong.file}:{place}" if wrong.file else place
            yield {"detail": wrong.message, "where": place, "mend": wrong.mend}
