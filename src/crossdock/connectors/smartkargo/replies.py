"""Where SmartKargo's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.smartkargo",
        carrier="smartkargo",
        parcels=("",),
        number=("pieceReference", "packageReference", "headerReference"),
        events=("",),
        code=("eventType",),
        time=("eventDate",),
        text=("description",),
        name=("eventLocation",),
        city=("location.city",),
        region=("location.state",),
        postal_code=("location.zip",),
        country=("location.countryId",),
        zone=("location.timezone",),
        due=("estimatedDeliveryDate",),
        errors=(("error", "code", "message"),),
    )
)
