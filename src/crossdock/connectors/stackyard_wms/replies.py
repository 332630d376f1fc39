"""What Stackyard WMS answers and tells, in our words."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Context, Happening, Notice, Page, RefusedByPartner, Request, Response
from crossdock.connect.contract import said as _said
from crossdock.connectors._words import decimal_text, instant, reading, told, unknown_event, words
from crossdock.connectors.stackyard_wms import requests
from crossdock.errors import Refused

Json = Mapping[str, Any]


def pick(response: Response, _: Context) -> Json:
    """The pick: made now, or before under the same reference."""
    return {"pick": _made(response, "pickOrderId")}


def receipt(response: Response, _: Context) -> Json:
    """The announcement: made now, or before under the same reference."""
    return {"receipt": _made(response, "expectedReturnId")}


def _made(response: Response, name: str) -> str:
    """The id of what was made; a reference that is taken is ours, and names the first."""
    body = response.json()
    if response.status == 409:
        error = body["errors"][0]
        if error["code"] != "DUPLICATE_REFERENCE" or name not in error:
            raise RefusedByPartner(str(error.get("detail", "refused")), code=str(error["code"]))
        return str(error[name])
    return str(body[name])


def stock(data: Json, context: Context) -> Generator[Request, Response, Json]:
    """What lies there of each item; one that was never counted is left out."""
    unit, found = context.settings["unit"], []
    for item in data["items"]:
        one = (yield requests.stock(item, data.get("site"), context)).json()
        if one["onHand"] is not None:
            found.append(
                {
                    "item": one["sku"],
                    "site": one["warehouse"],
                    "on_hand": _quantity(one["onHand"], unit),
                    "allocated": _quantity(one["allocated"], unit),
                    "available": _quantity(one["available"], unit),
                }
            )
    return {"stock": found}


def listed_stock(response: Response, context: Context) -> Json:
    """A page of what lies where."""
    answer, unit = response.json(), context.settings["unit"]
    rows = [
        {
            "item": one["sku"],
            "site": one["warehouse"],
            "on_hand": _quantity(one["onHand"], unit),
            "changed": one["changedAt"],
        }
        for one in answer["items"]
    ]
    return {"stock": rows, **_next(answer)}


def listed_allocations(response: Response, context: Context) -> Json:
    """A page of what is held for orders."""
    answer, unit = response.json(), context.settings["unit"]
    rows = [
        {
            "order": one["orderNumber"],
            "item": one["sku"],
            "site": one["warehouse"],
            "quantity": _quantity(one["qty"], _line(one, unit)[1]),
        }
        for one in answer["items"]
    ]
    return {"allocations": rows, **_next(answer)}


def _next(answer: Json) -> Json:
    return {} if answer["next"] is None else {"next": str(answer["next"])}


def allocate(data: Json, context: Context) -> Generator[Request, Response, Json]:
    """The promise: made now, or before under the same reference."""
    response = yield requests.allocate(data, context)
    if response.status != 409:
        return _allocation(response.json(), context)
    _made(response, "allocationId")
    found = (yield requests.find_allocation(data, context)).json()["items"]
    return _allocation(found[-1], context)


def found_allocation(response: Response, context: Context) -> Json | None:
    """The promise that stands under our reference."""
    held = [one for one in response.json()["items"] if one["state"] != "RELEASED"]
    return _allocation(held[0], context) if held else None


def _allocation(one: Json, context: Context) -> Json:
    lines = [(line, *_line(line, context.settings["unit"])) for line in one["lines"]]
    return {
        "allocation": one["allocationId"],
        "short": [
            {"line": number, "item": line["sku"], "missing": _quantity(line["shortQty"], unit)}
            for line, number, unit in lines
            if line["shortQty"]
        ],
    }


def expect_return(data: Json, context: Context) -> Generator[Request, Response, Json]:
    """The goods are expected at the connection's warehouse, else at that which picked the order."""
    warehouse = context.settings.get("warehouse")
    if not warehouse and data.get("order"):
        picks = (yield requests.picks(data["order"])).json()["items"]
        warehouse = picks[0]["warehouse"] if picks else None
    if not warehouse:
        raise Refused(
            "no warehouse has picked the order, so none is known to take it back",
            where="order",
            mend="give the connection a `warehouse`",
        )
    return receipt((yield requests.expect_return(data, str(warehouse), context)), context)


