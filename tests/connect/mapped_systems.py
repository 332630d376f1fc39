"""Four systems as their makers publish them, each no more than its requests and answers: what it does not know it
refuses, so that a field that was made up does not pass.

They know nothing of the connectors. Sources stand in the head of each connector's file.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from aiohttp import web

Json = dict[str, Any]
Answer = tuple[int, Any]

AT = "2026-03-03T14:05:00Z"
LATER = "2026-03-04T09:30:00Z"


class Unfit(Exception):
    """What was asked is not as it is published."""


class Mapped:
    """A system: `do` answers, `log` is what changed something. `lost` loses the next answer to a change."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str, Any]] = []
        self.lost = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Over HTTP."""
        body = await request.read()
        given = json.loads(body) if body else None
        status, said = self.asked(request.method, request.path, dict(request.query), request.headers, given)
        if self.lost and request.method != "GET":
            self.lost = False
            return web.Response(status=500)
        return web.json_response(said, status=status)

    def asked(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Any
    ) -> Answer:
        """What it answers."""
        try:
            answer = self.do(method, path, query, {k.lower(): v for k, v in headers.items()}, body)
        except Unfit as error:
            return 400, {"message": str(error)}
        if method != "GET" and answer[0] < 300:
            self.log.append((method, path, body))
        return answer

    def do(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Any
    ) -> Answer:
        """As it is published."""
        raise NotImplementedError


def fits(what: str, given: Mapping[str, Any], needed: str, known: str = "") -> None:
    """Every field that is needed and none that is not known."""
    missing = set(needed.split()) - set(given)
    unheard = set(given) - set(needed.split()) - set(known.split())
    if missing or unheard:
        raise Unfit(f"{what}: missing {sorted(missing)}, unknown {sorted(unheard)}")


class Ongoing(Mapped):
    """Orders by number; started ones are not cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[int, Json] = {}
        self.articles: list[Json] = []

    def do(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Any
    ) -> Answer:
        if headers.get("authorization") != "Basic " + b64encode(b"ours:let-me-in").decode():
            return 401, {"message": "Authorization has been denied for this request."}
        if (method, path) == ("PUT", "/orders"):
            return self.put(body)
        if (method, path) == ("GET", "/articles"):
            fits("query", query, "goodsOwnerId", "articleSystemIdFrom maxArticlesToGet onlyArticlesInStock")
            begin = int(query["articleSystemIdFrom"])
            found = [one for one in self.articles if one["articleSystemId"] >= begin]
            return 200, found[: int(query["maxArticlesToGet"])]
        if (method, path) == ("GET", "/orders"):
            known = "orderNumber shippedTimeFrom shippedTimeTo orderStatusFrom orderStatusTo orderIdFrom"
            fits("query", query, "goodsOwnerId", f"{known} maxOrdersToGet orderStatusChangedTimeFrom")
            since, number = query.get("shippedTimeFrom"), query.get("orderNumber")
            least, most = int(query.get("orderStatusFrom", 0)), int(query.get("orderStatusTo", 1000))
            return 200, [
                one
                for one in self.orders.values()
                if (number is None or one["orderInfo"]["orderNumber"] == number)
                and least <= one["orderInfo"]["orderStatus"]["number"] <= most
                and (since is None or (one["orderInfo"]["shippedTime"] or "") >= since)
            ]
        order = self.orders.get(int(path.split("/")[2]))
        if order is None:
            return 404, {"message": "There is no such order."}
        if method == "DELETE":
            if order["orderInfo"]["orderStatus"]["number"] >= 300:
                return 400, {"message": "The warehouse has started working on the order."}
            order["orderInfo"]["orderStatus"] = {"number": 1000, "text": "Cancelled"}
            return 200, {"orderId": order["orderInfo"]["orderId"], "message": "Order cancelled."}
        if method == "PATCH" and path.endswith("/waybill"):
            fits("waybill", body, "waybill")
            order["orderInfo"]["wayBill"] = body["waybill"]
            return 200, {"orderId": order["orderInfo"]["orderId"], "message": ""}
        return 404, {"message": "No such address."}

    def put(self, body: Json) -> Answer:
        fits("order", body, "goodsOwnerId orderNumber deliveryDate consignee orderLines")
        fits("consignee", body["consignee"], "name address1 postCode city countryCode", "customerNumber")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", body["deliveryDate"]):
            raise Unfit("deliveryDate")
        for line in body["orderLines"]:
            fits("line", line, "rowNumber articleNumber numberOfItems")
            if not isinstance(line["numberOfItems"], int | float):
                raise Unfit("numberOfItems is a number")
        known = {one["orderInfo"]["orderNumber"]: id_ for id_, one in self.orders.items()}
        id_ = known.get(body["orderNumber"], 50163 + len(self.orders))
        self.orders[id_] = {
            "goodsOwner": {"id": body["goodsOwnerId"]},
            "orderInfo": {
                "orderId": id_,
                "orderNumber": body["orderNumber"],
                "orderStatus": {"number": 200, "text": "Open"},
                "shippedTime": None,
                "wayBill": None,
            },
            "parcels": [],
            "orderLines": [
                {
                    "id": n,
                    "rowNumber": line["rowNumber"],
                    "article": {"articleNumber": line["articleNumber"]},
                    "orderedNumberOfItems": float(line["numberOfItems"]),
                    "allocatedNumberOfItems": float(line["numberOfItems"]),
                    "pickedNumberOfItems": 0.0,
                }
                for n, line in enumerate(body["orderLines"], 1)
            ],
            "transporter": None,
        }
        return 200, {"orderId": id_, "message": "Order created."}

    def ship(self, id_: int, *picked: float) -> None:
        """It has left."""
        info = self.orders[id_]["orderInfo"]
        info |= {"shippedTime": AT, "wayBill": "WB-1", "orderStatus": {"number": 450, "text": "Sent"}}
        for line, pieces in zip(self.orders[id_]["orderLines"], picked, strict=True):
            line["pickedNumberOfItems"] = pieces
        self.orders[id_]["transporter"] = {"transporterName": "DHL", "name": "DHL", "code": "DHL"}


