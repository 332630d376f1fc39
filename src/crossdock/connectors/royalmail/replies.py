"""Where Royal Mail's tracking has what."""

from __future__ import annotations

from crossdock.connect.contract import Happening, Notice
from crossdock.connectors._shapes import Shape, reader


def told_by_webhook(notice: Notice) -> list[Happening]:
    """Its events, or the last of each item in a summary; of what was not seen yet there is none."""
    return [one for one in _read(notice) if {"code_told", "text"} & one.data["milestone"].keys()]


_read = reader(
    Shape(
        package="crossdock.connectors.royalmail",
        carrier="royalmail",
        parcels=("mailPieces",),
        number=("summary.oneDBarcode", "mailPieceId"),
        events=("events", "summary"),  # the last alone, where it was asked for a summary
        code=("eventCode", "lastEventCode"),
        time=("eventDateTime", "lastEventDateTime"),
        text=("eventName", "lastEventName"),
        name=("locationName", "lastEventLocationName"),
        signed_by=("signature.recipientName",),
        due=("estimatedDelivery.date",),
        errors=(
            ("errors", "errorCode", "errorDescription"),
            ("mailPieces.error", "errorCode", "errorDescription"),
            ("error", "errorCode", "errorDescription"),
        ),
    )
)
