"""Where GLS's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.gls",
        carrier="gls",
        parcels=("parcels",),
        number=("unitno", "requested", "trackid"),
        events=("events",),
        code=("code",),
        time=("eventDateTime", "timestamp"),
        text=("description",),
        name=("location",),
        city=("city",),
        postal_code=("postalCode",),
        country=("country",),
        errors=(("", "errorCode", "errorMessage"),),
    )
)
