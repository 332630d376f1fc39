"""HubSpot and Salesforce, told of customers and cases by connectors without Python."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, ClassVar

import pytest
from talking import Led

from crossdock.connect import Connector
from crossdock.connect.conformance import Conformance, Example
from crossdock.connect.contract import Context, RefusedByPartner, Response
from crossdock.connect.declarative import from_yaml
from crossdock.connect.lines import settled

CUSTOMER = {"customer": "C1001", "name": "Harbour Clinic", "email": "maya@example.com"}
CASE = {"case": "X-7", "subject": "Delivery is late", "text": "SO-1 is late", "order": "SO-1"}


def crm(name: str) -> Connector:
    text = resources.files("crossdock.connectors").joinpath(name, "connector.yaml").read_text()
    return from_yaml(text, file=f"{name}/connector.yaml")


def reply(value: Any) -> Response:
    return Response(200, {}, json.dumps(value).encode())


def asked(connector: Connector, which: str, data: Any, answer: Any, **settings: Any) -> Any:
    operation = next(one for one in connector.operations if one.name == which)
    known = settled(connector, {"url": "https://crm.example", **settings})
    return Led(operation.do(data, Context(settings=known, key="K")), [reply(answer)]).asked[0]


class TestHubspot(Conformance):
    connector = crm("hubspot")
    settings: ClassVar = {}
    secrets: ClassVar = {"token": "let-me-in"}
    examples: ClassVar = [
        Example(
            operation="put_customer",
            data=CUSTOMER,
            answers=[reply({"results": [{"id": "51"}]})],
            output={"id": "51"},
        ),
        Example(
            operation="put_case", data=CASE, answers=[reply({"results": [{"id": "52"}]})], output={"id": "52"}
        ),
    ]


class TestSalesforce(Conformance):
    connector = crm("salesforce")
    settings: ClassVar = {"url": "https://crm.example"}
    secrets: ClassVar = {"client_id": "let-me", "client_secret": "get-in"}
    examples: ClassVar = [
        Example(
            operation="put_customer",
            data=CUSTOMER,
            answers=[reply({"id": "001x", "success": True, "created": True})],
            output={"id": "001x"},
        ),
        Example(
            operation="put_case",
            data=CASE,
            answers=[reply({"id": "500x", "success": True, "created": False})],
            output={"id": "500x"},
        ),
    ]


def test_what_is_put_names_our_number_so_that_twice_is_once() -> None:
    request = asked(crm("hubspot"), "put_case", CASE, {"results": [{"id": "52"}]})
    (given,) = request.json["inputs"]
    assert (given["idProperty"], given["id"]) == ("crossdock_case", "X-7")
    assert given["properties"]["hs_pipeline_stage"] == "1"
    request = asked(crm("salesforce"), "put_case", {**CASE, "case": "X/7"}, {"id": "500x"})
    assert request.path == "/services/data/v61.0/sobjects/Case/Crossdock_Id__c/X%2F7"


@pytest.mark.parametrize(
    ("name", "answer"), [("hubspot", {"results": [{"id": "5"}]}), ("salesforce", {"id": "5"})]
)
def test_a_closed_case_is_closed_there(name: str, answer: Any) -> None:
    request = asked(crm(name), "put_case", {**CASE, "closed": True}, answer)
    assert ("4" if name == "hubspot" else "Closed") in json.dumps(request.json)


@pytest.mark.parametrize(
    ("name", "answer"), [("hubspot", {"results": [{"id": "5"}]}), ("salesforce", {"id": "5"})]
)
def test_what_is_not_known_is_left_out(name: str, answer: Any) -> None:
    request = asked(crm(name), "put_customer", {"customer": "C1", "name": "N"}, answer)
    assert "phone" not in json.dumps(request.json).lower()


def test_a_batch_of_hubspot_that_was_not_done_is_refused_in_its_words() -> None:
    no = {"category": "VALIDATION_ERROR", "message": "Property values were not valid", "status": "error"}
    part = {"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [no]}
    with pytest.raises(RefusedByPartner, match="were not valid") as refused:
        asked(crm("hubspot"), "put_customer", CUSTOMER, part)
    assert refused.value.code == "VALIDATION_ERROR"
