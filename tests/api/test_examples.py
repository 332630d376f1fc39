"""The examples in the description are what really was sent and came back.

`CROSSDOCK_RECORD=1 pytest tests/api/test_examples.py` writes them anew.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import crossdock
from played_orders import order

FILE = Path(crossdock.__file__).parent / "api" / "examples.json"
STEADY = [
    (re.compile(r"\b(run|order|shipment|repair|parked|import)_[a-z2-7]{26}\b"), r"\1_"),
    (re.compile(r'"request": "[0-9a-f]{24}"'), '"request": "0c5b2f6a9d3e4871aa12bb34"'),
    (re.compile(r"key:[a-z0-9]{8,}"), "key:7f3k2q9x0abcd"),
    (re.compile(r'"event": "[0-9a-f-]{36}"'), '"event": "8e03978e-40d5-43dd-bc93-6894a57f9324"'),
]


def steady(text: str, names: dict[str, str]) -> str:
    """A text with the same ids whenever it is recorded."""

    def named(found: re.Match[str]) -> str:
        kind = found[1]
        return names.setdefault(found[0], f"{kind}_{'abcdefghijklmnopqrstuvwxyz'[len(names) % 26] * 26}")

    text = STEADY[0][0].sub(named, text)
    for form, by in STEADY[1:]:
        text = form.sub(by, text)
    return text


async def test_each_example_is_what_came_back(world):
    world.partners.refuse["wms.pick"] = "no stock"
    examples = []

    async def ask(name: str, method: str, path: str, address: str, status: int, body=None, **more):
        answer = await world.ask(method.upper(), address, json=body, status=status, **more)
        one = {"name": name, "path": path, "method": method, "status": str(status)}
        if body is not None:
            one["sent"] = body
        examples.append({**one, "answer": answer.json})
        return answer.json

    released = {
        "specversion": "1.0",
        "id": "release-1",
        "source": "/shop",
        "type": "order.released",
        "time": "2026-05-04T08:00:00Z",
        "data": {"number": "SO-1", "total": {"amount": "120.00", "currency": "EUR"}, "customer_po": "4711"},
    }
    async with world.working():
        await ask("an order", "post", "/events", "/events", 200, released)
        await world.put(order("SO-2", "5000.00"))
        await world.steps("SO-1", pick="held")
        await world.steps("SO-2", approve="waiting")
        found = await ask("found by a number", "get", "/runs", "/runs?q=4711&expand=aliases", 200)
        run = found["items"][0]["id"]
        await ask("one", "get", "/runs/{run}", f"/runs/{run}", 200)
        await ask("an order", "get", "/orders", "/orders?q=SO-1&fields=id,number,status,document.total", 200)
        await ask("open", "get", "/exceptions", "/exceptions?type=refused_by_partner", 200)
        await ask("to decide", "get", "/tasks", "/tasks?role=finance", 200)
        cause = {"cause": {"exception": "refused_by_partner"}, "action": {"act": "retry"}}
        await ask("by cause", "post", "/repairs/preview", "/repairs/preview", 200, cause)
        world.partners.refuse.clear()
        await ask("again", "post", "/runs/{run}/retry", f"/runs/{run}/retry", 200, {"step": "pick"})
        await ask("a mistake", "get", "/runs", "/runs?statsu=held", 422)
        await ask("a missing field", "post", "/runs", "/runs", 422, {"process": "order", "document": {}})
        await ask("stopped", "post", "/connections/{connection}/stop", "/connections/tms/stop", 200, {})
    text = steady(json.dumps(examples, indent=1, ensure_ascii=False) + "\n", {})
    if os.environ.get("CROSSDOCK_RECORD"):
        FILE.write_text(text)
    assert FILE.read_text() == text, "record them anew"
    description = (await world.ask("GET", "/openapi.json", key="")).json
    content = description["paths"]["/runs"]["get"]["responses"]["200"]["content"]
    assert "found by a number" in content["application/json"]["examples"]
