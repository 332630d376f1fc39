"""A connector from one YAML file, against a partner over real HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import jsonschema
import msgspec
import pytest
import yaml
from aiohttp import web
from partner_depot import leased

from crossdock.connect import from_yaml
from crossdock.connect.contract import Context, Notice, Response
from crossdock.connect.declarative import SCHEMA, NotAConnector
from crossdock.errors import Refused

DEPOT = """
connector: depot
title: The depot
version: 1
serves: wms
settings:
  url: { doc: where it is }
  site: { type: string, default: RNO }
secrets:
  key: The key of the API
  hook: signs webhooks
sign_in:
  headers: { X-Key: "${ secrets.key }" }
headers: { X-Site: "${ settings.site }" }
limits: { concurrency: 4 }
tables:
  units: { EA: PCE, KGM: KG }
refused:
  if: ${ has(reply.problem) }
  message: ${ reply.problem.text }
  code: ${ reply.problem.code }
health: { get: /ping }
operations:
  create_pick:
    idempotency: find
    timeout: 10s
    post: /picks
    json:
      reference: ${ key }
      order: ${ input.order.number }
      note: ${ input.shipment }
      lines: "${ input.order.lines.map(l, {'sku': l.item, 'qty': l.quantity.value, 'uom': tables.units[l.quantity.unit]}) }"
    result: { pick: "${ string(reply.id) }" }
    find:
      get: /picks
      query: { reference: "${ key }" }
      found: ${ size(reply.items) > 0 }
      result: { pick: "${ string(reply.items[0].id) }" }
  cancel_pick:
    idempotency: natural
    delete: /picks/${ input.pick }
    accept: [409]
    refused: { if: "${ status == 409 && reply.state != 'CANCELLED' }", message: "${ reply.state }" }
  bins:
    changes: false
    input: { item: string }
    output: { on_hand: quantity, value: money }
    get: /stock/${ input.item }
    busy: ${ reply.state == "counting" }
    result: { on_hand: "${ quantity(reply.qty, 'EA') }", value: "${ money(reply.value, 'USD') }" }
webhook:
  signature: { kind: hmac, header: X-Sign, encoding: hex, secret: hook }
  id: ${ body.id }
  records: ${ body.events }
feeds:
  events:
    every: 30s
    get: /events
    query: { after: "${ cursor }" }
    records: ${ reply.events }
    cursor: ${ string(reply.next) }
    more: ${ reply.more }
events:
  - if: ${ record.what == "PACKED" }
    type: warehouse.shipment_packed
    id: ${ record.id }
    time: ${ record.at }
    about: { pick: "${ record.pick }" }
    data:
      order: ${ record.order }
      shipment: { number: "${ record.shipment }" }
  - if: ${ record.what == "SCANS" }
    each: ${ record.scans }
    type: shipment.in_transit
    id: ${ record.id }-${ item.n }
    time: ${ item.at }
    data: { shipment: "${ record.shipment }" }
  - if: ${ record.what == "COUNTED" }
    type: depot.counted
    time: ${ record.at }
    data: { bin: "${ record.bin }" }
  - if: ${ record.what == "NOISE" }
    ignore: it says nothing
own_events:
  depot.counted: { data: { bin: string }, about: { bin: bin } }
