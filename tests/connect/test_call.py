"""How calls end, by what the other side does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from partner_depot import ORDER, build, depot, leased, look, looked, read

from crossdock.connect.contract import Operation, RefusedByPartner, Request, exchange
from crossdock.errors import NotFound, Refused, Unreachable


def answers(status=200, body=b"", headers=None):
    async def answer(_request):
        return web.Response(status=status, body=body, headers=headers or {})

    return answer


async def test_a_call_that_works_is_done_and_carries_our_key_and_the_secret(bench):
    calls = await bench.calls(depot())
    ended = await calls.call(leased())
    assert (ended.outcome, ended.output) == ("done", {"pick": "P-1"})
    (method, path, headers, _), (reference,) = bench.partner.requests[0], bench.partner.things
    assert (method, path, headers["x-key"]) == ("POST", "/picks", "k-secret-1")
    assert len(reference) == 26
    assert reference.isalnum()


async def test_the_same_call_has_the_same_key_and_another_call_another(bench):
    calls = await bench.calls(depot())
    await calls.call(leased())
    await calls.call(leased(attempt=2, token=2))
    await calls.call(leased(key="acme/otc/SO-1/2/pick"))
    assert len(bench.partner.things) == 2


@pytest.mark.parametrize(
    ("status", "headers", "outcome", "retry_after"),
    [
        (400, {}, "refused", None),
        (401, {}, "refused", None),
        (404, {}, "refused", None),
        (409, {}, "refused", None),
        (422, {}, "refused", None),
        (302, {"Location": "http://elsewhere/"}, "refused", None),
        (408, {}, "unreachable", None),
        (429, {}, "unreachable", None),
        (429, {"Retry-After": "7"}, "unreachable", 7.0),
        (429, {"Retry-After": "soon"}, "unreachable", None),
        (503, {"Retry-After": "3"}, "unreachable", 3.0),
        (500, {}, "unknown", None),
        (502, {}, "unknown", None),
        (504, {}, "unknown", None),
    ],
)
async def test_each_status_says_what_follows(bench, status, headers, outcome, retry_after):
    calls = await bench.calls(depot())
    bench.partner.answer = answers(status, b'{"error": {"code": "E7", "message": "no such item"}}', headers)
    ended = await calls.call(leased())
    assert (ended.outcome, ended.retry_after, ended.resolvable) == (outcome, retry_after, True)
    assert "no such item" in ended.reason
    assert ended.code == ("E7" if outcome == "refused" else "")
    assert len(bench.partner.requests) == 1


async def test_retry_after_may_be_a_date(bench):
    calls = await bench.calls(depot())
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    bench.partner.answer = answers(429, b"", {"Retry-After": date})
    ended = await calls.call(leased())
    assert ended.retry_after == pytest.approx(60, abs=2)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_error_while_only_asking_is_unreachable(bench, status):
    connector = depot(
        serves=("wms",),
        operations=(
            Operation(
                name="bins", input={"item": "string"}, output="any", changes=False, do=exchange(look, looked)
            ),
        ),
    )
    calls = await bench.calls(connector)
    bench.partner.answer = answers(status)
    ended = await calls.call(leased("bins", {"item": "KIT"}))
    assert ended.outcome == "unreachable"


async def test_a_connector_may_know_statuses_that_say_nothing_was_done(bench):
    calls = await bench.calls(depot(not_done=frozenset({500})))
    bench.partner.answer = answers(500)
    assert (await calls.call(leased())).outcome == "unreachable"
    bench.partner.answer = answers(503)
    assert (await calls.call(leased())).outcome == "unknown"


async def test_what_is_busy_for_a_moment_is_asked_again_in_the_same_call(bench):
    calls = await bench.calls(depot(busy=frozenset({503})))

    async def locked_twice(request):
        if len(bench.partner.requests) < 3:
            return web.Response(status=503)
        return await bench.partner.do(request)

    bench.partner.answer = locked_twice
    assert (await calls.call(leased())).outcome == "done"
    assert (len(bench.partner.requests), len(bench.partner.things)) == (3, 1)


async def test_what_is_busy_and_says_when_to_come_back_is_not_pressed(bench):
    calls = await bench.calls(depot(busy=frozenset({503})))
    bench.partner.answer = answers(503, b"", {"Retry-After": "3"})
    ended = await calls.call(leased())
    assert (ended.outcome, ended.retry_after, len(bench.partner.requests)) == ("unreachable", 3.0, 1)


async def test_what_stays_busy_is_put_off_with_nothing_done(bench):
    calls = await bench.calls(depot(busy=frozenset({503})))
    bench.partner.answer = answers(503)
    assert (await calls.call(leased(seconds=0.5))).outcome == "unreachable"
    assert len(bench.partner.requests) > 1


async def test_a_refused_connection_is_unreachable(bench):
    calls = await bench.calls(depot(), url="http://127.0.0.1:9")
    ended = await calls.call(leased())
    assert ended.outcome == "unreachable"
    assert "no connection to depot" in ended.reason


async def test_a_name_that_does_not_resolve_is_unreachable(bench):
    calls = await bench.calls(depot(), url="http://nowhere.invalid")
    assert (await calls.call(leased())).outcome == "unreachable"


async def test_a_time_out_after_sending_is_unknown_and_a_repeat_finds_what_was_done(bench):
    calls = await bench.calls(depot())

    async def done_but_silent(request):
        await bench.partner.do(request)
        await asyncio.sleep(30)
        return web.Response()

    bench.partner.answer = done_but_silent
    ended = await calls.call(leased(seconds=0.2))
    assert (ended.outcome, ended.resolvable) == ("unknown", True)
    bench.partner.answer = None
    ended = await calls.call(leased(find_first=True, attempt=2))
    assert (ended.outcome, ended.output) == ("done", {"pick": "P-1"})
    assert [r[0] for r in bench.partner.requests] == ["POST", "GET"]


async def test_a_time_out_while_only_asking_is_unreachable(bench):
    connector = depot(
        operations=(Operation(name="bins", changes=False, timeout=0.1, do=exchange(look, looked)),)
    )
    calls = await bench.calls(connector)

    async def slow(_):
        await asyncio.sleep(30)
        return web.Response()

    bench.partner.answer = slow
    ended = await calls.call(leased("bins", {}))
    assert (ended.outcome, ended.reason) == ("unreachable", "depot did not answer within 0.1 s")


async def test_a_connection_cut_after_sending_is_unknown(bench):
    calls = await bench.calls(depot())

    async def cut(request):
        request.transport.abort()
        return web.Response()

    bench.partner.answer = cut
    assert (await calls.call(leased())).outcome == "unknown"


@pytest.mark.parametrize("body", [b'{"id": "P-', b"<html>", b"", b'{"no": "id"}', b'{"id": 7}', b"[" * 3000])
async def test_an_answer_that_cannot_be_read_is_unknown(bench, body):
    calls = await bench.calls(depot())
    bench.partner.answer = answers(201, body)
    ended = await calls.call(leased())
    assert (ended.outcome, ended.resolvable) == ("unknown", True)
    assert ended.reason


async def test_half_an_answer_is_unknown(bench):
    calls = await bench.calls(depot())

    async def half(request):
        reply = web.StreamResponse(headers={"Content-Length": "100"})
        await reply.prepare(request)
        await reply.write(b'{"id": ')
        request.transport.abort()
        return reply

    bench.partner.answer = half
    assert (await calls.call(leased())).outcome == "unknown"


async def test_an_answer_larger_than_is_read_is_unknown(bench, monkeypatch):
    monkeypatch.setattr("crossdock.connect.wire.MOST_BYTES", 1000)
    calls = await bench.calls(depot())

    async def endless(request):
        reply = web.StreamResponse()
        await reply.prepare(request)
        for _ in range(100):
            await reply.write(b"x" * 100)
        return reply

    bench.partner.answer = endless
    ended = await calls.call(leased())
    assert ended.outcome == "unknown"
    assert "larger than" in ended.reason


async def test_in_doubt_and_not_there_it_is_done_now(bench):
    calls = await bench.calls(depot())
    ended = await calls.call(leased(find_first=True))
    assert (ended.outcome, ended.output) == ("done", {"pick": "P-1"})
    assert [r[0] for r in bench.partner.requests] == ["GET", "POST"]


async def test_in_doubt_and_the_look_up_fails_it_stays_unknown(bench):
    calls = await bench.calls(depot())
    for answer in (answers(500), answers(403), answers(429, b"", {"Retry-After": "5"}), answers(200, b"{")):
        bench.partner.answer = answer
        ended = await calls.call(leased(find_first=True))
        assert (ended.outcome, ended.resolvable) == ("unknown", True)
    assert {r[0] for r in bench.partner.requests} == {"GET"}


async def test_only_find_never_does_it(bench):
    calls = await bench.calls(depot())
    assert (await calls.call(leased(only_find=True))).outcome == "withdrawn"
    await calls.call(leased())
    ended = await calls.call(leased(only_find=True))
    assert (ended.outcome, ended.output) == ("done", {"pick": "P-1"})
    assert [r[0] for r in bench.partner.requests] == ["GET", "POST", "GET"]


@pytest.mark.parametrize(
    ("idempotency", "first", "repeats"),
    [("none", False, False), ("key", True, True), ("natural", True, True)],
)
async def test_in_doubt_without_a_find_only_harmless_repeats_are_made(bench, idempotency, first, repeats):
    calls = await bench.calls(depot(pick={"idempotency": idempotency, "find": None}))
    bench.partner.answer = answers(500)
    ended = await calls.call(leased())
    assert (ended.outcome, ended.resolvable) == ("unknown", first)
    bench.partner.answer = None
    ended = await calls.call(leased(find_first=True))
    assert (ended.outcome, ended.resolvable) == (("done", True) if repeats else ("unknown", False))
    ended = await calls.call(leased(only_find=True))
    assert (ended.outcome, ended.resolvable) == ("unknown", False)


async def test_input_that_does_not_fit_is_refused_before_anything_is_sent(bench):
    calls = await bench.calls(depot())
    ended = await calls.call(leased(data={"order": {**ORDER, "lines": "none"}}))
    assert (ended.outcome, ended.code) == ("refused", "invalid_input")
    assert "order.lines" in ended.reason
    assert bench.partner.requests == []


async def test_what_is_not_there_is_refused_with_what_it_is(bench):
    calls = await bench.calls(depot())
    ended = await calls.call(leased("cancel_pick", {"pick": "P-1"}))
    assert (ended.outcome, ended.code, ended.reason) == (
        "refused",
        "no_operation",
        "depot has no wms.cancel_pick",
    )
    ended = await calls.call(leased(connection="other"))
    assert (ended.outcome, ended.code) == ("refused", "no_connection")


async def test_a_talk_of_several_questions_is_unknown_once_one_has_changed_something(bench):
    def twice(data, context):
        yield Request("POST", "/picks", json={"reference": context.key})
        reply = yield Request("POST", "/picks/release", json={"reference": context.key + "x"})
        return {"pick": reply.json()["id"]}

    connector = depot(operations=(Operation(name="create_pick", do=twice, idempotency="natural"),))
    calls = await bench.calls(connector)

    async def second_is_busy(request):
        if request.path == "/picks":
            return await bench.partner.do(request)
        return web.Response(status=429, headers={"Retry-After": "9"})

    bench.partner.answer = second_is_busy
    ended = await calls.call(leased())
    assert (ended.outcome, ended.retry_after, ended.resolvable) == ("unknown", 9.0, True)


async def test_a_talk_that_first_looks_is_unreachable_until_it_has_changed_something(bench):
    def ensure(data, context):
        yield look(data, context)
        yield Request("POST", "/search", json={}, changes=False)
        reply = yield build(data, context)
        return read(reply, context)

    calls = await bench.calls(
        depot(operations=(Operation(name="create_pick", do=ensure, idempotency="natural"),))
    )

    async def search_fails(request):
        return web.Response(status=500) if request.path == "/search" else await bench.partner.do(request)

    bench.partner.answer = search_fails
    assert (await calls.call(leased())).outcome == "unreachable"

    async def last_fails(request):
        return (
            web.Response(status=500)
            if request.path == "/picks" and request.method == "POST"
            else web.json_response({"items": []})
        )

    bench.partner.answer = last_fails
    assert (await calls.call(leased())).outcome == "unknown"


async def test_a_refusal_inside_a_good_status_is_a_refusal(bench):
    def judged(response, context):
        if "error" in response.json():
            raise RefusedByPartner(response.json()["error"], code="closed")
        return read(response, context)

    calls = await bench.calls(
        depot(operations=(Operation(name="create_pick", do=exchange(build, judged), idempotency="none"),))
    )
    bench.partner.answer = answers(200, b'{"error": "the period is closed"}')
    ended = await calls.call(leased())
    assert (ended.outcome, ended.reason, ended.code) == ("refused", "the period is closed", "closed")


async def test_a_connector_that_fails_before_asking_is_refused_with_its_error(bench):
    calls = await bench.calls(
        depot(
            operations=(
                Operation(
                    name="create_pick", do=exchange(lambda d, c: d["nothing"], read), idempotency="none"
                ),
            )
        )
    )
    ended = await calls.call(leased())
    assert (ended.outcome, ended.code) == ("refused", "connector_failed")
    assert "KeyError: 'nothing'" in ended.reason


async def test_secrets_are_in_no_reason(bench):
    calls = await bench.calls(depot())
    bench.partner.answer = answers(400, b'{"message": "bad key k-secret-1"}')
    ended = await calls.call(leased())
    assert ended.reason == "depot answered 400: bad key ***"


async def test_a_changed_secret_is_used_without_a_restart(bench, monkeypatch):
    monkeypatch.setattr("crossdock.connect.lines.FRESH_SECONDS", 0)
    calls = await bench.calls(depot())
    await calls.call(leased())
    bench.keeps.kept["key"] = "k-secret-2"
    await calls.call(leased(key="another"))
    assert [r[2]["x-key"] for r in bench.partner.requests] == ["k-secret-1", "k-secret-2"]


async def test_a_check_says_whether_the_other_side_answers_and_lets_us_in(bench):
    def health(_data, _context):
        yield Request("GET", "/ping")

    calls = await bench.calls(depot(health=health))
    await calls.check(bench.tenant.id, "depot")
    bench.partner.answer = answers(403, b'{"message": "not you"}')
    with pytest.raises(RefusedByPartner, match="depot answered 403: not you"):
        await calls.check(bench.tenant.id, "depot")
    bench.partner.answer = answers(500)
    with pytest.raises(Unreachable):
        await calls.check(bench.tenant.id, "depot")
    with pytest.raises(NotFound):
        await calls.check(bench.tenant.id, "other")


async def test_a_reply_that_our_own_reading_refuses_is_unknown_after_a_change_and_refused_before(bench):
    def unreadable(_response, _context):
        raise Refused("the XML cannot be read")

    def early(_data, _context):
        raise Refused("no lines are given", mend="give lines")

    late = Operation(name="create_pick", do=exchange(build, unreadable), idempotency="natural")
    ended = await (await bench.calls(depot(operations=(late,)))).call(leased())
    assert (ended.outcome, ended.reason) == ("unknown", "the XML cannot be read")
    soon = Operation(name="create_pick", do=exchange(early, read), idempotency="natural")
    ended = await (await bench.calls(depot(operations=(soon,)))).call(leased())
    assert ended.outcome == "refused"
    assert ended.reason.startswith("no lines are given")
