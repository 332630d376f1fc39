"""GS1 EPCIS 2.0 and 1.2, JSON and XML, in our words: what was seen of each thing, by its business step.

Each thing that an event names is told apart: the logistic unit where there is one (`parentID`), else each
EPC. A step of production (a transformation, a commissioning) has no milestone of ours and is `unknown`; an
event that declares an earlier one wrong is `unknown` as well, with that declaration, for somebody to look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from crossdock.connect.contract import Happening, Notice
from crossdock.connectors._payload import Part, payload
from crossdock.connectors._tracking import Parcel, Scan, happenings
from crossdock.connectors._words import told, words
from crossdock.connectors._zones import Moment, told_moment
from crossdock.errors import Refused

_WORDS = "crossdock.connectors.gs1_epcis"
_EVENTS = ("ObjectEvent", "AggregationEvent", "TransactionEvent", "TransformationEvent", "AssociationEvent")
_LAST = re.compile(r"BizStep-|Disp-|BTT-|[:/#]")


def told_by_webhook(notice: Notice) -> list[Happening]:
    """A document of events, or one event. Raises `Refused` for what is neither."""
    return happenings(words(_WORDS), _seen(payload(notice), notice.settings.get("zone", "")))


def _seen(body: Part, zone: str) -> Iterator[tuple[Parcel, Sequence[Scan]]]:
    found = list(_events(body))
    if not found:
        raise Refused("it is no document of EPCIS: there is no event in it", where=body.where)
    for kind, event in found:
        yield from _event(kind, event, zone)


def _events(body: Part) -> Iterator[tuple[str, Part]]:
    document = body["EPCISDocument"]
    if document:
        listed = document["EPCISBody"]["EventList"]
        holders = [listed, *listed.each("extension")] if listed else []
        for holder in holders:
            for kind in _EVENTS:
                for event in holder.each(kind):
                    yield kind, event
        return
    inner = body["epcisBody"] or body
    for event in (*inner.each("eventList"), *inner.each("event"), *([body] if body["eventTime"] else [])):
        yield event.text("type"), event


def _event(kind: str, event: Part, zone: str) -> Iterator[tuple[Parcel, Sequence[Scan]]]:
    when = _when(event, zone)
    step, state = _word(event.text("bizStep")), _word(event.text("disposition"))
    wrong = event["errorDeclaration"]
    place = _id(event["readPoint"]) or _id(event["bizLocation"])
    shipment = _shipment(event)
    for thing in _things(event) or [shipment or place or "-"]:
        scan = Scan(
            asks=[] if wrong else [("step", step)],
            when=when,
            code=" ".join(word for word in (kind, step, event.text("action")) if word),
            text=f"declared wrong: {_word(wrong.text('reason')) or 'no reason'}" if wrong else "",
            why=[] if wrong else [("disposition", state)],
            reason=state,
            place=told(name=place[:500]),
            id=event.text("eventID") or f"{kind}/{step}/{when.bound.isoformat()}",
            of="package",
            of_number=thing[:200],
        )
        yield (
            Parcel(carrier="gs1_epcis", number=thing[:200], references=told(shipment=shipment[:200])),
            [scan],
        )


def _when(event: Part, zone: str) -> Moment:
    """The time of an event has its zone in itself; the offset tells the clock of the place besides."""
    return told_moment(event.needed("eventTime"), zone=zone, where=event["eventTime"])


def _things(event: Part) -> list[str]:
    parent = event.text("parentID")
    if parent:
        return [parent]
    found: list[str] = []
    for name in ("epcList", "childEPCs", "outputEPCList"):
        listed = event[name]
        if isinstance(listed.value, list):
            found += [one.text() for one in event.each(name)]
        elif listed:
            found += [one.text() for one in listed.each("epc")]
    return list(dict.fromkeys(thing for thing in found if thing))


def _shipment(event: Part) -> str:
    """The despatch advice that the event names."""
    listed = event["bizTransactionList"]
    one_by_one = (
        event.each("bizTransactionList")
        if isinstance(listed.value, list)
        else listed.each("bizTransaction")
        if listed
        else ()
    )
    for one in one_by_one:
        if isinstance(one.value, str):
            continue
        kind = one.text("type") if isinstance(one.value, dict) else one.value.get("type", "")
        if _word(kind) == "desadv":
            return (
                one.text("bizTransaction") if isinstance(one.value, dict) else (one.value.text or "").strip()
            )
    return ""


def _id(part: Part) -> str:
    return part.text("id") if part and not isinstance(part.value, str) else part.text()


def _word(text: str) -> str:
    """The last word of a CBV value: `shipping` of `urn:epcglobal:cbv:bizstep:shipping`."""
    return _LAST.split(text)[-1]