class ShipBob(Mapped):
    """Orders by reference, each reference once."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[Json] = []
        self.levels: list[Json] = []

    def do(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Any
    ) -> Answer:
        if headers.get("authorization") != "Bearer let-me-in" or headers.get("shipbob_channel_id") != "1001":
            return 401, {"message": "unauthorized"}
        if (method, path) == ("GET", "/2026-01/order"):
            fits("query", query, "", "ReferenceIds LastUpdateStartDate Limit Page SortOrder HasTracking")
            since, page = query.get("LastUpdateStartDate", ""), int(query.get("Page", 1))
            size = int(query.get("Limit", 50))
            found = [
                one
                for one in self.orders
                if query.get("ReferenceIds") in (None, one["reference_id"])
                and (not since or any(s["last_update_at"] >= since for s in one["shipments"]))
            ]
            return 200, found[(page - 1) * size : page * size]
        if (method, path) == ("POST", "/2026-01/order"):
            return self.post(body)
        if (method, path) == ("GET", "/2026-01/inventory-level/locations"):
            fits("query", query, "PageSize", "cursor")
            begin = int(query.get("cursor", "0=").removesuffix("="))
            end = begin + int(query["PageSize"])
            more = f"{path}?cursor={end}%3D&PageSize=100" if end < len(self.levels) else None
            return 200, {"first": None, "items": self.levels[begin:end], "next": more}
        if method == "POST" and (named := re.fullmatch(r"/2026-01/order/(\d+):cancel", path)):
            order = next((one for one in self.orders if one["id"] == int(named[1])), None)
            if order is None:
                return 404, {"message": "not found"}
            done = all(one["status"] != "Completed" for one in order["shipments"])
            order["status"] = "Cancelled" if done else order["status"]
            reason = None if done else "Shipment is not in a cancellable state"
            results = [
                {"is_success": done, "reason": reason, "shipment_id": s["id"], "action": "Cancel"}
                for s in order["shipments"]
            ]
            status = "Success" if done else "Failure"
            return 200, {
                "order_id": order["id"],
                "status": status,
                "canceled_shipment_results": results,
            }
        return 404, {"message": "no such address"}

    def post(self, body: Json) -> Answer:
        known = "order_number shipping_method type location_id tags"
        fits("order", body, "reference_id recipient products", known)
        fits("recipient", body["recipient"], "name address", "email phone_number")
        fits(
            "address",
            body["recipient"]["address"],
            "address1 city country",
            "address2 company_name state zip_code",
        )
        for product in body["products"]:
            fits(
                "product",
                product,
                "reference_id name quantity",
                "quantity_unit_of_measure_code external_line_id",
            )
            if not isinstance(product["quantity"], int):
                raise Unfit("quantity is int32")
        if any(one["reference_id"] == body["reference_id"] for one in self.orders):
            return 422, {"ReferenceId": ["An order with this reference id already exists"]}
        number = len(self.orders) + 1
        shipment = {
            "id": 900 + number,
            "order_id": 70 + number,
            "reference_id": body["reference_id"],
            "status": "Processing",
            "location": {"id": 5, "name": "Cicero (IL)"},
            "last_update_at": "2026-03-03T10:00:00Z",
            "actual_fulfillment_date": None,
            "tracking": None,
            "products": [
                {
                    "id": n,
                    "reference_id": one["reference_id"],
                    "name": one["name"],
                    "sku": one["reference_id"],
                    "inventory_items": [
                        {"id": n, "quantity": one["quantity"], "quantity_committed": 0, "lot": None}
                    ],
                }
                for n, one in enumerate(body["products"], 1)
            ],
        }
        order = {
            "id": 70 + number,
            "reference_id": body["reference_id"],
            "order_number": body.get("order_number"),
            "status": "Processing",
            "shipments": [shipment],
        }
        self.orders.append(order)
        return 201, order

    def pack(self) -> None:
        """The first order is packed."""
        order = self.orders[0]
        order["status"] = "Fulfilled"
        order["shipments"][0] |= {
            "status": "Completed",
            "last_update_at": LATER,
            "actual_fulfillment_date": AT,
            "tracking": {
                "carrier": "USPS",
                "tracking_number": "9400",
                "tracking_url": "https://t.example/9400",
                "shipping_date": LATER,
            },
        }

    def lack(self) -> None:
        """A centre lacks one of the first order."""
        self.orders[0]["status"] = "Exception"
        self.orders[0]["shipments"][0] |= {"status": "Exception", "last_update_at": AT}
        self.orders[0]["shipments"][0]["products"][0]["inventory_items"][0]["quantity_committed"] = 1


class Cargoson(Mapped):
    """Prices as text without a currency; a booking that a carrier may reject at once."""

    def __init__(self) -> None:
        super().__init__()
        self.bookings: dict[str, str] = {}
        self.rejects = False

    def do(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Any
    ) -> Answer:
        if headers.get("authorization") != "Bearer let-me-in":
            return 401, {"status": 401, "errors": ["Unauthorized"]}
        if headers.get("accept") != "application/vnd.api.v1":
            return 406, {"errors": ["which version?"]}
        places = " ".join(f"{end}_postcode {end}_country" for end in ("collection", "delivery"))
        if (method, path) == ("GET", "/services/list"):
            return 200, {"status": 200, "object": {"services": []}}
        if (method, path) == ("POST", "/freightPrices/list"):
            fits("prices", body, f"collection_date rows_attributes {places}")
            self.rows(body)
            price = {"id": 7, "service": "Road", "unit": "EUR", "type": "price_list"}
            return 200, {
                "status": 200,
                "object": {
                    "prices": [
                        {**price, "carrier": "Venipak", "reg_no": "1", "service_id": 311, "price": "19.13"},
                        {**price, "carrier": "DSV", "reg_no": "2", "service_id": 312, "price": "24.00"},
                    ]
                },
            }
        if (method, path) == ("POST", "/queries"):
            ends = [
                f"{end}_{what}"
                for end in ("collection", "delivery")
                for what in ("company_name", "address_row_1", "city", "contact_name", "contact_phone")
            ]
            fits(
                "query",
                body,
                f"collection_date rows_attributes {places}",
                f"customer_reference options {' '.join(ends)}",
            )
            fits("options", body["options"], "", "direct_booking_service_id label_format")
            self.rows(body)
            if body["options"]["direct_booking_service_id"] not in (311, 312):
                return 201, {
                    "id": None,
                    "reference": None,
                    "errors": ["Direct booking service is not available"],
                }
            reference = f"RO{1000 + len(self.bookings)}"
            self.bookings[reference] = "rejected" if self.rejects else "created"
            return 201, {
                "id": 1,
                "reference": reference,
                "query_status": "created",
                "booking_status": self.bookings[reference],
                "errors": [],
                "tracking_reference": None,
            }
        reference = path.rpartition("/")[2]
        if reference not in self.bookings:
            return 404, {"errors": ["Not found"]}
        if method == "DELETE":
            self.bookings[reference] = "withdrawn"
            return 200, {"status": 200}
        return 200, {
            "latest_status": self.bookings[reference],
            "carrier_response_message": None,
            "tracking_reference": "T-1",
        }

    def rows(self, body: Json) -> None:
        for row in body["rows_attributes"]:
            fits("row", row, "quantity package_type weight", "description")
            if not isinstance(row["weight"], int | float):
                raise Unfit("weight is a number")


class Opendock(Mapped):
    """Appointments, signed in with a session."""

    def __init__(self) -> None:
        super().__init__()
        self.slots: list[Json] = []

    def do(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Any
    ) -> Answer:
        if (method, path) == ("POST", "/auth/login"):
            fits("login", body, "email password")
            return 201, {"access_token": "T", "expires_in": 3600}
        if headers.get("authorization") != "Bearer T":
            return 401, {"statusCode": 401, "message": "Unauthorized"}
        if (method, path) == ("GET", "/auth/me"):
            return 200, {"id": "u1"}
        if (method, path) == ("POST", "/appointment"):
            fits("appointment", body, "loadTypeId dockId start", "end userId refNumber notes status")
            one = {
                "id": f"A-{len(self.slots) + 1}",
                "status": body.get("status", "Requested"),
                "start": body["start"],
                "end": body.get("end"),
                "refNumber": body.get("refNumber"),
                "notes": body.get("notes"),
                "dockId": body["dockId"],
                "loadTypeId": body["loadTypeId"],
                "lastChangedDateTime": "2026-03-03T10:00:00.000Z",
            }
            self.slots.append(one)
            return 201, {"data": one, "entity": "Appointment", "action": "create"}
        if (method, path) == ("GET", "/appointment"):
            fits("query", query, "", "s sort limit page")
            wanted = json.loads(query.get("s", "{}"))
            since = wanted.pop("lastChangedDateTime", {}).get("$gte", "")
            found = [
                one
                for one in self.slots
                if one["lastChangedDateTime"] >= since and all(one[k] == v for k, v in wanted.items())
            ]
            found.sort(key=lambda one: one["lastChangedDateTime"])
            found = found[: int(query.get("limit", 100))]
            return 200, {"count": len(found), "total": len(found), "page": 1, "pageCount": 1, "data": found}
        one = next((one for one in self.slots if path == f"/appointment/{one['id']}"), None)
        if one is None:
            return 404, {"statusCode": 404, "message": "Appointment not found"}
        fits("change", body, "", "status start end notes refNumber")
        one |= body
        return 200, {"data": one, "entity": "Appointment", "action": "update"}
