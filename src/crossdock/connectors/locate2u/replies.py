"""Where Locate2u's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.locate2u",
        carrier="locate2u",
        parcels=("",),
        number=("stopId",),
        events=("",),
        code=("status",),
        time=("lastModifiedDate",),
        text=("status",),
        name=("address",),
        errors=(("", "code", "error"),),
    )
)