def found_pick(response: Response, _: Context) -> Json | None:
    """The pick that stands under our reference."""
    ids = [pick["pickOrderId"] for pick in response.json()["items"] if pick["state"] != "CANCELLED"]
    return {"pick": ids[0]} if ids else None


def found_receipt(response: Response, _: Context) -> Json | None:
    """The announcement that stands under our reference."""
    ids = [one["expectedReturnId"] for one in response.json()["items"] if one["state"] != "CANCELLED"]
    return {"receipt": ids[0]} if ids else None


def nothing(_: Response, __: Context) -> Json:
    """It was done; there is nothing to tell."""
    return {}


def cancel_receipt(data: Json, _: Context) -> Generator[Request, Response, Json]:
    """The announcement is cancelled; it may have been before."""
    response = yield requests.cancel_receipt(data["receipt"])
    if response.status == 409 and (yield requests.receipt(data["receipt"])).json()["state"] != "CANCELLED":
        code, words_ = _said(response)
        raise RefusedByPartner(words_, code=code)
    return {}


def read_events(cursor: str, _: Context) -> Generator[Request, Response, Page]:
    """A page of the feed."""
    limit = 200
    answer = (yield requests.events(cursor, limit=limit)).json()
    events = answer["events"]
    return Page(records=events, cursor=str(answer["next"]), more=len(events) >= limit)


def health(_: Any, __: Context) -> Generator[Request, Response, None]:
    """It answers and lets us in."""
    yield requests.events("", limit=1)


def told_by_webhook(notice: Notice) -> Iterator[Happening]:
    """One event that was pushed. Raises `Refused` for one that cannot be read."""
    body = notice.json()
    with reading("the webhook"):
        yield from _happened(body, notice.settings)


def told_by_feed(event: Json, settings: Json) -> Iterator[Happening]:
    """One event of the feed. Raises `Refused` for one that cannot be read."""
    with reading("the event"):
        yield from _happened(event, settings)


def _happened(event: Json, settings: Json) -> Iterator[Happening]:
    type_, at, id_ = event["eventType"], instant(event["occurredAt"]), event["eventId"]
    unit = settings.get("unit", "EA")
    if type_ == "SHIPMENT_PACKED":
        yield Happening(type="warehouse.shipment_packed", time=at, data=_packed(event, unit), id=id_)
    elif type_ == "PICK_STARTED":
        data = {"number": event["pickOrderId"], "order": event["orderNumber"], "state": "started"}
        yield Happening(
            type="warehouse.pick_started", time=at, data={**data, "started": event["occurredAt"]}, id=id_
        )
    elif type_ == "PICK_SHORT":
        yield Happening(type="warehouse.pick_short", time=at, data=_short(event, unit), id=id_)
    elif type_ == "SHIPMENT_DISPATCHED":
        yield Happening(type="shipment.shipped", time=at, data=_left(event), id=id_)
    elif type_ == "STOCK_COUNTED":
        yield from _counted(event, unit, at, id_)
    elif type_ in ("RETURN_RECEIVED", "RETURN_INSPECTED"):
        inspected = type_ == "RETURN_INSPECTED"
        data = _returned(event, unit, inspected=inspected)
        our_type = "return.inspected" if inspected else "return.received"
        # Our process knows the return by its own number, and the ERP's as the authorisation.
        yield Happening(type=our_type, time=at, data=data, id=id_, about={"authorisation": event["rma"]})
    else:
        raise unknown_event(type_)


def _packed(event: Json, unit: str) -> dict[str, Any]:
    shipment, order = event["shipment"], event["orderNumber"]
    contents = [
        (package, content, *_line(content, unit))
        for package in shipment["packages"]
        for content in package["contents"]
    ]
    sums: dict[tuple[str, str, str], Decimal] = {}
    for _, content, line, line_unit in contents:
        where = (line, content["sku"], line_unit)
        sums[where] = sums.get(where, Decimal(0)) + Decimal(str(content["qty"]))
    weights = [Decimal(str(package["weightKg"])) for package in shipment["packages"] if "weightKg" in package]
    weighed = bool(weights) and len(weights) == len(shipment["packages"])
    return {
        "order": order,
        "pick": event["pickOrderId"],
        **told(last=event.get("complete")),
        "shipment": told(
            number=shipment["shipmentId"],
            order=order,
            lines=[
                {"order": order, "line": line, "item": sku, "quantity": _quantity(quantity, line_unit)}
                for (line, sku, line_unit), quantity in sums.items()
            ],
            packages=[_package(package, order, unit) for package in shipment["packages"]],
            package_count=len(shipment["packages"]),
            weight=_quantity(sum(weights), "KGM") if weighed else None,
        ),
    }


