"""The whole API by its own description, with a key of each shipped role: no 5xx, nothing undocumented."""

from __future__ import annotations

import asyncio

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, note, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from crossdock.access.policy_form import SHIPPED
from played_orders import event, order

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 3  # of each operation, each asked in every role; the first is the plainest that fits
ROLES = [*sorted(SHIPPED - {"operator-admin", "tenant-admin"}), "operator-admin", "tenant-admin"]


async def test_nothing_that_fits_the_description_breaks_it_for_any_shipped_role(world):
    world.partners.refuse["wms.pick"] = "no stock"
    async with world.working():
        await world.put(order("SO-1", "5000.00"), order("SO-2"))
        await world.put(event("shipment.delivered", {"shipment": "X"}, shipment="X"))
        await world.steps("SO-1", approve="waiting")
        await world.steps("SO-2", pick="held")
        names = {
            "run": (await world.get("/runs?q=SO-2"))["items"][0]["id"],
            "document": (await world.get("/orders?q=SO-2"))["items"][0]["id"],
            "task": (await world.get("/tasks"))["items"][0]["id"],
            "exception": (await world.get("/exceptions"))["items"][0]["id"],
            "event": (await world.get("/events/parked"))["items"][0]["id"],
            "process": "order",
            "connection": "wms",
        }
        keys = {
            role: await world.key_of(role, *(["partner:wms"] if role == "partner" else [])) for role in ROLES
        }
        await asyncio.to_thread(walk, world.url, keys, names)


def walk(url: str, keys: dict[str, str], names: dict[str, str]) -> None:
    description = requests.get(f"{url}/api/v1/openapi.json", timeout=30).json()
    schema = schemathesis.openapi.from_dict(description)
    session = requests.Session()

    walked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        walked += 1

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def try_it(case: schemathesis.Case) -> None:
            for name in names.keys() & set(case.path_parameters or {}):
                case.path_parameters[name] = names[name]  # what is there tells more than what is not
            for role, key in keys.items():
                note(f"in the role {role}")
                headers = {"authorization": f"Bearer {key}", "prefer": "wait=0"}
                response = case.call(base_url=f"{url}/api/v1", session=session, headers=headers, timeout=30)
                case.validate_response(response, checks=CHECKS)

        try_it()
    assert walked == sum(len(path) for path in description["paths"].values())
