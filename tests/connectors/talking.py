"""Connectors without a network: talks led with recorded answers, webhooks from recorded bodies."""

import json
from collections.abc import Generator
from datetime import UTC, datetime
from importlib import import_module, resources
from typing import Any

from crossdock.connect import Connector
from crossdock.connect.arrivals import arrivals
from crossdock.connect.contract import Context, Notice, Operation, Request, Response
from crossdock.connect.fit import misfit
from crossdock.connect.secret import Secret
from crossdock.connect.signatures import verify
from crossdock.connect.systems import contracts, shape_of

KEY = "XD5Q2VJ7K3M4N6P8R9T2W4Y6ZA"
NAMES = ("northway_erp", "stackyard_wms", "waypost_tms", "quayline", "farrow", "oldbridge")


def connector(name: str) -> Connector:
    return import_module(f"crossdock.connectors.{name}").connector


def example(name: str, file: str) -> bytes:
    return resources.files(f"crossdock.connectors.{name}").joinpath("examples", file).read_bytes()


def answer(name: str, file: str) -> Response:
    """A recorded answer; `pick_again.409.json` came with status 409."""
    middle = file.split(".")[1]
    return Response(int(middle) if middle.isdigit() else 200, {}, example(name, file))


def context(name: str, **settings: Any) -> Context:
    known = {n: s.default for n, s in connector(name).settings.items() if s.default is not None} | settings
    return Context(settings=known, key=KEY, tenant=1, connection=name)


def operation(name: str, which: str) -> Operation:
    return next(o for o in connector(name).operations if o.name == which)


class Led:
    """A talk that was led to its end: what it asked, and what came of it."""

    def __init__(self, talk: Generator[Request, Response, Any], answers: list[Response]) -> None:
        self.asked: list[Request] = []
        left = list(answers)
        try:
            request = next(talk)
            while True:
                self.asked.append(request)
                request = talk.send(left.pop(0))
        except StopIteration as stop:
            self.result = stop.value
        assert left == [], "the talk asked less than was expected"


def lead(name: str, which: str, data: Any, *files: str, find: bool = False, **settings: Any) -> Led:
    """Lead an operation's talk (or its find) with these recorded answers."""
    it = operation(name, which)
    talk = it.find if find else it.do
    assert talk is not None
    led = Led(talk(data, context(name, **settings)), [answer(name, file) for file in files])
    if led.result is not None:
        shape = shape_of(connector(name), it)
        assert f"{connector(name).system_of(it)}.{which}" in contracts()
        assert misfit(led.result, shape.output) == ""
    return led


def notice(name: str, body: bytes, headers: dict[str, str] | None = None, **settings: Any) -> Notice:
    return Notice(
        headers={k.lower(): v for k, v in (headers or {}).items()},
        body=body,
        received=datetime(2026, 3, 5, tzinfo=UTC),
        settings=context(name, **settings).settings,
    )


def happened(name: str, body: bytes, **settings: Any) -> list[Any]:
    """The events of a webhook as they go into the inbox, checked against the model."""
    webhook = connector(name).webhook
    assert webhook is not None
    message = notice(name, body, **settings)
    found = arrivals(list(webhook.translate(message)), connector(name), name, webhook.delivery_id(message))
    assert {event.type for event in found} <= set(connector(name).events)
    return found


def page(name: str, file: str, cursor: str = "", **settings: Any) -> tuple[list[Any], Any]:
    """The events of a page of the connector's only feed, and the page."""
    (poll,) = connector(name).polls
    read = Led(poll.read(cursor, context(name, **settings)), [answer(name, file)]).result
    assert poll.translate is not None
    known = context(name, **settings).settings
    told = [happening for record in read.records for happening in poll.translate(record, known)]
    return arrivals(told, connector(name), name, "page"), read


def signed(name: str, file: str, secret: str, *, at: float = 0.0, change: bytes = b"") -> None:
    """Verify a recorded webhook by its recorded headers."""
    webhook = connector(name).webhook
    assert webhook is not None
    stem = file.split(".", maxsplit=1)[0]
    headers = json.loads(example(name, f"{stem}.headers.json"))
    verify(webhook.signature, headers.items(), example(name, file) + change, [Secret(secret)], now=at)


SHIPMENT = {
    "number": "SO-1-1",
    "order": "SO-1",
    "site": "RNO",
    "promised_delivery": "2026-03-10T06:59:59Z",
    "ship_to": {
        "name": "Harbour Clinic",
        "lines": ["1 Quay"],
        "city": "Oakland",
        "postal_code": "94607",
        "country": "US",
    },
    "packages": [{"id": "1", "weight": {"value": "4.4", "unit": "KGM"}}],
}
