"""Where Asendia USA's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.asendia_us",
        carrier="asendia_us",
        parcels=("data",),
        number=("trackingNumberVendor", "customerReferenceNumber"),
        events=("trackingMilestoneEvents",),
        code=("eventCode",),
        time=("eventOn",),
        text=("eventDescription",),
        name=("eventLocation",),
        errors=(("", "responseStatusCode", "responseStatusMessage"),),
    )
)
