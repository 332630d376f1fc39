"""What changed in Tryton, found by the time of the change.

`last_modified_at` is the start of the transaction that changed a record, so a slow one appears behind what
was read already. Each reading looks back, and leaves out what it has seen: pairs of a record and its time.
The cursor holds both. A cursor that is lost costs a reading from the beginning, and tells nothing twice,
since an event has its record's name for an id. What was deleted does not show.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from crossdock.connect.contract import Context, Page, Request, Response
from crossdock.connectors._words import instant
from crossdock.connectors.tryton import replies, requests

_PAGE = 50


class _Place(msgspec.Struct):
    """How far it was read: the latest time, what was seen of the time looked back, and where in a reading."""

    at: str = ""
    seen: dict[str, str] = {}
    after: tuple[str, int] | None = None


def orders(cursor: str, context: Context) -> Generator[Request, Response, Page]:
    """Sales that were processed, and returns that were quoted."""
    domain = [["state", "in", ["quotation", "confirmed", "processing"]], ["number", "!=", None]]
    return (yield from _page("sale.sale", domain, replies.ORDER, cursor, context))


def invoices(cursor: str, context: Context) -> Generator[Request, Response, Page]:
    """Invoices to customers that were posted or paid, and credit notes."""
    domain = [["type", "=", "out"], ["state", "in", list(replies.POSTED)]]
    return (yield from _page("account.invoice", domain, replies.INVOICE, cursor, context))


def _page(
    model: str, domain: list[Any], fields: list[str], cursor: str, context: Context
) -> Generator[Request, Response, Page]:
    place = _read(cursor)
    back = timedelta(seconds=float(context.settings["look_back"]))
    since = context.settings.get("since")
    bound = _time(place.at) - back if place.at else instant(str(since)) if since else None
    if bound is not None:
        domain = [*domain, ["last_modified_at", ">=", bound]]
    if place.after is not None:
        last, number = _time(place.after[0]), place.after[1]
        later = [["last_modified_at", "=", last], ["id", ">", number]]
        domain = [*domain, ["OR", ["last_modified_at", ">", last], later]]
    order = [["last_modified_at", "ASC"], ["id", "ASC"]]
    asked = requests.search(context, model, domain, fields, order=order, most=_PAGE)
    found = replies.result((yield asked))
    fresh = []
    latest = place.at
    for record in found:
        stamp = _stamp(record)
        if place.seen.get(str(record["id"])) != stamp:
            fresh.append(record)
        place.seen[str(record["id"])] = stamp
        latest = max(latest, stamp)
        place.after = (stamp, int(record["id"]))
    oldest = _text(_time(latest) - back) if latest else ""
    place.seen = {number: stamp for number, stamp in place.seen.items() if stamp >= oldest}
    more = len(found) == _PAGE
    if not more:  # the next reading looks back from the latest
        place.after, place.at = None, latest
    return Page(records=fresh, cursor=msgspec.json.encode(place).decode(), more=more)


def _read(cursor: str) -> _Place:
    """The place that a cursor names; the beginning where it names none."""
    if not cursor:
        return _Place()
    try:
        place = msgspec.json.decode(cursor, type=_Place)
        for stamp in (place.at, place.after[0] if place.after else ""):
            if stamp:
                _time(stamp)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError):
        return _Place()
    return place


def _stamp(record: Mapping[str, Any]) -> str:
    return _text(replies.decoded(record["last_modified_at"]))


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _time(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=UTC)
