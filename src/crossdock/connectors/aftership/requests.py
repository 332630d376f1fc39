"""What AfterShip is asked."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from crossdock.connect.contract import Context, Request, Response, path
from crossdock.connectors.aftership import replies


def track(data: Mapping[str, Any], context: Context) -> Generator[Request, Response, dict[str, Any]]:
    """All that was seen of a number so far; the number was given to AfterShip before."""
    response = yield Request(
        "GET",
        path("/tracking/{version}/trackings", version=context.settings["version"]),
        query={"tracking_numbers": data["tracking_number"]},
    )
    return replies.tracked(response, context.settings.get("zone", ""))


def health(_: Any, context: Context) -> Generator[Request, Response, None]:
    """It answers and lets us in."""
    yield Request("GET", path("/tracking/{version}/couriers", version=context.settings["version"]))
