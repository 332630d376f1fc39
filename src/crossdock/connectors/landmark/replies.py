"""Where Landmark Global's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.landmark",
        carrier="landmark",
        parcels=("TrackResponse.Result.Packages.Package",),
        number=("LandmarkTrackingNumber", "TrackingNumber"),
        events=("Events.Event",),
        code=("EventCode",),
        time=("DateTime",),
        formats=("%m/%d/%Y %I:%M %p", "%Y-%m-%d %H:%M:%S"),
        text=("Status",),
        located=("Location",),
        errors=(("TrackResponse.Errors.Error", "ErrorCode", "ErrorMessage"),),
    )
)
