"""Where HayPost's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.hay_post",
        carrier="hay_post",
        parcels=("",),
        number=("order.trackingId",),
        events=("orderStateHistories",),
        code=("stateId",),
        time=("createDate",),
        errors=(("errors", "code", "message"),),
    )
)
