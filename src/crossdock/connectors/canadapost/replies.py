"""Where Canada Post's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.canadapost",
        carrier="canadapost",
        parcels=("wrapper.tracking-detail", "tracking-detail"),
        number=("pin",),
        events=("significant-events.occurrence",),
        code=("event-identifier",),
        time=("event-date",),
        clock=("event-time",),
        abbreviated=("event-time-zone",),
        text=("event-description",),
        name=("event-retail-name",),
        city=("event-site",),
        region=("event-province",),
        home="CA",
        signed=("signatory-name",),
        due=("changed-expected-date", "expected-delivery-date"),
        errors=(
            ("wrapper.messages.message", "code", "description"),
            ("messages.message", "code", "description"),
        ),
    )
)
