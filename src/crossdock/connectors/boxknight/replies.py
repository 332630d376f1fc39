"""Where BoxKnight's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.boxknight",
        carrier="boxknight",
        parcels=("",),
        number=("id",),
        events=("",),
        code=("orderStatus",),
        time=(),
        text=("orderStatus",),
        errors=(("error", "code", ""),),
    )
)
