"""What a payload becomes, and nothing kept: the reading of the doors, for whoever wants to see it first.

The webhook's door is tried first, then each feed: a record of it, or a whole page as its system answers. Each
reads exactly as it does when the payload comes in by it, so what is shown here is what would be taken in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from crossdock.connect.arrivals import arrivals
from crossdock.connect.contract import Connector, Context, Notice, Page, Poll, Request, Response
from crossdock.connect.places import line_of
from crossdock.engine import Arrival
from crossdock.errors import CrossdockError, NotFound, Refused
from crossdock.gateway.mapped import Through
from crossdock.gateway.poll import exact, read_record
from crossdock.gateway.receive import AS_IT_IS, digest_of, translated

_Door = Callable[[], list[Arrival]]


def translate(
    connector: Connector,
    payload: bytes,
    *,
    connection: str = "",
    settings: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    feed: str | None = None,
    received: datetime | None = None,
    through: Through = AS_IT_IS,
) -> list[Arrival]:
    """The events that a payload is; none where it says nothing that concerns us.

    `settings` are the connection's, the connector's defaults where none are given; `headers` those of a
    webhook, names in lower case; `feed` names one feed as the only door, `through` the mapping of the
    connection. Raises `Refused` with the reason of the first door, and the line in the payload where that is
    known, and `NotFound` for a feed that is none.
    """
    known = settings if settings is not None else _defaults(connector)
    name = connection or connector.name
    notice = Notice(
        headers=dict(headers or {}),
        body=payload,
        received=received or datetime.now(UTC),
        settings=known,
    )
    first: Refused | None = None
    read = False
    for door in _doors(connector, notice, name, feed, through):
        try:
            events = door()
        except Refused as error:
            first = first or error
            continue
        if events:
            return events
        read = True
    if read:
        return []
    if first is None:
        raise Refused(
            f"{connector.name} takes nothing in: it has neither webhook nor feed",
            mend="name a connector that has",
        )
    raise Refused(first.message, where=line_of(payload, first.where), mend=first.mend)


def _doors(
    connector: Connector, notice: Notice, connection: str, feed: str | None, through: Through
) -> Iterator[_Door]:
    webhook = connector.webhook
    if webhook is not None and feed is None:
        yield lambda: translated(connector, connection, webhook, notice, _message(connector, notice), through)
    polls = [poll for poll in connector.polls if feed in (None, poll.name)]
    if feed is not None and not polls:
        has = ", ".join(poll.name for poll in connector.polls) or "none"
        raise NotFound(f"{connector.name} has no feed {feed}", mend=f"it has: {has}")
    for poll in polls:
        yield lambda poll=poll: _page(connector, poll, notice, connection, through)  # type: ignore[misc]
        yield lambda poll=poll: _record(connector, poll, notice, connection, through)  # type: ignore[misc]


def _record(
    connector: Connector, poll: Poll, notice: Notice, connection: str, through: Through
) -> list[Arrival]:
    try:
        record = exact(notice.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        record = notice.json()  # says why and where
    return read_record(connector, poll, connection, record, notice.settings, through)


def _page(
    connector: Connector, poll: Poll, notice: Notice, connection: str, through: Through
) -> list[Arrival]:
    """The payload as the one answer that the feed's reading asks for."""
    page = _answered(poll, notice, connection)
    found = arrivals(through.events(page.happenings), connector, connection, poll.name)
    for record in page.records:
        found += read_record(connector, poll, connection, record, notice.settings, through)
    return found


def _answered(poll: Poll, notice: Notice, connection: str) -> Page:
    talk = poll.read("", Context(settings=notice.settings, connection=connection))
    asked: Request | None = None
    try:
        next(talk)
        asked = talk.send(Response(200, dict(notice.headers), notice.body))
    except StopIteration as stop:
        if isinstance(stop.value, Page):
            return stop.value
    except Refused:
        raise
    except CrossdockError as error:
        raise Refused(error.message, where=error.where, mend=error.mend) from None
    except Exception as error:  # noqa: BLE001 - a connector reads what others send
        raise Refused(f"it is no page of the feed {poll.name}: {type(error).__name__}: {error}") from None
    finally:
        talk.close()
    raise Refused(f"the feed {poll.name} makes no page of it" + (f", and asks {asked!r}" if asked else ""))


def _message(connector: Connector, notice: Notice) -> str:
    digest = digest_of(notice.body)
    try:
        return (connector.webhook.delivery_id(notice) if connector.webhook else "") or digest
    except Exception:  # noqa: BLE001 - it reads what others send
        return digest


def _defaults(connector: Connector) -> dict[str, Any]:
    return {name: one.default for name, one in connector.settings.items() if one.default is not None}
