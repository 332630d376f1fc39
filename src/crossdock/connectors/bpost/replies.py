"""Where bpost's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.bpost",
        carrier="bpost",
        parcels=("itemTracking",),
        number=("itemCode",),
        events=("stateInfo",),
        code=("stateCode",),
        time=("time",),
        text=("stateDescription",),
        errors=(("systemException", "code", "message"), ("businessException", "code", "message")),
    )
)
