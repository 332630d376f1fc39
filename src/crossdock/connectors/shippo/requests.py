"""What Shippo is asked."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from crossdock.connect.contract import Context, Request, Response, path
from crossdock.connectors.shippo import replies


def track(data: Mapping[str, Any], context: Context) -> Generator[Request, Response, dict[str, Any]]:
    """All that was seen of a number so far."""
    response = yield Request(
        "GET",
        path(
            "/tracks/{carrier}/{number}", carrier=context.settings["carrier"], number=data["tracking_number"]
        ),
    )
    return {"milestones": replies.tracked(response, context.settings.get("zone", ""))}
