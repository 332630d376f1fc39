"""Traffic is recorded without secrets and personal data, and played back as it went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import pytest
from aiohttp import web
from partner_depot import ORDER, Bench, build, depot, leased, look, looked

from crossdock.connect.conformance import Conformance, Example, recorded
from crossdock.connect.contract import Operation, Request, Setting, exchange
from crossdock.connect.sign_in import client_credentials
from crossdock.connect.traffic import har_of
from crossdock.connect.watch import Watch
from crossdock.engine import Connections
from crossdock.sandbox.replay import replaying

SECRET, TOKEN, REFRESH = "canary-secret-+/=", "canary-token-4711", "canary-refresh-4712"
PEOPLE = {
    "email": "canary.ann@people.example",
    "phone": "+49 170 5550199",
    "name": "Canary Annabel Lee",
    "street": "Canary Street 12",
}
CANARIES = ["canary", "Canary", "Annabel", "5550199", "people.example"]
SHIPPED = {
    **ORDER,
    "ship_to": {
        "name": PEOPLE["name"],
        "lines": [PEOPLE["street"]],
        "city": "Hamburg",
        "country": "DE",
        "contact": {"email": PEOPLE["email"], "phone": PEOPLE["phone"]},
    },
}


def asks_for_all(data: Any, context: Any):
    """A talk with all of it in every place."""
    to = data["order"]["ship_to"]
    found = yield Request(
        "GET",
        f"/people/{to['contact']['email'].replace('@', '%40')}",
        query={"access_token": SECRET, "street": to["lines"][0], "page": "2"},
        headers={"X-Sender": to["name"], "X-Api-Key": SECRET},
    )
    yield Request("POST", "/form", form={"password": "canary-password", "to": to["name"], "kind": "box"})
    yield Request(
        "POST", "/xml", body=f"<a><email>{PEOPLE['email']}</email><note>for {to['name']}</note></a>".encode()
    )
    made = yield build(data, context)
    return {"pick": f"{found.json()['items'][0]['id']}-{made.json()['id']}"}


async def everywhere(request: web.Request) -> web.Response:
    """Answers with a token where that is asked for, and repeats what it was told in several ways."""
    if request.path == "/token":
        return web.json_response(
            {"access_token": TOKEN, "refresh_token": REFRESH, "token_type": "Bearer", "expires_in": 3600}
        )
    if request.path == "/form":
        return web.Response(text=f"hello {PEOPLE['name']}, your token is {TOKEN}", headers={"X-Echo": SECRET})
    if request.path == "/xml":
        return web.Response(
            text=f"<b><phone>{PEOPLE['phone']}</phone><ok>yes</ok></b>", content_type="text/xml"
        )
    if request.method == "GET":
        item = {"id": 7, "value": 99.5, "customerEmail": PEOPLE["email"], "remark": f"call {PEOPLE['phone']}"}
        body = {"items": [item | {"note": f"ask {PEOPLE['email']}", "session": REFRESH}]}
        return web.json_response(
            body, headers={"Set-Cookie": "sid=canary-cookie", "X-RateLimit-Remaining": "5"}
        )
    return web.json_response({"id": "P-1", "echo": f"Bearer {TOKEN} {SECRET}"}, status=201)


def signing_depot():
    return depot(
        settings={"url": Setting(), "client_id": Setting(default="we")},
        secrets={"key": "the secret"},
        sign_in=client_credentials("/token", client_secret="key"),
        operations=(
            Operation(name="create_pick", do=asks_for_all, idempotency="find", find=exchange(look, looked)),
        ),
    )


async def record(bench: Bench, *, connector=None, data=SHIPPED, **more: Any) -> dict[str, Any]:
    """One call, recorded; gives the HAR file."""
    bench.wire.watch = watch = Watch(bench.database)
    calls = await bench.calls(connector or depot(), **more)
    connections = Connections(bench.database)
    await connections.record(bench.tenant, "depot", 60)
    ended = await calls.call(leased(data={"order": data}))
    assert ended.outcome == "done", ended
    await watch.write()
    return har_of(await connections.recorded(bench.tenant, "depot"), version="1")


async def test_no_secret_and_nothing_personal_is_kept_wherever_it_stands(bench: Bench) -> None:
    bench.partner.answer = everywhere
    bench.keeps.kept = {"key": SECRET}
    har = await record(bench, connector=signing_depot())
    text = json.dumps(har, ensure_ascii=False)
    for canary in (*CANARIES, bench.partner.url, TOKEN, REFRESH):
        assert canary not in text, (canary, text[max(0, text.find(canary) - 200) :][:400])
    paths = [entry["request"]["url"] for entry in har["log"]["entries"]]
    assert paths == [
        "https://recorded.example/token",
        "https://recorded.example/people/***?access_token=%2A%2A%2A&street=%2A%2A%2A&page=2",
        "https://recorded.example/form",
        "https://recorded.example/xml",
        "https://recorded.example/picks",
    ]
    answers = [entry["response"]["content"]["text"] for entry in har["log"]["entries"]]
    assert json.loads(answers[0])["token_type"] == "Bearer"
    assert json.loads(answers[1])["items"][0]["id"] == 7  # what is of nobody stays as it was
    assert '"value":99.5' in answers[1]
    assert answers[3] == "<b><phone>***</phone><ok>yes</ok></b>"
    assert har["log"]["entries"][2]["request"]["postData"]["text"].endswith("kind=box")
    assert {"name": "X-RateLimit-Remaining", "value": "5"} in _named(har["log"]["entries"][1])
    async with bench.database.of(bench.tenant) as transaction:
        kept = await transaction.fetch("select convert_from(entry, 'UTF8') as entry from crossdock.traffic")
    assert not any(canary in row["entry"] for row in kept for canary in CANARIES)


def _named(entry: Any) -> list[dict[str, str]]:
    return [
        {**one, "name": "X-RateLimit-Remaining"}
        for one in entry["response"]["headers"]
        if "ratelimit" in one["name"]
    ]


async def test_what_was_recorded_is_played_back_and_the_call_ends_as_it_did(
    bench: Bench, tmp_path: Path
) -> None:
    file = tmp_path / "depot.har"
    file.write_text(json.dumps(await record(bench)))
    asked = len(bench.partner.requests)
    with replaying(file) as url:
        calls = await bench.calls(depot(), url=url)
        ended = await calls.call(leased(data={"order": SHIPPED}, key="another key"))
        assert (ended.outcome, ended.output) == ("done", {"pick": "P-1"})
        again = await calls.call(leased(data={"order": SHIPPED}, key="a third key"))
        assert again.output == {"pick": "P-1"}
        other = await calls.call(leased(data={"order": {**SHIPPED, "number": "SO-2"}}))
        assert (other.outcome, other.code) == ("refused", "not_recorded")
        assert "1 were for that path, with another query or body" in other.reason
    assert len(bench.partner.requests) == asked


async def test_answers_of_a_recording_are_the_answers_of_an_example(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "depot.har"
    file.write_text(json.dumps(await record(bench)))

    class Suite(Conformance):
        connector = depot()
        settings: ClassVar = {"url": "https://depot.example"}
        secrets: ClassVar = {"key": "k-secret-1"}
        examples: ClassVar = [
            Example(
                operation="create_pick",
                data={"order": ORDER},
                answers=recorded(file, "/picks"),
                output={"pick": "P-1"},
            )
        ]

    Suite().test_examples_give_what_they_say_in_the_types_that_are_declared()
    assert recorded(file, "/other") == []


async def test_a_recorder_that_fails_leaves_the_call_as_it_is(bench: Bench) -> None:
    bench.wire.watch = watch = Watch(bench.database)
    calls = await bench.calls(depot())
    await Connections(bench.database).record(bench.tenant, "depot", 60)

    def entry() -> dict[str, Any]:
        raise RecursionError

    watch.record(bench.tenant.id, "depot", set(), entry)
    assert (await calls.call(leased())).outcome == "done"


async def test_the_same_question_with_the_same_answer_is_kept_once_in_each_recording(bench: Bench) -> None:
    bench.wire.watch = watch = Watch(bench.database)
    connections = Connections(bench.database)

    async def the_same(_request: web.Request) -> web.Response:
        return web.json_response({"id": "P-1"})

    bench.partner.answer = the_same
    for _ in range(2):
        calls = await bench.calls(depot())
        await connections.record(bench.tenant, "depot", 60)
        for key in ("one", "one", "two"):
            await calls.call(leased(data={"order": SHIPPED}, key=key))
        await watch.write()
        assert len(await connections.recorded(bench.tenant, "depot")) == 2


async def test_recording_ends_by_itself_and_begins_anew(bench: Bench) -> None:
    har = await record(bench)
    assert len(har["log"]["entries"]) == 1
    connections = Connections(bench.database)
    (one,) = await connections.of(bench.tenant)
    assert one.record_until is not None
    await connections.record(bench.tenant, "depot", 0)
    (one,) = await connections.of(bench.tenant)
    assert one.record_until is None
    assert len(await connections.recorded(bench.tenant, "depot")) == 1
    await connections.record(bench.tenant, "depot", 60)
    assert await connections.recorded(bench.tenant, "depot") == []


async def test_what_is_no_text_or_too_large_is_left_out(bench: Bench) -> None:
    for body, said in (
        (b"\xff\xfe" * 4, "[8 bytes that are no text]"),
        (b'"x"' * 100_000, "[300000 bytes, more"),
    ):

        async def answer(_request: web.Request, body: bytes = body) -> web.Response:
            return web.Response(body=body)

        bench.partner.answer = answer
        connector = depot(
            operations=(
                Operation(
                    name="create_pick", do=exchange(build, lambda *_: {"pick": "P"}), idempotency="natural"
                ),
            )
        )
        har = await record(bench, connector=connector)
        assert har["log"]["entries"][0]["response"]["content"]["text"].startswith(said)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"log": {}}', '{"log": {"entries": [1]}}'])
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "none.har"
    file.write_text(text)
    with pytest.raises(ValueError, match="is no HAR file"), replaying(file):
        pass


async def test_each_recorded_answer_is_given_in_its_order_and_the_last_one_again(tmp_path: Path) -> None:
    file = tmp_path / "news.har"
    entries = [
        {
            "request": {"method": "GET", "url": f"https://recorded.example/news?after={after}"},
            "response": {"status": 200, "headers": [], "content": {"text": text}},
        }
        for after, text in (("1", "one"), ("1", "two"), ("2", "other"))
    ]
    file.write_text(json.dumps({"log": {"entries": entries}}))
    with replaying(file) as url:
        async with aiohttp.ClientSession() as http:
            told = [await (await http.get(f"{url}/news?after=1")).text() for _ in range(3)]
    assert told == ["one", "two", "two"]
