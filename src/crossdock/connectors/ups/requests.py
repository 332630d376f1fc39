"""What UPS is asked."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from crossdock.connect.contract import Context, Request, Response, path
from crossdock.connectors.ups import replies


def track(data: Mapping[str, Any], context: Context) -> Generator[Request, Response, dict[str, Any]]:
    """All that UPS has seen of a number so far."""
    response = yield Request(
        "GET",
        path("/api/track/v1/details/{number}", number=data["tracking_number"]),
        query={"locale": "en_US", "returnSignature": "false"},
        headers={"transId": context.key or "crossdock", "transactionSrc": "crossdock"},
    )
    return {"milestones": replies.tracked(response, context.settings.get("zone", ""))}
