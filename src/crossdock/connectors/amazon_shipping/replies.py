"""Where Amazon Shipping's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.amazon_shipping",
        carrier="amazon_shipping",
        parcels=("payload", ""),
        number=("trackingId",),
        events=("eventHistory",),
        code=("eventCode",),
        back=("shipmentType", "RETURNS"),
        time=("eventTime",),
        text=("eventCode",),
        city=("location.city",),
        region=("location.stateOrRegion",),
        postal_code=("location.postalCode",),
        country=("location.countryCode",),
        signed_by=("summary.proofOfDelivery.receivedBy",),
        due=("promisedDeliveryDate",),
        errors=(("errors", "code", "message"),),
    )
)
