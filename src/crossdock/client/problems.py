"""What a server says went wrong, as errors: by the type of its problem, else by the status."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

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

_BY_NAME: Mapping[str, type[CrossdockError]] = {
    "not-proven": NotProven,
    "forbidden": Forbidden,
    "not-found": NotFound,
    "changed": Conflict,
    "at-work": Conflict,
    "suspended": Conflict,
    "conflict": Conflict,
    "too-many": TooMany,
    "unreachable": Unreachable,
    "unknown-outcome": UnknownOutcome,
    "broken": Broken,
}
_BY_STATUS: Mapping[int, type[CrossdockError]] = {
    401: NotProven,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    429: TooMany,
    502: Unreachable,
    503: Unreachable,
    504: Unreachable,
}
_NO_ADDRESS = "there is nothing at /"  # what a server says of an address that its release has not
SOON = 5.0  # seconds after which a server is asked again that does not say when


class _Told(msgspec.Struct):
    type: str = ""
    detail: str = ""
    where: str = ""
    mend: str = ""
    request: str = ""


def name_of(body: bytes) -> str:
    """The name of the problem that an answer tells, "" where it tells none."""
    return _told(body).type.rpartition("/")[2]


def error_of(
    status: int, body: bytes, *, asked: str, retry_after: float | None, hidden: Callable[[str], str]
) -> CrossdockError:
    """The error that an answer tells. `hidden` takes out of a text what must not be shown."""
    told = _told(body)
    by_status = _BY_STATUS.get(status, Broken if status >= 500 else Refused)
    kind = _BY_NAME.get(told.type.rpartition("/")[2], by_status)
    message = hidden(told.detail) or f"the server answered {status}, and not as Crossdock does"
    where = hidden(told.where) or asked
    mend = hidden(told.mend) or ("" if told.type else "see that the address is that of a Crossdock server")
    if message.startswith(_NO_ADDRESS):
        message = "the server does not know what it is asked for"
        mend = "it is of another release than this one: bring both to the same"
    if kind is Broken and told.request:
        mend = f"{mend} (request {hidden(told.request)})".strip()
    if kind is TooMany:
        after = SOON if retry_after is None else retry_after
        return TooMany(message, where=where, mend=mend, retry_after=after)
    if kind is Unreachable:
        return Unreachable(message, where=where, mend=mend, retry_after=retry_after)
    return kind(message, where=where, mend=mend)


def _told(body: bytes) -> _Told:
    try:
        return msgspec.json.decode(body, type=_Told)
    except (msgspec.DecodeError, UnicodeDecodeError):  # no problem of ours: what stands between says it so
        return _Told()
