"""Where SEKO Logistics's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.seko",
        carrier="seko",
        parcels=("",),
        number=("ConsignmentNo",),
        events=("Events",),
        code=("OmniCode",),
        time=("EventDT",),
        text=("Description",),
        located=("Location",),
        always_country=True,
        errors=(("Errors", "Property", "Message"), ("errors", "Property", "Message")),
    )
)
