"""Where Aramex's tracking has what, in XML and in JSON."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.aramex",
        carrier="aramex",
        parcels=(
            "Envelope.Body.ShipmentTrackingResponse.TrackingResults.KeyValueOfstringArrayOfTrackingResultmFAkxlpY",
            "ShipmentTrackingResponse.TrackingResults.KeyValueOfstringArrayOfTrackingResultmFAkxlpY",
            "TrackingResults",
        ),
        number=("Key",),
        events=("Value.TrackingResult", "Value"),
        code=("UpdateCode",),
        time=("UpdateDateTime",),
        text=("UpdateDescription", "Comments"),
        located=("UpdateLocation",),
        errors=(
            ("Envelope.Body.ShipmentTrackingResponse.Notifications.Notification", "Code", "Message"),
            ("Envelope.Body.ShipmentTrackingResponse.NonExistingWaybills.string", "-", ""),
            ("Notifications", "Code", "Message"),
            ("NonExistingWaybills", "-", ""),
        ),
    )
)
