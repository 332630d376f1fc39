"""Many lines in one file: checked with their places, sent once each, whatever is killed meanwhile."""

from __future__ import annotations

import json

from played_orders import order


def lines_of(*numbers: str, **more) -> bytes:
    found = [
        {"number": number, "total": {"amount": "10", "currency": "EUR"}, "created_by": "ann", **more}
        for number in numbers
    ]
    return b"".join(json.dumps(one).encode() + b"\n" for one in found)


async def sent(world, data: bytes, query: str = "what=orders", status: int = 202, **headers: str):
    headers = {"content-type": "application/x-ndjson", **headers}
    return (await world.ask("POST", f"/imports?{query}", data=data, headers=headers, status=status)).json


async def finished(world, name: str):
    while await world.imports.turn():
        pass
    return await world.get(f"/imports/{name}")


async def test_orders_become_runs_and_each_bad_line_says_what_mends_it(world):
    data = lines_of("SO-1") + b'{"number": "SO-2", "totl": 5}\n' + b"{nonsense\n" + lines_of("SO-3")
    begun = await sent(world, data)
    assert (begun["status"], begun["lines"], begun["good"], begun["bad"]) == ("sending", 4, 2, 2)
    done = await finished(world, begun["id"])
    assert (done["status"], done["sent"], done["fates"]) == ("done", 2, {"routed": 2})
    report = (await world.get(f"/imports/{begun['id']}/report"))["items"]
    assert [(one["line"], one.get("field")) for one in report] == [(2, "totl"), (3, None)]
    assert "total" in report[0]["mend"]
    answer = await world.ask("GET", f"/imports/{begun['id']}/report?format=csv", status=200)
    assert answer.text.splitlines()[0] == "line,field,detail,mend"
    assert sorted(run["key"] for run in (await world.get("/runs"))["items"]) == ["SO-1", "SO-3"]


async def test_all_or_nothing_sends_nothing_where_one_line_is_wrong(world):
    data = lines_of("SO-1") + b"{}\n"
    refused = await sent(world, data, "what=orders&whole=true")
    assert (refused["status"], refused["sent"]) == ("refused", 0)
    assert await finished(world, refused["id"]) == refused
    checked = await sent(world, lines_of("SO-1"), "what=orders&check=true")
    assert (checked["status"], checked["good"]) == ("checked", 1)
    await finished(world, checked["id"])
    assert (await world.get("/runs"))["items"] == []
    whole = await sent(world, lines_of("SO-1", "SO-2"), "what=orders&whole=true")
    assert (await finished(world, whole["id"]))["status"] == "done"
    assert len((await world.get("/runs"))["items"]) == 2


async def test_rows_of_a_table_are_orders_with_lines(world):
    table = (
        "\ufeffnumber;total.amount;total.currency;created_by;customer.name;lines.number;lines.item;lines.quantity.value;lines.quantity.unit\r\n"
        'SO-1;10;EUR;ann;"Müller; ""Sons""";1;A-1;2;EA\r\n'
        "SO-1;10;EUR;ann;;2;A-2;x;EA\r\n"
        "SO-2;20;EUR;ann;Meyer;1;A-1;1;EA\r\n"
        "SO-2;20;EUR;ann;Meyer;2;A-2;3;EA\r\n"
        "SO-3;20;EUR\r\n"
    )
    begun = await sent(world, table.encode(), **{"content-type": "text/csv"})
    report = (await world.get(f"/imports/{begun['id']}/report"))["items"]
    assert [(one["line"], one.get("field")) for one in report] == [(3, "lines.quantity.value"), (6, None)]
    assert (await finished(world, begun["id"]))["fates"] == {"routed": 1}
    async with world.working():
        await world.steps("SO-2", check_credit="succeeded")
    (found,) = (await world.get("/orders?fields=document"))["items"]
    assert [line["item"] for line in found["document"]["lines"]] == ["A-1", "A-2"]


