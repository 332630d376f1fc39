"""Where connections may lead: what an attacker would have us call, and what comes of it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web
from partner_depot import Bench, Partner, build, depot, leased, look, looked, read

from crossdock.access.outbound import NotLetOut, Outbound, networks_of, places_of
from crossdock.connect import Lines, Registry, Wire
from crossdock.connect.contract import Operation, Request, exchange, path
from crossdock.connect.probe import probe
from crossdock.engine import Connections
from crossdock.errors import Refused

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.9",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fd12::1",
    "::ffff:10.1.2.3",
]
NEVER = [
    *("169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"),
    *("fe80::1", "fe80::1%lo", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16"),
    *("0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "255.255.255.255", "ff02::1", "::a9fe:a9fe"),
]
OUTSIDE = ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


def lets(outbound: Outbound, address: str, port: int = 443) -> bool:
    try:
        outbound.refuse(address, port)
    except NotLetOut:
        return False
    return True


def test_private_addresses_are_called_where_it_is_allowed_and_those_of_clouds_never() -> None:
    everything = networks_of(["0.0.0.0/0", "::/0"], where="outbound_networks")
    for outbound in (Outbound(), Outbound(private="deny"), Outbound(private="deny", networks=everything)):
        assert [one for one in NEVER if lets(outbound, one)] == []
        assert [one for one in OUTSIDE if not lets(outbound, one)] == []
    assert [one for one in PRIVATE if not lets(Outbound(), one)] == []
    assert [one for one in PRIVATE if lets(Outbound(private="deny"), one)] == []
    some = Outbound(private="deny", networks=networks_of(["10.1.0.0/16", "fd12::1"], where=""))
    assert [one for one in PRIVATE if lets(some, one)] == ["10.1.2.3", "fd12::1", "::ffff:10.1.2.3"]


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(Refused, match="is no network"):
        networks_of(["10.0.0.0/33"], where="outbound_networks")


@pytest.mark.parametrize(
    ("url", "places"),
    [
        ("postgresql://u:p@db.example/x", [("db.example", 5432)]),
        ("postgresql://u:p%40@10.0.0.1:6000,[fd00::1]:6001/x", [("10.0.0.1", 6000), ("fd00::1", 6001)]),
        ("postgresql://u@/x?host=db.example&port=7000", [("db.example", 7000)]),
        ("postgresql://u@/x?host=/var/run/postgresql", []),
        ("", []),
    ],
)
def test_the_places_of_the_database_are_read_from_its_address(url: str, places: list[Any]) -> None:
    assert places_of(url, 5432) == places


async def test_our_own_ports_are_never_called_by_any_address_of_this_machine() -> None:
    outbound = Outbound(own=[("localhost", 5432)])
    await outbound.look()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
    for address in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"):
        assert not lets(outbound, address, 5432)
        assert lets(outbound, address, 5433)
    assert lets(outbound, "10.255.254.253", 5432)


async def calling(bench: Bench, outbound: Outbound, url: str = "", **changed: Any) -> Any:
    """How a call ends through a wire that lets out what `outbound` does."""
    wire = Wire(outbound=outbound)
    try:
        through = Bench(bench.database, bench.tenant, bench.partner, wire, bench.keeps)
        return await (await through.calls(depot(**changed), url or bench.partner.url)).call(leased())
    finally:
        await wire.close()


async def test_a_call_to_a_private_address_is_refused_before_it_leaves(bench: Bench) -> None:
    ended = await calling(bench, Outbound(private="deny"))
    assert ended.outcome == "refused"
    assert "depot is not called: its address is private" in ended.reason
    assert "outbound_networks" in ended.reason
    assert bench.partner.requests == []
    networks = networks_of(["127.0.0.0/8"], where="")
    assert (await calling(bench, Outbound(private="deny", networks=networks))).outcome == "done"


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"])
async def test_other_ways_to_write_it_mean_the_same(bench: Bench, host: str) -> None:
    url = bench.partner.url.replace("127.0.0.1", host)
    assert (await calling(bench, Outbound(private="deny"), url)).outcome != "done"
    assert bench.partner.requests == []


@pytest.mark.parametrize("host", ["0.0.0.0", "169.254.169.254", "[::ffff:169.254.169.254]"])
async def test_what_is_never_called_is_refused_wherever_private_ones_are_allowed(
    bench: Bench, host: str
) -> None:
    ended = await calling(bench, Outbound(private="allow"), bench.partner.url.replace("127.0.0.1", host))
    assert ended.outcome == "refused"
    assert "never called" in ended.reason
    assert bench.partner.requests == []


async def test_a_name_that_means_another_address_a_moment_later_gains_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the address that is looked at is the one that is connected to."""
    port = int(bench.partner.url.rpartition(":")[2])
    loop, answers = asyncio.get_running_loop(), ["203.0.113.9", "127.0.0.1", "127.0.0.1", "127.0.0.1"]
    asked = loop.getaddrinfo

    async def name_server(host: str, *given: Any, **more: Any) -> Any:
        if host != "rebind.example":
            return await asked(host, *given, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), port))]

    monkeypatch.setattr(loop, "getaddrinfo", name_server)
    outside = networks_of(["203.0.113.0/24"], where="")
    outbound = Outbound(private="deny", networks=outside)
    url = f"http://rebind.example:{port}"
    await Connections(bench.database).put(
        bench.tenant, "depot", system="wms", connector="depot", settings={"url": url}
    )
    connector = depot(health=exchange(look, looked))
    lines = Lines(bench.database, Registry.of([connector]), bench.keeps)
    found = await probe(await lines.line(bench.tenant.id, "depot"), outbound)
    assert [(one.step, one.good) for one in found] == [
        ("address", True),
        ("name", True),
        ("connection", False),
    ]
    ended = await calling(bench, outbound, url)
    assert ended.outcome == "refused"
    assert bench.partner.requests == []


