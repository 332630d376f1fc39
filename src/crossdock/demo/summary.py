"""What the demo came to, and whether the partners' own ledgers agree with it.

The ledger check asks the partners, not Crossdock: each order that was invoiced was picked once, each
shipment of it booked once (with one carrier), and one invoice stands for it; of an order that was cancelled
nothing stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from crossdock.demo.orders import DemoOrder, Outage
from crossdock.demo.partners import CARRIERS, Partners
from crossdock.demo.stand_in import NAME
from crossdock.demo.tally import Tally, percentiles


async def summary(
    partners: Partners, tally: Tally, orders: list[DemoOrder], outages: list[Outage], seconds: float
) -> dict[str, Any]:
    """The whole of it as JSON values."""
    ledger = await _ledger_check(partners, tally, orders)
    shipments = {script["shipment"] for order in orders for script in order.carrier_scripts}
    people = sum(count for name, count in tally.decided_by.items() if name != NAME)
    return {
        "orders": {
            "in": len(tally.orders),
            "shipped": len({_order(key) for key in tally.shipped}),
            "delivered": len({_order(key) for key in tally.delivered}),
            "invoiced": len(tally.invoiced),
            "cancelled": len(tally.cancelled),
            "failed": len(tally.failed),
        },
        "shipments": {
            "planned": len(shipments),
            "booked": len(tally.shipped),
            "delivered": len(tally.delivered),
        },
        "returns_credited": len(tally.credited),
        "exceptions": dict(tally.exceptions.most_common()),
        "exceptions_open": len(tally.open_exceptions),
        "outages": [
            {
                "system": one.system,
                "begins": one.begins.isoformat(),
                "ends": one.ends.isoformat(),
                "unanswered": tally.unanswered[one.system],
            }
            for one in outages
        ],
        "cycle_time": percentiles(tally.seconds.get("order_cycle_time", [])),
        "release_to_pick": percentiles(tally.seconds.get("release_to_pick", [])),
        "manual_touches": {
            "by_people": people,
            "by_stand_in": tally.decided_by.get(NAME, 0),
            "per_order": round(sum(tally.decided_by.values()) / max(1, len(tally.orders)), 3),
            "orders_untouched": max(0, len(tally.orders) - len(tally.touched)),
        },
        "events_decided": tally.events,
        "calls_answered": tally.calls,
        "seconds": round(seconds, 1),
        "ledger": ledger,
    }


def _order(shipment: str) -> str:
    return shipment.partition("/")[0]


async def _ledger_check(partners: Partners, tally: Tally, orders: list[DemoOrder]) -> dict[str, Any]:
    picks = await _standing(partners, "wms", "pick")
    invoices = await partners.invoices()
    bookings: Counter[str] = Counter()
    for carrier in CARRIERS:
        for kind in (await partners.ledger(carrier))["standing"].values():
            bookings.update(kind)
    wrong: list[str] = []
    for order in orders:
        number = order.number
        shipped = [key for key in tally.shipped if _order(key) == number]
        if number in tally.invoiced:
            wrong += _unless(picks.get(number, 0) == 1, f"{number} was picked {picks.get(number, 0)} times")
            wrong += _unless(invoices.get(number, 0) == 1, f"{number} has {invoices.get(number, 0)} invoices")
            wrong += _unless(bool(shipped), f"{number} was invoiced and never shipped")
        elif number in tally.cancelled:
            wrong += _unless(picks.get(number, 0) == 0, f"{number} was cancelled and its pick stands")
            wrong += _unless(invoices.get(number, 0) == 0, f"{number} was cancelled and an invoice stands")
        else:
            wrong.append(f"{number} was neither invoiced nor cancelled")
        for key in shipped:
            once = bookings[key] == (1 if number in tally.invoiced else 0)
            wrong += _unless(once, f"shipment {key} has {bookings[key]} bookings")
    wrong += await partners.wrong(tally)
    strangers = set(bookings) - tally.shipped - {key for key, count in bookings.items() if not count}
    wrong += [f"shipment {key} is booked, and no run knows of it" for key in sorted(strangers)]
    return {
        "holds": not wrong,
        "picked": sum(picks.values()),
        "booked": sum(bookings.values()),
        "invoiced": sum(invoices.values()),
        "wrong": wrong[:50],
    }


async def _standing(partners: Partners, service: str, kind: str) -> Mapping[str, int]:
    found: Mapping[str, int] = (await partners.ledger(service))["standing"].get(kind, {})
    return found


def _unless(right: bool, words: str) -> list[str]:  # noqa: FBT001 - reads as a sentence where it is used
    return [] if right else [words]
