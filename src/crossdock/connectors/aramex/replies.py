"""Where Aramex's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.aramex",
        carrier="aramex",
        parcels=(
            "Envelope.Body.ShipmentTrackingResponse.TrackingResults.KeyValueOfstringArrayOfTrackingResultmFAkxlpY",
            "ShipmentTrackingResponse.TrackingResults.KeyValueOfstringArrayOfTrackingResultmFAkxlpY",
        ),
        number=("Key",),
        events=("Value.TrackingResult",),
        code=("UpdateCode",),
        time=("UpdateDateTime",),
        text=("UpdateDescription", "Comments"),
        name=("UpdateLocation",),
        errors=(
            ("Envelope.Body.ShipmentTrackingResponse.Notifications.Notification", "Code", "Message"),
            ("Envelope.Body.ShipmentTrackingResponse.NonExistingWaybills.string", "-", ""),
        ),
    )
)
