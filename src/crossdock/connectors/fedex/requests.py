"""What FedEx is asked."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from crossdock.connect.contract import Context, Request, Response
from crossdock.connectors.fedex import replies


def track(data: Mapping[str, Any], context: Context) -> Generator[Request, Response, dict[str, Any]]:
    """All that FedEx has seen of a number so far."""
    response = yield Request(
        "POST",
        "/track/v1/trackingnumbers",
        json={
            "includeDetailedScans": True,
            "trackingInfo": [{"trackingNumberInfo": {"trackingNumber": data["tracking_number"]}}],
        },
        headers={"X-locale": "en_US"},
        changes=False,
    )
    return {"milestones": replies.tracked(response, context.settings.get("zone", ""))}
