"""The suite that connectors inherit: a sound one passes it, and each fault is found."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from partner_depot import ORDER, build, depot, look, looked, read

from crossdock.connect.conformance import Conformance, Example, Fed, Told
from crossdock.connect.contract import Happening, Operation, Page, Poll, Request, Response, Webhook, exchange
from crossdock.connect.signatures import Scheme
from crossdock.errors import Refused, UnknownOutcome


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
    assert set(faults(connector)) == {
        "test_our_clock_makes_no_events",
        "test_the_same_webhook_again_has_the_same_ids",
    }


def test_a_webhook_that_tells_otherwise_when_it_comes_late_is_found():
    def by_the_day(notice):
        for one in translate(notice):
            yield Happening(type=one.type, time=one.time, data=one.data, id=f"{notice.received:%Y-%m-%d}")

    webhook = Webhook(signature=Scheme(kind="hmac", header="S"), translate=by_the_day, secret="hook")
    connector = depot(secrets=SOUND.secrets, events=SOUND.events, webhook=webhook)
    assert faults(connector) == ["test_our_clock_makes_no_events"]


PAGE = Fed(
    feed="events",
    answers=[answer({"events": [{"n": 1, "shipment": "S-1", "at": "2026-03-02T10:00:00Z"}], "next": "1"})],
    types=["shipment.delivered"],
)


def feed_read(cursor, _):
    reply = yield Request("GET", "/events", query={"after": cursor})
    value = reply.json()
    return Page(records=value["events"], cursor=value["next"], more=len(value["events"]) > 1)


def feed_translate(record, _):
    yield Happening(
        type="shipment.delivered",
        time=datetime.fromisoformat(record["at"]),
        data={"shipment": record["shipment"]},
        id=str(record["n"]),
    )


def feeding(read=feed_read, translate=feed_translate):
    return depot(
        secrets=SOUND.secrets,
        events=SOUND.events,
        webhook=SOUND.webhook,
        polls=(Poll(name="events", read=read, translate=translate),),
    )


def test_a_sound_feed_passes():
    assert faults(feeding(), pages=(PAGE,)) == []


def test_a_feed_that_no_page_shows_is_found():
    assert faults(feeding()) == ["test_feeds_become_events_of_the_model"]


def posts(cursor, context):
    reply = yield Request("POST", "/events/search", json={"after": cursor})
    return Page(records=reply.json()["events"], cursor="1")


def stands_still(cursor, context):
    reply = yield Request("GET", "/events")
    return Page(records=reply.json()["events"], cursor="1", more=True)


def skips(cursor, context):
    reply = yield Request("GET", "/events", query={"after": cursor})
    try:
        records = reply.json()["events"]
    except UnknownOutcome:
        records = []
    return Page(records=records, cursor="1")


def numbered():
    numbers = iter(range(1000))

    def translate(record, settings):
        for one in feed_translate(record, settings):
            yield Happening(type=one.type, time=one.time, data=one.data, id=f"n{next(numbers)}")

    return translate


@pytest.mark.parametrize(
    ("connector", "fault"),
    [
        (feeding(read=posts), "test_feeds_become_events_of_the_model"),
        (feeding(read=stands_still), "test_a_feed_goes_on_from_its_cursor"),
        (feeding(read=skips), "test_a_feed_never_passes_over_what_it_cannot_read"),
        (feeding(translate=numbered()), "test_a_feed_that_is_read_again_tells_the_same"),
    ],
)
def test_a_fault_of_a_feed_is_found(connector, fault):
    assert faults(connector, pages=(PAGE,)) == [fault]


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
