"""Where Allied Express's tracking has what."""

from __future__ import annotations

from crossdock.connectors._shapes import Shape, reader

told_by_webhook = reader(
    Shape(
        package="crossdock.connectors.allied_express",
        carrier="allied_express",
        parcels=("soapenv:Body.ns1:getShipmentsStatusResponse.result.statusBarcodesList",),
        number=("consignmentNote", "scannedBarcode"),
        events=("",),
        code=("scannedStatus",),
        time=("scannnedTimestamp", "scannedTimestamp"),
        text=("scannedStatus",),
        name=("depotLocation",),
        errors=(("soapenv:Body.ns1:getShipmentsStatusResponse.result", "-", "statusError"),),
    )
)
