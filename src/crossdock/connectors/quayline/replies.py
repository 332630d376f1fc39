"""What Quayline Express answers and tells, in our words. Its times are epoch seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from crossdock.connect.contract import Context, Happening, Notice, Response
from crossdock.connectors._carriers import Consignment, Proof, Scan, reported, tracking
from crossdock.connectors._words import minor, reading, told, words
from crossdock.model.codes import instant_text

Json = Mapping[str, Any]

_FORMATS = {"ZPL": "application/zpl", "PDF": "application/pdf"}
_WORDS = "crossdock.connectors.quayline"


def booked(response: Response, _: Context) -> Json:
    """The label that was made, now or before under the same key."""
    label = response.json()
    image, charge, due = label.get("lbl"), label.get("chg"), label.get("eta")
    return told(
        booking=label["trk"],
        tracking_number=label["trk"],
        label=f"data:{_FORMATS.get(image['fmt'], 'application/octet-stream')};base64,{image['b64']}"
        if image
        else None,
        price=minor(charge["c"], charge["cur"]) if charge else None,
        estimated_delivery=instant_text(_at(due)) if due else None,
    )


def nothing(_: Response, __: Context) -> Json:
    """It was done; there is nothing to tell."""
    return {}


def tracked(response: Response, _: Context) -> Json:
    """What has happened so far."""
    body = response.json()
    proof = body.get("pod")
    scans = [_scan(scan, body["trk"]) for scan in body["scans"]]
    return tracking(words(_WORDS), _consignment(body), scans, _proof(proof) if proof else None)


def told_by_webhook(notice: Notice) -> Iterator[Happening]:
    """One scan that was pushed. Raises `Refused` for one that cannot be read."""
    body = notice.json()
    with reading("the webhook"):
        proof, scan = body.get("pod"), _scan(body["scan"], body["trk"])
        yield reported(words(_WORDS), _consignment(body), scan, _proof(proof) if proof else None)


def delivery_id(notice: Notice) -> str:
    """The carrier's own id of the message, the same when it is sent again."""
    body = notice.json()
    return str(body.get("id", "")) if isinstance(body, dict) else ""


def _consignment(body: Json) -> Consignment:
    due = body.get("eta")
    return Consignment(
        carrier="quayline",
        number=body["trk"],
        shipment=body.get("ref1") or "",
        order=body.get("ref2") or "",
        estimated_delivery=instant_text(_at(due)) if due else "",
    )


def _scan(scan: Json, number: str) -> Scan:
    return Scan(
        id=f"{number}/{scan['n']}",
        status=scan["st"],
        time=_at(scan["dt"]),
        reason=scan.get("rsn") or "",
        text=scan.get("txt") or "",
        place=scan.get("loc") or "",
    )


def _proof(proof: Json) -> Proof:
    return Proof(
        delivered=_at(proof["dt"]),
        received_by=proof.get("by") or "",
        noted=tuple(
            (kind, int(proof.get(field) or 0), proof.get("note") or "")
            for kind, field in (("damaged", "dmg"), ("short", "sht"))
        ),
    )


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
