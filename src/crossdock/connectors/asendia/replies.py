"""Where Asendia's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.asendia",
        carrier="asendia",
        parcels=("",),
        number=("trackingNumber",),
        events=("trackingEvents",),
        code=("code",),
        time=("time",),
        text=("carrierEventDescription",),
        name=("locationName",),
        country=("locationCountry",),
        errors=(("", "status", "detail"),),
    )
)