def _package(package: Json, order: str, unit: str) -> dict[str, Any]:
    size = package.get("dims") or {}
    return told(
        number=package["sscc"],
        sscc=package["sscc"],
        state="packed",
        weight=_quantity(package["weightKg"], "KGM") if "weightKg" in package else None,
        **{
            name: _quantity(size[letter], "CMT")
            for name, letter in (("length", "l"), ("width", "w"), ("height", "h"))
            if letter in size
        },
        contents=[
            {
                "item": content["sku"],
                "order": order,
                "line": line,
                "quantity": _quantity(content["qty"], line_unit),
            }
            for content in package["contents"]
            for line, line_unit in (_line(content, unit),)
        ],
    )


def _short(event: Json, unit: str) -> dict[str, Any]:
    """What is missing, as lines of which nothing was picked; it is short for good where nothing follows."""
    later = event.get("backOrder")
    reason = f"back-order, expected {later['expectedAt']}" if later else "short, and nothing follows"
    lines = [(item, *_line(item, unit)) for item in event["lines"]]
    return {
        "number": event["pickOrderId"],
        "order": event["orderNumber"],
        "state": "started" if later else "short",
        "lines": [
            {
                "line": line,
                "item": item["sku"],
                "quantity": _quantity(item["qty"], line_unit),
                "picked": _quantity(0, line_unit),
                "reason": reason,
            }
            for item, line, line_unit in lines
        ],
        **({"custom": {"back_order_expected": later["expectedAt"]}} if later else {}),
    }


def _left(event: Json) -> dict[str, Any]:
    return told(
        number=event["shipmentId"],
        order=event["orderNumber"],
        carrier=event.get("carrier") or None,
        tracking_number=event.get("trackingNumber") or None,
        shipped=event["dispatchedAt"],
    )


def _counted(event: Json, unit: str, at: datetime, id_: str) -> Iterator[Happening]:
    """The correction, and the news of it for each order that loses its goods."""
    about = {"item": event["sku"], "site": event["warehouse"]}
    lost = [
        {"order": one["orderNumber"], "line": line, **about, "missing": _quantity(one["qty"], line_unit)}
        for one in event["uncovered"]
        for line, line_unit in (_line(one, unit),)
    ]
    change = Decimal(str(event["onHand"])) - Decimal(str(event["before"]))
    data = told(
        number=event["countId"],
        **about,
        kind="count",
        before=_quantity(event["before"], unit),
        on_hand=_quantity(event["onHand"], unit),
        change=_quantity(change, unit),
        reason=event.get("reason") or None,
        uncovered=lost,
    )
    yield Happening(type="stock.adjusted", time=at, data=data, id=id_)
    for n, news in enumerate(lost, 1):
        yield Happening(type="stock.short", time=at, data=news, id=f"{id_}/{n}")


def _returned(event: Json, unit: str, *, inspected: bool) -> dict[str, Any]:
    time = {"inspected" if inspected else "received": event["occurredAt"]}
    return {
        "number": event["rma"],
        **told(order=event.get("orderNumber")),
        "state": "inspected" if inspected else "received",
        **time,
        "lines": [_return_line(line, unit) for line in event["lines"]],
        "references": [{"kind": "receipt", "value": event["expectedReturnId"]}],
    }


def _return_line(line: Json, unit: str) -> dict[str, Any]:
    number, line_unit = _line(line, unit)
    quantity = _quantity(line["qty"], line_unit)
    grade = line.get("condition")
    row = words("crossdock.connectors.stackyard_wms").get(("condition", grade)) if grade else None
    return told(
        order_line=number,
        item=line["sku"],
        quantity=quantity,
        received=quantity,
        condition=(row["condition"] if row else "unknown") if grade else None,
        disposition=row["disposition"] if row else None,
        custom=told(grade=grade),
    )


def _line(content: Json, unit: str) -> tuple[str, str]:
    """The order's line and the unit, as our reference of the line says."""
    number, slash, told_unit = str(content["lineRef"]).rpartition("/")
    return (number, told_unit) if slash else (told_unit, unit)


def _quantity(value: object, unit: str) -> dict[str, str]:
    return {"value": decimal_text(value), "unit": unit}
