"""The three carriers over HTTP: the same journeys in three tongues."""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from partner_bodies import booking, consignment, label
from partner_client import Answer, Receiver, Sandbox
from standardwebhooks import Webhook

SCRIPT = {
    "shipment": "SO-1-1",
    "pickup_after_hours": 3,
    "delivered_after_hours": 72,
    "signed_by": "M. Okafor",
    "damaged": 1,
    "short": 2,
    "events": [{"kind": "delayed", "after_hours": 30, "reason": "weather", "text": "Snow", "place": "Reno"}],
}
CARRIERS = ("quayline", "farrow", "oldbridge")


async def book(sandbox: Sandbox, carrier: str, reference: str = "SO-1-1", day: str = "") -> Answer:
    if carrier == "quayline":
        more = {"day": day} if day else {}
        return await sandbox.call(
            "quayline", "POST", "/v1/labels", label(reference, tz="America/Los_Angeles", **more)
        )
    if carrier == "farrow":
        collection = {"timeZone": "America/Los_Angeles"} | ({"date": day} if day else {})
        body = consignment(reference, collection=collection)
        return await sandbox.call("farrow", "POST", "/shipping/v3/consignments", body)
    return await sandbox.call("oldbridge", "POST", "/services/booking", booking(reference, day=day))


def number(carrier: str, answer: Answer) -> str:
    assert answer.status in {200, 201}, answer.body
    if carrier == "quayline":
        return answer.json["trk"]
    if carrier == "farrow":
        return answer.json["consignment"]["consignmentId"]
    return ET.fromstring(answer.body).findtext("Consignment/ConsignmentNo") or ""


async def cancel(sandbox: Sandbox, carrier: str, it: str) -> Answer:
    if carrier == "quayline":
        return await sandbox.call("quayline", "DELETE", f"/v1/labels/{it}")
    if carrier == "farrow":
        return await sandbox.call("farrow", "POST", f"/shipping/v3/consignments/{it}/cancellation")
    body = f"<CancelRequest><ConsignmentNo>{it}</ConsignmentNo></CancelRequest>"
    return await sandbox.call("oldbridge", "POST", "/services/cancel", body)


def code(carrier: str, answer: Answer) -> Any:
    if carrier == "quayline":
        return answer.json["err"]["no"]
    if carrier == "farrow":
        return answer.json["error"]["code"]
    return ET.fromstring(answer.body).findtext("Code")


def statuses(carrier: str, receiver: Receiver) -> list[str]:
    if carrier == "quayline":
        return [hook.json["scan"]["st"] for hook in receiver.hooks]
    if carrier == "farrow":
        return [hook.json["data"]["event"]["status"] for hook in receiver.hooks]
    return [ET.fromstring(hook.body).findtext("Scan/Status") or "" for hook in receiver.hooks]


async def test_quayline_announces_codes_in_epoch_seconds_with_a_dated_signature(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "quayline")
    await sandbox.control("quayline", "/script", SCRIPT)
    booked = await sandbox.now()
    it = number("quayline", await book(sandbox, "quayline"))
    await sandbox.advance(days=4)
    assert statuses("quayline", receiver) == ["00", "10", "35", "50"]
    last = receiver.hooks[-1]
    stated = dict(part.split("=", 1) for part in last.headers["Quayline-Signature"].split(","))
    mac = hmac.new(b"quayline-hook-secret", stated["t"].encode() + b"." + last.body, hashlib.sha256)
    assert stated["v1"] == mac.hexdigest()
    late = receiver.hooks[2].json["scan"]
    delayed = int((booked + timedelta(hours=30)).timestamp())
    assert late == {"n": 3, "st": "35", "dt": delayed, "loc": "Reno", "rsn": "W1", "txt": "Snow"}
    pod = last.json["pod"]
    assert (pod["by"], pod["dmg"], pod["sht"]) == ("M. Okafor", 1, 2)
    tracked = (await sandbox.call("quayline", "GET", f"/v1/track/{it}")).json
    assert (tracked["st"], len(tracked["scans"]), tracked["pod"]) == ("50", 4, pod)