"""


async def called(bench, operation="create_pick", data=None, **more):
    calls = await bench.calls(from_yaml(DEPOT))
    return await calls.call(leased(operation, data, **more))


async def test_an_operation_is_asked_and_read_by_its_templates(bench):
    ended = await called(bench)
    assert (ended.outcome, ended.output) == ("done", {"pick": "P-1"})
    method, path, headers, body = bench.partner.requests[0]
    assert (method, path, headers["x-key"], headers["x-site"]) == ("POST", "/picks", "k-secret-1", "RNO")
    assert json.loads(body) == {
        "reference": next(iter(bench.partner.things)),
        "order": "SO-1",
        "lines": [{"sku": "KIT", "qty": "2", "uom": "PCE"}],
    }


async def test_in_doubt_it_is_found_by_its_templates(bench):
    await called(bench)
    ended = await called(bench, find_first=True)
    assert (ended.outcome, ended.output) == ("done", {"pick": "P-1"})
    assert [r[0] for r in bench.partner.requests] == ["POST", "GET"]


async def test_a_find_whose_answer_is_not_as_known_is_no_proof_that_nothing_is_there(bench):
    async def strange(_):
        return web.json_response({"results": []})

    bench.partner.answer = strange
    ended = await called(bench, find_first=True)
    assert (ended.outcome, ended.resolvable) == ("unknown", True)
    assert "reply.items is missing" in ended.reason


async def test_a_value_cannot_leave_its_place_in_the_path(bench):
    async def fine(_):
        return web.json_response({})

    bench.partner.answer = fine
    await called(bench, "cancel_pick", {"pick": "orders/7?x=1#/é"})
    assert bench.partner.requests[0][1] == "/picks/orders%2F7%3Fx%3D1%23%2F%C3%A9"


@pytest.mark.parametrize(("state", "outcome"), [("CANCELLED", "done"), ("PACKED", "refused")])
async def test_already_so_is_success_where_the_file_says_so(bench, state, outcome):
    async def answer(_):
        return web.json_response({"state": state}, status=409)

    bench.partner.answer = answer
    ended = await called(bench, "cancel_pick", {"pick": "P-1"})
    assert (ended.outcome, ended.reason) == (outcome, "" if outcome == "done" else "PACKED")


async def test_a_refusal_is_told_in_the_systems_words_whatever_its_status(bench):
    for status in (200, 422):

        async def answer(_, status=status):
            return web.json_response({"problem": {"text": "closed", "code": 7}}, status=status)

        bench.partner.answer = answer
        ended = await called(bench)
        assert (ended.outcome, ended.code) == ("refused", "7")
        assert ended.reason.endswith("closed")


async def test_numbers_with_a_fraction_stay_exact(bench):
    async def answer(_):
        return web.Response(body=b'{"qty": 3, "value": 1234567890.10}', content_type="application/json")

    bench.partner.answer = answer
    ended = await called(bench, "bins", {"item": "KIT"})
    assert ended.output == {
        "on_hand": {"value": "3", "unit": "EA"},
        "value": {"amount": "1234567890.10", "currency": "USD"},
    }


async def test_busy_is_unreachable(bench):
    async def answer(_):
        return web.json_response({"state": "counting"})

    bench.partner.answer = answer
    assert (await called(bench, "bins", {"item": "KIT"})).outcome == "unreachable"


async def test_an_answer_without_what_is_needed_is_unknown_after_a_change(bench):
    async def answer(_):
        return web.json_response({"ok": True})

    bench.partner.answer = answer
    ended = await called(bench)
    assert (ended.outcome, ended.resolvable) == ("unknown", True)


def notice(*records):
    body = json.dumps({"id": "n-1", "events": list(records)}).encode()
    return Notice(headers={}, body=body, received=datetime.now(UTC), settings={"site": "RNO"})


PACKED = {
    "what": "PACKED",
    "id": "7",
    "at": "2026-03-02T10:00:00Z",
    "pick": "P-1",
    "order": "SO-1",
    "shipment": "S-1",
}


def test_records_of_a_webhook_become_events():
    connector = from_yaml(DEPOT)
    scans = {
        "what": "SCANS",
        "id": "8",
        "shipment": "S-1",
        "scans": [{"n": 1, "at": "2026-03-02T11:00:00Z"}, {"n": 2, "at": "2026-03-02T12:00:00+01:00"}],
    }
    given = notice(PACKED, {"what": "NOISE"}, scans)
    found = list(connector.webhook.translate(given))
    assert [(h.type, h.id) for h in found] == [
        ("warehouse.shipment_packed", "7"),
        ("shipment.in_transit", "8-1"),
        ("shipment.in_transit", "8-2"),
    ]
    assert found[0].about == {"pick": "P-1"}
    assert found[0].data == {"order": "SO-1", "shipment": {"number": "S-1"}}
    assert connector.webhook.delivery_id(given) == "n-1"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"what": "EXPLODED"}, "no rule of `events` knows this record"),
        ({}, "no rule of `events` knows this record"),
        ({"what": "COUNTED", "bin": "B"}, "record.at is missing"),
        ({"what": "COUNTED", "bin": "B", "at": "2026-03-02T10:00"}, "has no zone"),
        ({"what": "COUNTED", "bin": "B", "at": "noon"}, "is not an instant"),
    ],
)
def test_what_no_rule_knows_is_refused(record, reason):
    with pytest.raises(Refused, match=reason):
        list(from_yaml(DEPOT).webhook.translate(notice(record)))


def test_a_page_of_a_feed_is_read_with_its_cursor():
    (poll,) = from_yaml(DEPOT).polls
    talk = poll.read("12", Context(settings={"url": "http://x", "site": "RNO"}))
    assert next(talk).query == {"after": "12"}
    with pytest.raises(StopIteration) as stop:
        talk.send(Response(200, {}, json.dumps({"events": [PACKED], "next": 13, "more": False}).encode()))
    page = stop.value.value
    assert (page.records, page.cursor, page.more, poll.every) == ([PACKED], "13", False, 30.0)
    (happening,) = poll.translate(PACKED, {"site": "RNO"})
    assert happening.id == "7"


def read_on(poll, cursor, *pages):
    """The page that was read, and what was asked for it."""
    talk = poll.read(cursor, Context(settings={"url": "http://x", "site": "RNO"}))
    asked = [next(talk).query]
    try:
        for page in pages:
            request = talk.send(Response(200, {}, json.dumps(page).encode()))
            asked.append(request.query)
    except StopIteration as stop:
        return stop.value, asked
    raise AssertionError("it asks for more")


def test_pages_that_are_counted_are_read_before_the_cursor_moves():
    text = broken('after: "${ cursor }"', 'since: "${ cursor }", page: "${ page }"')
    text = text.replace("${ string(reply.next) }", "${ max(records.map(r, string(r.at))) }")
    text = text.replace("more: ${ reply.more }", "pages: ${ size(reply.events) == 1 }")
    pages = [{"events": events} for events in ([{"at": "09:07"}], [{"at": "09:03"}], [])]
    page, asked = read_on(from_yaml(text).polls[0], "09:00", *pages)
    assert asked == [{"since": "09:00", "page": str(n)} for n in (1, 2, 3)]
    assert ([one["at"] for one in page.records], page.cursor, page.more) == (
        ["09:07", "09:03"],
        "09:07",
        False,
    )


def test_pages_without_end_are_a_fault_that_is_told():
    text = broken("more: ${ reply.more }", "pages: ${ true }")
    with pytest.raises(Refused, match="more than 200 pages"):
        read_on(from_yaml(text).polls[0], "", *[{"events": [], "next": 1}] * 201)


def broken(old, new):
    assert old in DEPOT
    return DEPOT.replace(old, new)


@pytest.mark.parametrize(
    ("text", "at", "message", "mend"),
    [
        (broken("serves: wms", "serve: wms"), "serve:", "unknown field `serve`", "did you mean `serves`?"),
        (broken("  create_pick:", "  create_pik:"), "create_pik:", "wms.create_pik is in no contract", "create_pick"),
        (broken("input.order.number", "input.order.numbr"), "numbr", "numbr", "number"),
        (broken("    idempotency: find\n", ""), "create_pick:", "what makes a repeat safe", "`idempotency: key`"),
        (broken("string(reply.id)", "size(reply.id)"), "size(", "pick: a string is needed", ""),
        (broken("post: /picks", "post: https://evil.example/"), "evil", "is not a path below", "begin it with `/`"),
        (broken("secrets.key", "secrets.kee"), "secrets.kee", "kee", "key"),
        (broken("shipment.in_transit", "shipment.in_transt"), "transt", "there is no event", "shipment.in_transit"),
        (broken("secret: hook }", "secret: hok }"), "signature", "there is no secret `hok`", "did you mean `hook`?"),
        (broken("order: ${ record.order }", "ordr: ${ record.order }"), "data:", "order: missing", ""),
        (broken("tables.units[", "tables.unit["), "tables.unit[", "unit", "units"),
        (broken("timeout: 10s", "timeout: 2 business days"), "timeout", "no length for a clock", "in seconds"),
        (broken("kind: hmac", "kind: hmack"), "signature", "hmack", "hmac"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_mend(text, at, message, mend):
    with pytest.raises(NotAConnector) as raised:
        from_yaml(text, file="depot.yaml")
    problem = next(problem for problem in raised.value.problems if message in problem.message)
    assert at in text.splitlines()[problem.line - 1]
    assert mend in problem.mend
    assert str(problem).startswith(f"depot.yaml:{problem.line}:")


def test_every_mistake_is_told_at_once():
    text = broken("serves: wms", "serves: wms\nlimit: {}").replace("record.pick", "recrd.pick")
    with pytest.raises(NotAConnector) as raised:
        from_yaml(text)
    assert len(raised.value.problems) == 2


@pytest.mark.parametrize("text", ["", "- a", "connector: [", "just words", "connector: x"])
def test_what_is_no_connector_is_refused(text):
    with pytest.raises(Refused):
        from_yaml(text)


def test_the_published_schema_takes_what_the_reader_takes_and_not_more():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.validate(yaml.safe_load(DEPOT))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**yaml.safe_load(DEPOT), "serve": "wms"})


FORMS = """
connector: dock
version: 1
serves: dock
tables: { units: { PCE: EA } }
secrets: { hook: signs }
webhook: { signature: { kind: shared, header: X-Proof, secret: hook } }
events:
  - type: order.created
    time: { of: "${ record.at }", zone: Europe/Berlin }
    data:
      number: ${ record.no }
      lines:
        each: ${ record.rows }
        as: row
        if: ${ row.qty > 0 }
        give:
          number: ${ string(n) }
          item: ${ row.sku }
          quantity: { value: "${ string(row.qty) }", unit: { of: "${ row.uom }", table: units, default: EA } }
"""


def test_what_is_said_of_an_event_may_have_the_forms_of_a_mapping_but_no_look_up():
    jsonschema.validate(yaml.safe_load(FORMS), SCHEMA)
    rows = [{"sku": "A", "qty": 0}, {"sku": "B", "qty": 2, "uom": "PCE"}, {"sku": "C", "qty": 1}]
    body = json.dumps({"no": "7", "at": "2026-07-01T10:00", "rows": rows}).encode()
    notice = Notice(headers={}, body=body, received=datetime.now(UTC))
    (happening,) = from_yaml(FORMS).webhook.translate(notice)
    assert happening.time.isoformat() == "2026-07-01T10:00:00+02:00"
    assert [(line["item"], line["quantity"]) for line in happening.data["lines"]] == [
        ("B", {"value": "2", "unit": "EA"}),
        ("C", {"value": "1", "unit": "EA"}),
    ]
    strange = body.replace(b"PCE", b"PAL")
    with pytest.raises(Refused, match="`PAL` is not in the table `units`"):
        list(from_yaml(FORMS).webhook.translate(msgspec.structs.replace(notice, body=strange)))
    with pytest.raises(NotAConnector, match="a connector knows no master data"):
        from_yaml(FORMS.replace("table: units", "lookup: unit"))
