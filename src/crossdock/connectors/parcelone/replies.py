"""Where Parcel.One's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.parcelone",
        carrier="parcelone",
        parcels=("results",),
        number=("TrackingID", "CarrierTrackingID"),
        events=("Events",),
        code=("StatusCode",),
        time=("DateTime",),
        text=("Description",),
        name=("Location",),
        signed_by=("SignedBy",),
        errors=(
            ("errors", "ErrorNo", "Message"),
            ("results.Errors", "ErrorNo", "Message"),
            ("", "type", "message"),
        ),
    )
)