async def test_events_keep_their_own_names_and_go_in_once(world):
    event = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/shop",
        "type": "order.released",
        "time": "2026-05-04T08:00:00Z",
        "data": json.loads(lines_of("SO-1")),
    }
    data = b"\n".join(json.dumps(one).encode() for one in (event, event, {**event, "source": "engine"}))
    begun = await sent(world, data, "")
    assert (begun["good"], begun["bad"]) == (2, 1)
    assert (await finished(world, begun["id"]))["fates"] == {"routed": 1, "duplicate": 1}
    again = await sent(world, data, "")
    assert (await finished(world, again["id"]))["fates"] == {"duplicate": 2}


async def test_lines_that_a_killed_process_had_sent_are_not_sent_twice(world):
    begun = await sent(world, lines_of(*(f"SO-{n}" for n in range(450))))
    number = await world.database.at_once("select id from crossdock.api_import")
    # A process sent the first lines, and was killed before it noted that; then another one goes on.
    rows = await world.database.at_once(
        "select arrival from crossdock.api_import_line where import = $1 and line <= 300", number[0]["id"]
    )
    import msgspec

    from crossdock.engine import Arrival

    await world.put(*(msgspec.json.decode(row["arrival"], type=Arrival) for row in rows))
    done = await finished(world, begun["id"])
    assert (done["status"], done["sent"], done["fates"]) == ("done", 450, {"routed": 150, "duplicate": 300})
    (count,) = await world.database.at_once("select count(*) as n from crossdock.run")
    assert count["n"] == 450
    (left,) = await world.database.at_once("select count(*) as n from crossdock.api_import_line")
    assert left["n"] == 0


async def test_the_same_file_with_the_same_key_is_one_import(world):
    first = await sent(world, lines_of("SO-1"), **{"idempotency-key": "k"})
    again = await sent(world, lines_of("SO-1"), status=200, **{"idempotency-key": "k"})
    assert again["id"] == first["id"]
    said = await sent(world, lines_of("SO-2"), status=422, **{"idempotency-key": "k"})
    assert said["type"].endswith("/key-reused")


async def test_a_row_that_is_no_csv_is_a_fault_of_its_line(world):
    begun = await sent(world, b"number,total.amount\n1,2\r3\n", **{"content-type": "text/csv"})
    (fault,) = (await world.get(f"/imports/{begun['id']}/report"))["items"]
    assert (fault["line"], "no CSV" in fault["detail"]) == (2, True)


async def test_what_is_no_such_file_is_refused_and_leaves_nothing(world):
    await sent(world, b"", status=422)
    await sent(world, b"\xff\xfe\n", status=422)
    await sent(world, lines_of("SO-1"), "what=orders&type=order.exploded", status=422)
    await sent(world, lines_of("SO-1"), status=415, **{"content-type": "application/pdf"})
    said = await sent(world, b"number\rtotal,x\n1,2\n", status=422, **{"content-type": "text/csv"})
    assert "no CSV" in said["detail"]
    said = await sent(world, b"nummer,total\n1,2\n", status=422, **{"content-type": "text/csv"})
    assert "number" in said["detail"]
    assert (await world.get("/imports"))["items"] == []
    viewer = await world.key_of("viewer")
    await world.ask(
        "POST",
        "/imports",
        data=b"{}",
        headers={"content-type": "application/x-ndjson"},
        key=viewer,
        status=403,
    )


async def test_an_import_ends_where_its_key_is_revoked_or_somebody_stops_it(world):
    key = await world.key_of("integration-engineer")
    answer = await world.ask(
        "POST",
        "/imports?what=orders",
        data=lines_of("SO-1"),
        headers={"content-type": "application/x-ndjson"},
        key=key,
        status=202,
    )
    await world.post(f"/keys/{key.split('_')[2]}/revoke", {})
    done = await finished(world, answer.json["id"])
    assert (done["status"], done["sent"]) == ("stopped", 0)
    other = await sent(world, lines_of("SO-2"))
    stopped = await world.post(f"/imports/{other['id']}/stop")
    assert stopped["status"] == "stopped"
    await world.post(f"/imports/{other['id']}/stop", None, 409)
    await finished(world, other["id"])
    assert (await world.get("/runs"))["items"] == []
    _, theirs = await world.neighbour()
    await world.get(f"/imports/{other['id']}", 404, key=theirs)
    await world.put(order("SO-9"))
