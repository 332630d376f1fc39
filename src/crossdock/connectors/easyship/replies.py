"""Where Easyship's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.easyship",
        carrier="easyship",
        parcels=("shipment.trackings", "tracking_status", "shipment", "data"),
        number=("tracking_number", "easyship_shipment_id"),
        events=("checkpoints", ""),
        code=("tracking_state", "primary_status", "status"),
        time=("checkpoint_time",),
        text=("message", "tracking_state", "primary_status", "status"),
        name=("location",),
        city=("city",),
        country=("country_iso3", "country_name"),
        errors=(("error", "code", "message"),),
    )
)