async def test_farrow_announces_with_standard_webhooks_and_keeps_a_feed(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "farrow")
    await sandbox.control("farrow", "/script", SCRIPT)
    it = number("farrow", await book(sandbox, "farrow"))
    await sandbox.advance(days=4)
    assert statuses("farrow", receiver) == ["PRE_ADVISED", "COLLECTED", "DELAYED", "DELIVERED"]
    verifier = Webhook(sandbox.services["farrow"]["webhook_secret"])
    for hook in receiver.hooks:
        verifier.verify(hook.body, {name.lower(): value for name, value in hook.headers.items()})
    delayed = receiver.hooks[2].json["data"]["event"]
    assert delayed["reason"] == {"code": "WEATHER", "text": "Snow"}
    assert datetime.fromisoformat(delayed["occurredAt"]).utcoffset() in {
        timedelta(hours=-8),
        timedelta(hours=-7),
    }
    tracking = (await sandbox.call("farrow", "GET", f"/tracking/v3/consignments/{it}")).json["tracking"]
    assert tracking["proofOfDelivery"]["discrepancies"] == [
        {"type": "DAMAGED", "pieces": 1},
        {"type": "MISSING", "pieces": 2},
    ]
    feed = (await sandbox.call("farrow", "GET", "/tracking/v3/events?after=1")).json
    assert [event["event"]["status"] for event in feed["events"]] == ["COLLECTED", "DELAYED", "DELIVERED"]
    assert feed["next"] == 4


