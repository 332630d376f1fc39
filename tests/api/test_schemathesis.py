"""The whole API by its own description, with a key of each of several roles: no 5xx, nothing undocumented."""

from __future__ import annotations

import asyncio

import pytest
import requests
import schemathesis
from api_world import event, order
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = {"tenant-admin": 3, "viewer": 1, "partner": 1}


@pytest.mark.parametrize("role", EXAMPLES)
async def test_nothing_that_fits_the_description_breaks_it(world, role):
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
        key = await world.key_of(role)
        await asyncio.to_thread(walk, world.url, key, names, EXAMPLES[role])


def walk(url: str, key: str, names: dict[str, str], examples: int) -> None:
    description = requests.get(f"{url}/api/v1/openapi.json", timeout=30).json()
    schema = schemathesis.openapi.from_dict(description)
    session = requests.Session()
    walked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        walked += 1

        @settings(
            max_examples=examples,
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
            headers = {"authorization": f"Bearer {key}", "prefer": "wait=0"}
            response = case.call(base_url=f"{url}/api/v1", session=session, headers=headers, timeout=30)
            case.validate_response(response, checks=CHECKS)

        try_it()
    assert walked == sum(len(path) for path in description["paths"].values())
