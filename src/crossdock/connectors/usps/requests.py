"""What USPS is asked."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from crossdock.connect.contract import Context, Request, Response, path
from crossdock.connectors.usps import replies


def track(data: Mapping[str, Any], context: Context) -> Generator[Request, Response, dict[str, Any]]:
    """All that USPS has seen of a number so far."""
    response = yield Request(
        "GET",
        path("/tracking/v3/tracking/{number}", number=data["tracking_number"]),
        query={"expand": "DETAIL"},
    )
    return {"milestones": replies.tracked(response, context.settings.get("zone", ""))}
