"""What DHL is asked."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from crossdock.connect.contract import Access, Context, Request, Response, Session, path
from crossdock.connect.sign_in import basic, secret_headers
from crossdock.connectors.dhl import replies


def sign_in(access: Access) -> Generator[Request, Response, Session]:
    """HTTP Basic for MyDHL API, its key in a header for the unified tracking."""
    unified = access.settings["api"] == "unified"
    return (yield from (secret_headers({"DHL-API-Key": "{user}"}) if unified else basic())(access))


def track(data: Mapping[str, Any], context: Context) -> Generator[Request, Response, dict[str, Any]]:
    """All that DHL has seen of a number so far."""
    number = data["tracking_number"]
    if context.settings["api"] == "unified":
        request = Request("GET", "/track/shipments", query={"trackingNumber": number})
    else:
        request = Request(
            "GET",
            path("/shipments/{number}/tracking", number=number),
            query={
                "trackingView": "all-checkpoints",
                "levelOfDetail": "all",
                "requestGMTOffsetPerEvent": "true",
            },
        )
    return {"milestones": replies.tracked((yield request), context.settings.get("zone", ""))}
