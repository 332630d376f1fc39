"""Orders through every system while the process that serves them is killed: nothing is lost or done twice."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from outside import crossdock, running, servers_in, wait_for

from crossdock.demo.orders import customers, load
from crossdock.demo.partners import CARRIERS, Partners

ORDERS = 6
SPEED = 20_000  # the partners' days pass in seconds; Crossdock's own clock is the real one


def ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def standing(services: Any, service: str, kind: str) -> dict[str, int]:
    found: dict[str, int] = ask(f"{services[service]['url']}/ledger")["standing"].get(kind, {})
    return found


def test_killed_twice_while_orders_flow_the_ledgers_agree_in_the_end(tmp_path: Path) -> None:
    port = free_port()
    with running(
        "sandbox", "--port", "0", "--calm", "--speed", str(SPEED), cwd=tmp_path, name="sandbox"
    ) as box:
        services = box.first_object()["services"]
        connections = Partners(services, None).connections()  # type: ignore[arg-type] # nothing is asked
        (tmp_path / "connections.yaml").write_text(yaml.safe_dump(connections))
        (tmp_path / "crossdock.toml").write_text("lease = 2.0\n")  # so long a call of the dead is waited for
        serve = ("serve", "--port", str(port), "--json")
        with running(*serve, cwd=tmp_path, name="first") as first:
            first.first_object()
            for name in services:
                if name != "postbox":
                    hook = f"http://127.0.0.1:{port}/hooks/default/{name}"
                    ask(f"{services[name]['url']}/configure", {"webhook_url": hook})
            orders = load(ORDERS)
            now = datetime.now(UTC)
            for order in orders:
                order.erp["release_at"] = now.isoformat()
                order.erp["wanted_on"] = (now + timedelta(days=400)).date().isoformat()
                for line in order.erp["lines"]:
                    line["unit_price"], line["quantity"] = "1.00", "10"
            soon = {"pickup_after_hours": 4, "delivered_after_hours": 30}
            for carrier in CARRIERS:
                scripts = [{"order": order.number, **soon} for order in orders]
                ask(f"{services[carrier]['url']}/script", {"scripts": scripts})
            documents = {"customers": customers(orders), "orders": [order.erp for order in orders]}
            ask(f"{services['erp']['url']}/import", documents)
            wait_for(lambda: len(standing(services, "wms", "pick")) >= 2, "the first picks")
            assert first.end(signal.SIGKILL) == -signal.SIGKILL
        with running(*serve, cwd=tmp_path, name="second") as second:
            second.first_object()
            wait_for(lambda: sum(len(standing(services, c, "shipment")) for c in CARRIERS) >= 3, "bookings")
            assert second.end(signal.SIGKILL) == -signal.SIGKILL
        with running(*serve, cwd=tmp_path, name="third") as third:
            third.first_object()
            wait_for(lambda: len(standing(services, "erp", "invoice")) == ORDERS, "all invoices", seconds=90)

            def completed() -> bool:
                said = crossdock("runs", "--json", "--process", "order-to-cash", cwd=tmp_path).stdout
                return [json.loads(line)["status"] for line in said.splitlines()] == ["completed"] * ORDERS

            wait_for(completed, "all runs to end")
            assert third.end() == 0
        once = {order.number: 1 for order in orders}
        assert standing(services, "wms", "pick") == once
        assert standing(services, "erp", "invoice") == once
        booked: Counter[str] = Counter()
        for carrier in CARRIERS:
            booked.update(standing(services, carrier, "shipment"))
        assert {key.rpartition("-")[0] for key in booked} == set(once)
        assert set(booked.values()) == {1}
        replayed = crossdock("replay", "--json", cwd=tmp_path).stdout.splitlines()
        assert len(replayed) >= 2 * ORDERS
        assert all(json.loads(line)["same"] for line in replayed)
        # Played under their own version, nothing of any case would be otherwise.
        for name in ("order-to-cash", "deliver-shipment"):
            text = resources.files("crossdock.packs").joinpath("distribution", f"{name}.yaml")
            proved = json.loads(crossdock("backtest", str(text), "--json", cwd=tmp_path).stdout)
            assert proved["same"] == proved["cases"] >= ORDERS, proved
    assert servers_in(tmp_path) == []