async def test_oldbridge_announces_local_times_in_xml(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.listen(receiver, "oldbridge")
    await sandbox.control("oldbridge", "/script", SCRIPT)
    await sandbox.monday(16)  # eight or nine in Los Angeles
    it = number("oldbridge", await book(sandbox, "oldbridge"))
    await sandbox.advance(days=4)
    assert statuses("oldbridge", receiver) == ["INFO", "COLL", "LATE", "POD"]
    last = receiver.hooks[-1]
    mac = hmac.new(b"oldbridge-hook-secret", last.body, hashlib.sha256).hexdigest()
    assert last.headers["X-Oldbridge-Mac"] == mac
    scan = ET.fromstring(receiver.hooks[1].body).find("Scan")
    assert scan is not None
    assert scan.findtext("Time") in {"11:00", "12:00"}
    assert scan.findtext("Zone") == "America/Los_Angeles"
    body = f"<TrackRequest><ConsignmentNo>{it}</ConsignmentNo></TrackRequest>"
    tracked = ET.fromstring((await sandbox.call("oldbridge", "POST", "/services/track", body)).body)
    assert len(tracked.findall("Scan")) == 4
    assert tracked.findtext("Proof/Damaged") == "1"


@pytest.mark.parametrize(
    ("carrier", "packed_up"), list(zip(CARRIERS, (4090, "STATE_CONFLICT", "E409"), strict=True))
)
async def test_a_booking_can_be_cancelled_until_it_is_picked_up(
    sandbox: Sandbox, receiver: Receiver, carrier: str, packed_up: Any
) -> None:
    await sandbox.listen(receiver, carrier)
    await sandbox.control(carrier, "/script", {"order": "SO-1", "pickup_after_hours": 3})
    first = number(carrier, await book(sandbox, carrier))
    second = number(carrier, await book(sandbox, carrier, "SO-1-2"))
    assert (await cancel(sandbox, carrier, first)).status == 200
    assert (await cancel(sandbox, carrier, first)).status == (200 if carrier == "quayline" else 409)
    await sandbox.advance(days=20)
    refused = await cancel(sandbox, carrier, second)
    assert (refused.status, code(carrier, refused)) == (409, packed_up)
    ledger = await sandbox.ledger(carrier)
    assert ledger["standing"]["shipment"] == {"SO-1-1": 0, "SO-1-2": 1}
    assert [entry["order"] for entry in ledger["entries"]] == ["SO-1"] * 3
    cancelled = {"quayline": "98", "farrow": "CANCELLED", "oldbridge": "CANC"}[carrier]
    assert statuses(carrier, receiver).count(cancelled) == 1


@pytest.mark.parametrize(("carrier", "made"), [*list(zip(CARRIERS, (1, 2, 2), strict=True))])
async def test_only_one_carrier_honours_an_idempotency_key_and_the_others_can_be_searched(
    sandbox: Sandbox, carrier: str, made: int
) -> None:
    sandbox.headers.setdefault(carrier, {})
    if carrier == "farrow":
        sandbox.headers.pop(carrier)
        await sandbox.call("farrow", "GET", "/tracking/v3/events")
    sandbox.headers[carrier]["Idempotency-Key"] = "acme/SO-1/book"
    first, second = await book(sandbox, carrier), await book(sandbox, carrier)
    assert (number(carrier, first) == number(carrier, second)) is (made == 1)
    ledger = await sandbox.ledger(carrier)
    assert sum(ledger["standing"]["shipment"].values()) == made
    assert {entry["idempotency_key"] for entry in ledger["entries"]} == {"acme/SO-1/book"}
    if carrier == "quayline":
        assert second.headers["Idempotent-Replayed"] == "true"
        other = await book(sandbox, carrier, "SO-1-2")
        assert (other.status, code(carrier, other)) == (422, 4221)
    elif carrier == "farrow":
        found = await sandbox.call("farrow", "GET", "/shipping/v3/consignments?clientReference=SO-1-1")
        assert found.json["total"] == 2
    else:
        body = "<SearchRequest><CustomerRef>SO-1-1</CustomerRef></SearchRequest>"
        reply = await sandbox.call("oldbridge", "POST", "/services/search", body)
        assert len(ET.fromstring(reply.body).findall("Consignment")) == 2


@pytest.mark.parametrize(
    ("carrier", "late"), [*list(zip(CARRIERS, (4091, "CUT_OFF_PASSED", "E410"), strict=True))]
)
async def test_a_booking_for_today_is_refused_after_the_cut_off(
    sandbox: Sandbox, carrier: str, late: Any
) -> None:
    monday = await sandbox.monday(17)  # morning in Los Angeles
    day = monday.date().isoformat()
    number(carrier, await book(sandbox, carrier, day=day))
    await sandbox.advance(hours=9)  # after 17:00 there, still Monday
    refused = await book(sandbox, carrier, day=day)
    assert (refused.status, code(carrier, refused)) == (409, late)
    number(carrier, await book(sandbox, carrier))


@pytest.mark.parametrize(
    ("carrier", "invalid"), [*list(zip(CARRIERS, (4220, "VALIDATION", "E422"), strict=True))]
)
async def test_an_unknown_service_is_an_error_of_the_carriers_own_form(
    sandbox: Sandbox, carrier: str, invalid: Any
) -> None:
    if carrier == "quayline":
        answer = await sandbox.call("quayline", "POST", "/v1/labels", label(svc="ROCKET"))
        assert answer.json["err"]["fld"] == "svc"
    elif carrier == "farrow":
        body = consignment(product="ROCKET")
        answer = await sandbox.call("farrow", "POST", "/shipping/v3/consignments", body)
        assert answer.json["error"]["details"][0]["field"] == "consignment.product"
    else:
        answer = await sandbox.call("oldbridge", "POST", "/services/booking", booking(service="ROCKET"))
        assert ET.fromstring(answer.body).findtext("Element") == "Service"
    assert (answer.status, code(carrier, answer)) == (422, invalid)


async def test_each_carrier_wants_its_own_proof_of_who_calls(sandbox: Sandbox) -> None:
    answers = [
        await sandbox.raw("quayline", "POST", "/v1/labels", json=label()),
        await sandbox.raw("farrow", "POST", "/shipping/v3/consignments", json=consignment()),
        await sandbox.raw("oldbridge", "POST", "/services/booking", data=booking()),
    ]
    assert [answer.status for answer in answers] == [401, 401, 401]
    assert [code(c, a) for c, a in zip(CARRIERS, answers, strict=True)] == [4010, "UNAUTHENTICATED", "E401"]
    wrong = {"grant_type": "client_credentials", "client_id": "crossdock", "client_secret": "guess"}
    token = await sandbox.raw("farrow", "POST", "/oauth/token", data=wrong)
    assert (token.status, token.json["error"]) == (401, "invalid_client")


async def test_a_token_that_ran_out_is_told_so(sandbox: Sandbox) -> None:
    await sandbox.control("farrow", "/configure", {"token_seconds": 0})
    answer = await sandbox.call("farrow", "GET", "/tracking/v3/events")
    assert (answer.status, code("farrow", answer)) == (401, "TOKEN_EXPIRED")
    await sandbox.control("farrow", "/configure", {"token_seconds": 1800})


@pytest.mark.parametrize(
    "body",
    [
        b"<BookingRequest>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><BookingRequest>&b;</BookingRequest>',
        "<BookingRequest/>".encode("utf-16"),
    ],
)
async def test_xml_that_is_broken_or_declares_entities_is_malformed(sandbox: Sandbox, body: bytes) -> None:
    answer = await sandbox.call("oldbridge", "POST", "/services/booking", body)
    assert (answer.status, code("oldbridge", answer)) == (400, "E400")


async def test_a_lost_shipment_falls_silent_and_a_silent_one_speaks_again(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "quayline")
    plan = {"pickup_after_hours": 3}
    await sandbox.control(
        "quayline",
        "/script",
        {
            "scripts": [
                {"shipment": "LOST", "lost": True, **plan},
                {"shipment": "SILENT", "silent_days": 3, "delivered_after_hours": 120, **plan},
            ]
        },
    )
    for reference in ("LOST", "SILENT"):
        number("quayline", await book(sandbox, "quayline", reference))
    await sandbox.advance(days=9)
    scans: dict[str, list[Any]] = {"LOST": [], "SILENT": []}
    for hook in receiver.hooks:
        scans[hook.json["ref1"]].append(hook.json["scan"])
    assert [scan["st"] for scan in scans["LOST"]] == ["00", "10"]
    silent = scans["SILENT"]
    assert silent[-1]["st"] == "50"
    assert silent[2]["dt"] - silent[1]["dt"] >= 3 * 86_400


async def test_a_delay_moves_the_promised_day_to_that_of_the_delivery(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "farrow")
    events = [{"kind": "in_transit", "after_hours": 20}, {"kind": "delayed", "after_hours": 30}]
    script = {"order": "SO-1", "pickup_after_hours": 2, "delivered_after_hours": 240, "events": events}
    await sandbox.control("farrow", "/script", script)
    number("farrow", await book(sandbox, "farrow"))
    await sandbox.advance(days=12)
    promised = [hook.json["data"]["estimatedDelivery"] for hook in receiver.hooks]
    delivered = receiver.hooks[-1].json["data"]["proofOfDelivery"]["deliveredAt"]
    assert len(set(promised[:3])) == 1
    assert promised[3:] == [delivered[:10]] * 2
    assert promised[0] < promised[3]


async def test_luck_depends_on_the_reference_alone_and_delivers_almost_all(sandbox: Sandbox) -> None:
    await sandbox.control("farrow", "/configure", {"calm": False})
    seen = []
    for _ in range(2):
        await sandbox.control("farrow", "/reset", None)
        sandbox.headers.pop("farrow", None)
        await sandbox.monday(16)
        for n in range(150):
            number("farrow", await book(sandbox, "farrow", f"R-{n}"))
        await sandbox.advance(days=13)
        events = (await sandbox.call("farrow", "GET", "/tracking/v3/events?limit=1000")).json["events"]
        seen.append(sorted((e["clientReference"], e["event"]["status"]) for e in events))
    assert seen[0] == seen[1]
    kinds = [status for _, status in seen[0]]
    assert kinds.count("DELIVERED") >= 147
    assert 4 <= kinds.count("DELAYED") <= 25
