"""Where Royal Mail's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.royalmail",
        carrier="royalmail",
        parcels=("mailPieces",),
        number=("summary.oneDBarcode", "mailPieceId"),
        events=("events",),
        code=("eventCode",),
        time=("eventDateTime",),
        text=("eventName",),
        name=("locationName",),
        signed_by=("signature.recipientName",),
        due=("estimatedDelivery.date",),
        errors=(
            ("errors", "errorCode", "errorDescription"),
            ("mailPieces.error", "errorCode", "errorDescription"),
            ("error", "errorCode", "errorDescription"),
        ),
    )
)
