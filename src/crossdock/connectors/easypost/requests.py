"""What EasyPost is asked."""

from __future__ import annotations

import base64
from collections.abc import Generator, Mapping
from typing import Any

from crossdock.connect.contract import Access, Context, Request, Response, Session
from crossdock.connectors.easypost import replies


def track(data: Mapping[str, Any], context: Context) -> Generator[Request, Response, dict[str, Any]]:
    """All that was seen of a number so far, where it has a tracker."""
    response = yield Request("GET", "/v2/trackers", query={"tracking_code": data["tracking_number"]})
    return {"milestones": replies.tracked(response, context.settings.get("zone", ""))}


def sign_in(access: Access) -> Generator[Request, Response, Session]:
    """HTTP Basic: the key is the user, and there is no password."""
    pair = f"{access.secrets['key'].reveal()}:".encode()
    yield from ()  # asks nothing
    return Session(headers={"Authorization": f"Basic {base64.b64encode(pair).decode()}"})