async def test_a_test_of_a_connection_tells_nothing_of_private_addresses(bench: Bench) -> None:
    """Neither whether something listens, nor what a name means here."""
    said = set()
    for url in (bench.partner.url, "http://127.0.0.1:9", "http://localhost:9"):
        await Connections(bench.database).put(
            bench.tenant, "depot", system="wms", connector="depot", settings={"url": url}
        )
        lines = Lines(bench.database, Registry.of([depot()]), bench.keeps)
        found = await probe(await lines.line(bench.tenant.id, "depot"), Outbound(private="deny"))
        assert found[-1].step == "name"
        said.add(found[-1].detail.partition(" ")[2])
    assert said == {"is not called: its address is private, and private networks are not called from here"}
    assert bench.partner.requests == []


async def test_private_networks_are_called_until_a_second_tenant_is_here(bench: Bench) -> None:
    async def outcome() -> str:
        return (await calling(bench, Outbound(private="auto", database=bench.database))).outcome

    assert await outcome() == "done"
    await bench.database.create_tenant("operator")
    assert await outcome() == "done"
    await bench.database.create_tenant("neighbour")
    assert await outcome() == "refused"


async def test_a_redirect_is_not_followed(bench: Bench) -> None:
    other = Partner()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", other.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()

    async def away(_: web.Request) -> web.Response:
        return web.Response(
            status=307, headers={"location": f"http://127.0.0.1:{runner.addresses[0][1]}/picks"}
        )

    bench.partner.answer = away
    try:
        assert (await calling(bench, Outbound())).outcome == "refused"
    finally:
        await runner.cleanup()
    assert other.requests == []


@pytest.mark.parametrize("number", ["..", ".", "../admin", "..\\admin", "x/../../admin"])
async def test_no_value_leaves_its_place_in_a_path(bench: Bench, number: str) -> None:
    def cancel(_: Any, __: Any) -> Request:
        return Request("POST", path("/picks/{number}/cancel", number=number), json={})

    operation = Operation(name="create_pick", do=exchange(cancel, read), idempotency="natural")
    ended = await calling(bench, Outbound(), operations=(operation,))
    assert ended.outcome == "refused"
    assert "leaves its place" in ended.reason
    assert bench.partner.requests == []


async def test_no_value_begins_another_header(bench: Bench) -> None:
    def asks(data: Any, context: Any) -> Request:
        made = build(data, context)
        return Request(made.method, made.path, json=made.json, headers={"X-Ref": "a\r\nX-Admin: yes"})

    operation = Operation(name="create_pick", do=exchange(asks, read), idempotency="natural")
    ended = await calling(bench, Outbound(), operations=(operation,))
    assert ended.outcome == "refused"
    assert "line break" in ended.reason
    assert bench.partner.requests == []
