"""Every operation that changes anything, asked for by who may only look: nothing of it is done.

The operations are those of the description, so one that is added later is walked as well.
"""

from __future__ import annotations

import re
from typing import Any

from acting import everything
from played_orders import order

CHANGING = {"post", "put", "patch", "delete"}
LOOKS = {
    "/processes/check",
    "/processes/{process}/backtest",
    "/repairs/preview",
    "/mappings/check",
    "/mappings/try",
}  # a post that asks a long question
# What asking leaves behind whatever comes of it: when a key was used, how often one asked, kept answers.
ASKING = {"key", "api_answer", "throttle_bucket"}
REFUSED = {403, 404, 409, 412, 415, 422, 428}


def body_of(operation: dict[str, Any]) -> Any:
    """What its description gives as an example, else nothing."""
    for media in operation.get("requestBody", {}).get("content", {}).values():
        if "example" in media:
            return media["example"]
        for one in media.get("examples", {}).values():
            return one["value"]
    return {}


async def test_no_operation_changes_anything_for_who_may_only_look(world):
    world.partners.refuse["wms.pick"] = "no stock"
    await world.put(order("SO-1", "5000.00"), order("SO-2"))
    async with world.working():
        await world.steps("SO-1", approve="waiting")
        await world.steps("SO-2", pick="held")
    first = {
        kind: (await world.get(f"/{kind}s"))["items"][0]["id"] for kind in ("run", "task", "exception", "key")
    }
    names = {**first, "connection": "erp", "process": "order", "tenant": world.tenant.name, "import_": "1"}
    paths = (await world.get("/openapi.json"))["paths"]
    eve = await world.key_of("viewer")
    before = {name: one for name, one in (await everything(world.database)).items() if name not in ASKING}
    asked, forbidden = 0, 0
    for path, operations in paths.items():
        where = re.sub(r"{(\w+)}", lambda found: names.get(found[1], "1"), path)
        for method in CHANGING & set(operations):
            for headers in ({}, {"if-match": "*"}):
                body = body_of(operations[method])
                answer = await world.ask(method.upper(), where, key=eve, json=body, headers=headers)
                assert path in LOOKS or answer.status in REFUSED, (method, path, answer.status, answer.text)
                forbidden += answer.status == 403
                asked += 1
    after = {name: one for name, one in (await everything(world.database)).items() if name not in ASKING}
    assert after == before
    assert asked > 50
    assert forbidden > 20, forbidden
    await world.audit.settle()
    by = f"key:{eve.split('_')[2]}"
    told = [entry for entry in (await world.audit.entries(world.tenant)).items if entry.actor == by]
    assert {entry.outcome for entry in told} == {"refused"}
