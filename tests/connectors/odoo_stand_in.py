"""As much of Odoo as its connector meets, by both of its interfaces, written from what its makers publish.

"External JSON-2 API" and "External RPC API" of Odoo's developer documentation; models, fields and methods of
its sales, inventory and invoicing. A bin is counted in `inventory_mode` alone; the move of a count has the
`inventory_name` of the context for its reference. A transfer that is validated in part asks, unless the context says that
the rest becomes a back-order. What is archived is found only where the context asks for it. A transfer moves
the unit of the product, whatever the unit of the order's line. What is to be billed is what the product's policy
says, less what invoices and credits of the line's have, also drafts; a reversal is linked to the lines as its
invoice is. Until 18 the unit of a line has another name, that of a unit another sense, and a price two places.
Totals have no tax here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

DATABASE, USER, KEY, NUMBER = "erp", "integration-user", "key-123456", 7


class Refused(Exception):
    """A `UserError` of Odoo, or another of its exceptions."""

    def __init__(self, message: str, name: str = "odoo.exceptions.UserError") -> None:
        super().__init__(message)
        self.name = name


class Odoo:
    """Records by model and id; `trouble` is what a call meets, `before` or `after` it is done."""

    def __init__(self, release: int = 19) -> None:
        self.release = release
        self.records: dict[str, dict[int, dict[str, Any]]] = {}
        self.ids = itertools.count(1)
        self.now = datetime(2026, 3, 2, 9)  # noqa: DTZ001 - as it keeps times
        self.trouble: Callable[[str], web.Response | None] = lambda _: None
        self.called: list[str] = []

    def keep(self, model: str, **values: Any) -> dict[str, Any]:
        record = {"active": True, **values, "id": next(self.ids)}
        self.records.setdefault(model, {})[record["id"]] = record
        return self.touch(record)

    def touch(self, record: dict[str, Any]) -> dict[str, Any]:
        self.now += timedelta(seconds=1)
        record["write_date"] = self.now.strftime("%Y-%m-%d %H:%M:%S")
        return record

    def all(self, model: str) -> list[dict[str, Any]]:
        return list(self.records.get(model, {}).values())

    # -- its two interfaces ---------------------------------------------------------------------------------

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/json/2/{model}/{method}", self._json2)
        app.router.add_post("/jsonrpc", self._jsonrpc)
        return app

    async def _json2(self, request: web.Request) -> web.Response:
        model, method = request.match_info["model"], request.match_info["method"]
        if request.headers.get("Authorization") != f"bearer {KEY}":
            return _error2(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey")
        assert request.headers["X-Odoo-Database"] == DATABASE
        given = await request.json()
        ids, context = given.pop("ids", []), given.pop("context", {})
        if answer := self.trouble(f"before {model}.{method}"):
            return answer
        try:
            result = self.do(model, method, ids, context, given)
        except Refused as no:
            return _error2(422, no.name, str(no))
        return self.trouble(f"after {model}.{method}") or web.json_response(result)

    async def _jsonrpc(self, request: web.Request) -> web.Response:
        params = (await request.json())["params"]
        if (params["service"], params["method"]) == ("common", "authenticate"):
            known = params["args"][:3] == [DATABASE, USER, KEY]
            return web.json_response({"jsonrpc": "2.0", "id": 1, "result": NUMBER if known else False})
        database, number, key, model, method, arguments, named = params["args"]
        if (database, number, key) != (DATABASE, NUMBER, KEY):
            return _error(Refused("Access Denied", "odoo.exceptions.AccessDenied"))
        if answer := self.trouble(f"before {model}.{method}"):
            return answer
        try:
            result = self.do(
                model, method, arguments[0] if arguments else [], named.pop("context", {}), named
            )
        except Refused as no:
            return _error(no)
        done = web.json_response({"jsonrpc": "2.0", "id": 1, "result": result})
        return self.trouble(f"after {model}.{method}") or done

    # -- its methods ----------------------------------------------------------------------------------------

    def do(
        self, model: str, method: str, ids: list[int], context: dict[str, Any], given: dict[str, Any]
    ) -> Any:
        self.called.append(f"{model}.{method}")
        records = [self.records[model][number] for number in ids]
        match method:
            case "search_read":
                return self._search(model, archived=context.get("active_test") is False, **given)
            case "write" | "create" if model == "stock.quant":
                return self._counted(records, context, **given)
            case "action_apply_inventory" if model == "stock.quant":
                return self._applied(records, context["inventory_name"])
            case "write":
                return self._write(model, records, given["vals"])
            case "fields_get":
                return {name: {} for name in given["allfields"] if name not in self._unknown(model)}
            case "unlink" if model == "account.move":
                return self._deleted(records)
            case "create":
                return [self._created(model, values)["id"] for values in given["vals_list"]]
            case "create_returns" | "action_create_returns" if method == self._create_returns:
                return self._returned(records[0])
            case "action_cancel":
                return self._cancelled(records[0])
            case "button_validate":
                return self._validated(records[0], context)
            case "create_invoices":
                return self._invoiced(self.records["sale.order"][context["active_ids"][0]])
            case "refund_moves":
                return self._refunded(records[0])
            case "action_post":
                return self._posted(records)
        raise Refused(f"'{model}' object has no attribute '{method}'", "builtins.AttributeError")

    def _unknown(self, model: str) -> set[str]:
        """Names of fields that only other releases have."""
        if model == "sale.order.line":
            return {"product_uom" if self.release > 18 else "product_uom_id"}
        newer = {"relative_factor", "relative_uom_id", "parent_path"}
        return (
            ({"factor_inv", "category_id"} if self.release > 18 else newer) if model == "uom.uom" else set()
        )

    @property
    def unit_field(self) -> str:
        return "product_uom_id" if self.release > 18 else "product_uom"

    def unit(self, name: str, pieces: float) -> dict[str, Any]:
        """A unit of so many pieces."""
        if self.release > 18:
            return self.keep("uom.uom", name=name, factor=pieces, relative_factor=pieces)
        return self.keep("uom.uom", name=name, factor=1 / pieces, factor_inv=pieces)

    def converted(self, quantity: float, unit: Any, to: Any) -> float:
        one, other = (self.records["uom.uom"][link[0]]["factor"] for link in (unit, to))
        rate = one / other if self.release > 18 else other / one
        return round(quantity * rate, 2) if one != other else quantity

    @property
    def _create_returns(self) -> str:
        return "create_returns" if self.release < 18 else "action_create_returns"

    def _created(self, model: str, values: dict[str, Any]) -> dict[str, Any]:
        record = self.keep(model, **values)
        if model == "stock.return.picking":
            for move in self.all("stock.move"):
                if move["picking_id"][0] == values["picking_id"] and move["state"] == "done":
                    quantity = move["quantity"] if self.release < 18 else 0.0
                    unit = self.records["product.product"][move["product_id"][0]]["uom_id"]
                    of = {"wizard_id": [record["id"], ""], "move_id": [move["id"], ""], "uom_id": unit}
                    self.keep("stock.return.picking.line", quantity=quantity, **of)
        return record

    def _counted(
        self, quants: list[dict[str, Any]], context: dict[str, Any], vals: Any = None, vals_list: Any = ()
    ) -> Any:
        """How much lies in bins was put down; it counts when it is applied."""
        if not context.get("inventory_mode"):
            raise Refused("You are not allowed to set the counted quantity.", "odoo.exceptions.AccessError")
        for values in vals_list:
            place = self.records["stock.location"][values["location_id"]]
            lot = self.records["stock.lot"][values["lot_id"]] if "lot_id" in values else None
            quant = self.quant(self.records["product.product"][values["product_id"]], place, 0.0, lot)
            quants, vals = [*quants, quant], {"inventory_quantity": values["inventory_quantity"]}
        assert set(vals) == {"inventory_quantity"}
        for quant in quants:
            quant.update(vals)
            quant["inventory_diff_quantity"] = vals["inventory_quantity"] - quant["quantity"]
        return [quant["id"] for quant in quants] if vals_list else True

    def _applied(self, quants: list[dict[str, Any]], name: str) -> Any:
        for quant in quants:
            if quant["inventory_quantity"] - quant["inventory_diff_quantity"] != quant["quantity"]:
                return {"type": "ir.actions.act_window", "res_model": "stock.inventory.conflict"}
        for quant in quants:
            self.keep(
                "stock.move",
                is_inventory=True,
                state="done",
                reference=name,
                product_id=quant["product_id"],
                quantity=quant["inventory_quantity"] - quant["quantity"],
                picking_id=[0, ""],
            )
            quant["quantity"] = quant["inventory_quantity"]
            self.touch(quant)
        return None

    def quant(self, product: Any, place: Any, quantity: float, lot: Any = None) -> dict[str, Any]:
        return self.keep(
            "stock.quant",
            product_id=[product["id"], product["default_code"]],
            location_id=[place["id"], "WH/Stock"],
            lot_id=[lot["id"], lot["name"]] if lot else False,
            quantity=quantity,
            product_uom_id=[1, "Units"],
            **{
                "location_id.usage": "internal",
                "location_id.warehouse_id": place["warehouse_id"],
                "product_id.default_code": product["default_code"],
            },
        )

    def _returned(self, wizard: dict[str, Any]) -> dict[str, Any]:
        transfer = self.records["stock.picking"][wizard["picking_id"]]
        rows = [one for one in self.all("stock.return.picking.line") if one["wizard_id"][0] == wizard["id"]]
        rows = [row for row in rows if row["quantity"]]
        if not rows:
            raise Refused("Please specify at least one non-zero quantity.")
        back = self.transfer(transfer["sale_id"], origin=f"Return of {transfer['name']}", way="incoming")
        back["return_id"] = [transfer["id"], transfer["name"]]
        for row in rows:
            move = self.records["stock.move"][row["move_id"][0]]
            self.move(back, move["sale_line_id"], row["quantity"], move["product_id"])
        return {"type": "ir.actions.act_window", "res_id": back["id"]}

    def _cancelled(self, transfer: dict[str, Any]) -> bool:
        if transfer["state"] == "done":
            raise Refused("You cannot cancel a stock move that has been set to 'Done'.")
        transfer["state"] = "cancel"
        for move in self.all("stock.move"):
            if move["picking_id"][0] == transfer["id"]:
                move["state"] = "cancel"
        self.touch(transfer)
        self._compute()
        return True

    def _compute(self) -> None:
        """What Odoo computes of orders and their lines; an order whose state of delivery changes is written."""
        lines, moves = self.records.get("sale.order.line", {}), self.records.get("account.move", {})
        billed, linked = (
            dict.fromkeys(lines, 0.0),
            {number: set() for number in self.records.get("sale.order", {})},
        )
        for row in self.all("account.move.line"):
            move = moves[row["move_id"][0]]
            for number in row["sale_line_ids"]:
                way = 1 if move["move_type"] == "out_invoice" else -1
                billed[number] += way * row["quantity"] if move["state"] != "cancel" else 0.0
                linked[lines[number]["order_id"][0]].add(move["id"])
        open_: dict[int, float] = {}
        for number, line in lines.items():
            line["qty_invoiced"] = billed[number]
            if not line["display_type"]:
                asked = line["qty_delivered" if self._by_delivery(line) else "product_uom_qty"]
                worth = (asked - billed[number]) * line["price_unit"]
                order = line["order_id"][0]
                open_[order] = max(open_.get(order, 0.0), worth)
        transfers: dict[int, list[dict[str, Any]]] = {}
        for one in self.all("stock.picking"):
            transfers.setdefault(one["sale_id"][0], []).append(one)
        for number, sale in self.records.get("sale.order", {}).items():
            sale["invoice_ids"] = sorted(linked[number])
            sale["order_line.untaxed_amount_to_invoice"] = open_.get(number, 0.0)
            states = [one["state"] for one in transfers.get(number, [])]
            sale["picking_ids"] = [one["id"] for one in transfers.get(number, [])]
            was = sale.get("delivery_status", "pending")
            sale["delivery_status"] = _delivery_status(states)
            if sale["delivery_status"] != was:
                self.touch(sale)

    def _by_delivery(self, line: dict[str, Any]) -> bool:
        return bool(self.records["product.product"][line["product_id"][0]]["invoice_policy"] == "delivery")

    def _deleted(self, moves: list[dict[str, Any]]) -> bool:
        for move in moves:
            if move["state"] != "draft":
                raise Refused("You cannot delete a posted entry.")
            del self.records["account.move"][move["id"]]
            for row in self.all("account.move.line"):
                if row["move_id"][0] == move["id"]:
                    del self.records["account.move.line"][row["id"]]
        return True

    def _search(
        self, model: str, domain: list[Any], fields: list[str], order: str, limit: int, *, archived: bool
    ) -> list[dict[str, Any]]:
        for name in sorted({*fields, *(term[0] for term in domain if term != "|")} & self._unknown(model)):
            raise Refused(f"Invalid field {name!r} on model {model!r}", "builtins.ValueError")
        if model.startswith("sale.order"):
            self._compute()
        there = [one for one in self.all(model) if one["active"] or archived]
        found = [one for one in there if _all_fit(one, domain)]
        for field in reversed([part.strip() for part in order.split(",")]):
            name, _, way = field.partition(" ")
            found.sort(key=_by(name), reverse=way == "desc")
        return [{"id": one["id"], **{f: one.get(f, False) for f in fields}} for one in found[:limit]]

    def _write(self, model: str, records: list[dict[str, Any]], values: dict[str, Any]) -> bool:
        rows = values.pop("invoice_line_ids", [])
        for command, number, changed in rows:
            if command == 2:
                del self.records["account.move.line"][number]
                continue
            row = self.records["account.move.line"][number]
            row |= {name: value for name, value in changed.items() if name != "sale_line_ids"}
            if self.release < 19:
                row["price_unit"] = round(row["price_unit"], 2)
            if "sale_line_ids" in changed:
                assert changed["sale_line_ids"] == [[5, 0, 0]]
                row["sale_line_ids"] = []
        for record in records:
            record.update(values)
            self.touch(record)
            if rows:
                self._total(record)
        return True

    def _validated(self, transfer: dict[str, Any], context: dict[str, Any]) -> Any:
        moves = [one for one in self.all("stock.move") if one["picking_id"][0] == transfer["id"]]
        moves = [one for one in moves if one["state"] != "cancel"]
        if not any(one["picked"] for one in moves):
            for move in moves:
                move["picked"] = True
        done = [one for one in moves if one["picked"] and one["quantity"]]
        rest = [one for one in moves if one not in done or one["quantity"] < one["product_uom_qty"]]
        if rest and not context.get("skip_backorder"):
            return {"type": "ir.actions.act_window", "res_model": "stock.backorder.confirmation"}
        if not done:
            raise Refused("You cannot validate a transfer if no quantities are reserved")
        if rest:
            way = transfer["picking_type_code"]
            copy = self.transfer(transfer["sale_id"], origin=transfer["origin"], way=way)
            for move in rest:
                if move in done:
                    left = move["product_uom_qty"] - move["quantity"]
                    self.move(copy, move["sale_line_id"], left, move["product_id"])
                    move["product_uom_qty"] = move["quantity"]
                else:
                    move |= {"picking_id": [copy["id"], copy["name"]], "picked": False}
                    move["quantity"] = move["product_uom_qty"]
        for move in done:
            move["state"] = "done"
        transfer["state"] = "done"
        self.touch(transfer)
        for number in {move["sale_line_id"][0] for move in done}:
            line = self.records["sale.order.line"][number]
            line["qty_delivered"] = self._delivered(line)
        self._compute()
        return True

    def _delivered(self, line: dict[str, Any]) -> float:
        """How much of a line the customer has, in the line's unit; of a kit so many as all of its parts make."""
        moved: dict[int, float] = {}
        for move in self.all("stock.move"):
            if move.get("sale_line_id", [0])[0] == line["id"] and move["state"] == "done":
                way = self.records["stock.picking"][move["picking_id"][0]]["picking_type_code"]
                number = move["product_id"][0]
                moved[number] = moved.get(number, 0.0) + move["quantity"] * (1 if way == "outgoing" else -1)
        if parts := line.get("kit"):
            return float(min(moved.get(number, 0.0) // each for number, each in parts.items()))
        product = self.records["product.product"][line["product_id"][0]]
        return self.converted(moved.get(product["id"], 0.0), product["uom_id"], line[self.unit_field])

    def transfer(self, sale: Any, origin: str, way: str = "outgoing") -> dict[str, Any]:
        name = f"WH/{'OUT' if way == 'outgoing' else 'IN'}/{len(self.all('stock.picking')) + 1:05}"
        kind = {"picking_type_code": way, "state": "assigned"}
        return self.keep("stock.picking", name=name, sale_id=sale, origin=origin, **kind)

    def move(self, transfer: dict[str, Any], line: Any, quantity: float, product: Any) -> None:
        unit = self.records["product.product"][product[0]]["uom_id"]
        amounts = {"product_uom_qty": quantity, "quantity": quantity, "picked": False, "state": "assigned"}
        picking = [transfer["id"], transfer["name"]]
        what = {"product_id": product, "product_uom": unit}
        self.keep("stock.move", picking_id=picking, sale_line_id=line, **what, **amounts)

    def _invoiced(self, sale: dict[str, Any]) -> Any:
        self._compute()
        rows, section = [], None
        for line in self.all("sale.order.line"):
            if line["order_id"][0] != sale["id"]:
                continue
            if line["display_type"]:
                section = {"display_type": line["display_type"], "sale_line_ids": [line["id"]]}
                continue
            asked = line["qty_delivered" if self._by_delivery(line) else "product_uom_qty"]
            if billable := asked - line["qty_invoiced"]:
                if section is not None:
                    rows.append({**section, "price_unit": 0.0, "quantity": 0.0})
                section = None
                of = {"display_type": "product", "sale_line_ids": [line["id"]]}
                rows.append({**of, "price_unit": line["price_unit"], "quantity": billable})
        if not rows:
            raise Refused("Cannot create an invoice. No items are available to invoice.")
        kind = "out_invoice"
        if sum(row["price_unit"] * row["quantity"] for row in rows) < 0:
            kind, rows = "out_refund", [{**row, "quantity": -row["quantity"]} for row in rows]
        currency = sale["currency_id"]
        origin = {"invoice_origin": sale["name"], "ref": sale["client_order_ref"]}
        invoice = self._account_move(kind, rows, currency_id=currency, **origin)
        return {"type": "ir.actions.act_window", "res_id": invoice["id"]}

    def _account_move(self, kind: str, rows: list[dict[str, Any]], **values: Any) -> dict[str, Any]:
        move = self.keep(
            "account.move",
            name=False,
            state="draft",
            move_type=kind,
            payment_state="not_paid",
            journal_id=[1, "Sales"],
            **values,
        )
        for row in rows:
            self.keep("account.move.line", move_id=[move["id"], ""], discount=0.0, **row)
        self._total(move)
        self._compute()
        return move

    def _total(self, move: dict[str, Any]) -> None:
        lines = [one for one in self.all("account.move.line") if one["move_id"][0] == move["id"]]
        amounts = (one["price_unit"] * one["quantity"] * (1 - one["discount"] / 100) for one in lines)
        move["amount_total"] = round(sum(round(amount, 2) for amount in amounts), 2)

    def _refunded(self, wizard: dict[str, Any]) -> Any:
        invoice = self.records["account.move"][wizard["move_ids"][0][2][0]]
        lines = [one for one in self.all("account.move.line") if one["move_id"][0] == invoice["id"]]
        copied = ("price_unit", "quantity", "sale_line_ids", "display_type")
        rows = [{name: one[name] for name in copied} for one in lines]
        ref = f"Reversal of: {invoice['name']}, {wizard['reason']}"
        of = {"reversed_entry_id": [invoice["id"], invoice["name"]], "currency_id": invoice["currency_id"]}
        credit = self._account_move("out_refund", rows, invoice_origin=False, ref=ref, **of)
        return {"type": "ir.actions.act_window", "res_id": credit["id"]}

    def _posted(self, moves: list[dict[str, Any]]) -> bool:
        for move in moves:
            if move["state"] != "draft":
                raise Refused(f"The entry {move['name']} must be in draft.")
            if move["amount_total"] < 0:
                raise Refused("You cannot validate an invoice with a negative total amount.")
            move["state"] = "posted"
            move["name"] = f"{'R' if move['move_type'] == 'out_refund' else ''}INV/2026/{move['id']:05}"
            self.touch(move)
        return False


class Northway:
    """A company in it: a customer, two products, and orders for them."""

    odoo: Odoo

    def order(self, name: str = "S00001", **values: Any) -> list[str]:
        """An order of 10 kits and 4 boxes; gives the numbers of its lines."""
        keep = self.odoo.keep
        partner = [self.partner["id"], "Clinic"]
        known = {
            "name": name,
            "state": "sale",
            "client_order_ref": "PO 77",
            "currency_id": [1, "USD"],
            "partner_id": partner,
            "partner_shipping_id": partner,
            "partner_invoice_id.commercial_partner_id": self.partner["id"],
            "currency_rate": 1.0,
            "warehouse_id": [self.warehouse["id"], "Reno"],
            "amount_total": 137.0,
            "amount_tax": 0.0,
            "amount_to_invoice": 137.0,
            "commitment_date": "2026-03-09 17:00:00",
            "create_uid": [2, "Jo"],
            "invoice_ids": [],
        }
        sale = keep("sale.order", **{**known, **values})
        self.odoo.transfer([sale["id"], name], origin=name)
        return [self.line(sale, self.kit, 10.0, 12.5), self.line(sale, self.box, 4.0, 3.0)]

    def line(
        self, sale: dict[str, Any], product: dict[str, Any], quantity: float, price: float, **more: Any
    ) -> str:
        """One more line of an order, and what the rules of its stock move for it; `kit` has how many of its parts."""
        odoo = self.odoo
        amounts = {"product_uom_qty": quantity, "price_unit": price, "price_subtotal": quantity * price}
        known = {
            "order_id": [sale["id"], sale["name"]],
            "product_id": [product["id"], product["default_code"]],
            "name": product["default_code"],
            odoo.unit_field: product["uom_id"],
            "display_type": False,
            "qty_delivered": 0.0,
            "qty_invoiced": 0.0,
        }
        line = odoo.keep("sale.order.line", **{**known, **amounts, **more})
        if product["type"] == "service" or not quantity:
            return str(line["id"])
        way = "outgoing" if quantity > 0 else "incoming"
        there = [one for one in odoo.all("stock.picking") if one["sale_id"][0] == sale["id"]]
        there = [one for one in there if one["picking_type_code"] == way]
        transfer = there[0] if there else odoo.transfer([sale["id"], sale["name"]], sale["name"], way)
        of, unit = [line["id"], sale["name"]], line[odoo.unit_field]
        for number, each in line.get("kit", {product["id"]: 1.0}).items():
            moved = odoo.records["product.product"][number]
            much = odoo.converted(abs(quantity), unit, moved["uom_id"]) * each
            odoo.move(transfer, of, much, [number, moved["default_code"]])
        return str(line["id"])

    def note(self, sale: dict[str, Any], kind: str, text: str) -> None:
        """A line that is a title or a remark."""
        none = {"product_uom_qty": 0.0, "price_unit": 0.0, "price_subtotal": 0.0, "qty_delivered": 0.0}
        of = {"order_id": [sale["id"], sale["name"]], "name": text, "display_type": kind}
        unit = {self.odoo.unit_field: False, "product_id": False}
        self.odoo.keep("sale.order.line", **of, **unit, **none, qty_invoiced=0.0)

    def sale(self, name: str = "S00001") -> dict[str, Any]:
        return next(one for one in self.odoo.all("sale.order") if one["name"] == name)

    def begin(self) -> None:
        keep = self.odoo.keep
        units, dozens = self.odoo.unit("Units", 1.0), self.odoo.unit("Dozens", 12.0)
        self.units, self.dozens = ([one["id"], one["name"]] for one in (units, dozens))
        self.partner = keep(
            "res.partner",
            name="Clinic",
            ref="C1",
            email="clinic@example.org",
            lang="en_US",
            street="1 Quay",
            city="Oakland",
            zip="94607",
            country_code="US",
            credit=50.0,
            credit_to_invoice=200.0,
            credit_limit=400.0,
            show_credit_limit=True,
            currency_id=[1, "USD"],
        )
        self.partner["commercial_partner_id"] = [self.partner["id"], "Clinic"]
        self.warehouse = keep("stock.warehouse", code="WH")
        self.stock = keep("stock.location", warehouse_id=[self.warehouse["id"], "Reno"])
        self.warehouse["lot_stock_id"] = [self.stock["id"], "WH/Stock"]
        kinds = {"type": "consu", "uom_id": self.units, "tracking": "none", "invoice_policy": "delivery"}
        self.kit = keep("product.product", default_code="KIT-30", weight=0.4, **kinds)
        self.box = keep("product.product", default_code="BOX-1", weight=0.0, **kinds)
        service = {**kinds, "type": "service", "invoice_policy": "order"}
        self.freight = keep("product.product", default_code="FREIGHT", weight=0.0, **service)
        keep("res.company", name="Northway")

    def states(self, model: str) -> list[str]:
        return [one["state"] for one in self.odoo.all(model)]


def _error2(status: int, name: str, message: str) -> web.Response:
    body = {"name": name, "message": message, "arguments": [message], "context": {}, "debug": "Traceback ..."}
    return web.json_response(body, status=status)


def _error(no: Refused) -> web.Response:
    data = {"name": no.name, "message": str(no), "arguments": [str(no)], "debug": "Traceback ..."}
    error = {"code": 200, "message": "Odoo Server Error", "data": data}
    return web.json_response({"jsonrpc": "2.0", "id": 1, "error": error})


def _delivery_status(states: list[str]) -> Any:
    if not states or set(states) == {"cancel"}:
        return False
    if set(states) <= {"done", "cancel"}:
        return "full"
    return "partial" if "done" in states else "pending"


def _by(field: str) -> Callable[[dict[str, Any]], Any]:
    return lambda record: record[field]


def _all_fit(record: dict[str, Any], domain: list[Any]) -> bool:
    """Whether a record fits all terms; `|` stands before two of which one is enough."""
    left = list(domain)
    while left:
        term = left.pop(0)
        if term == "|":
            one, other = left.pop(0), left.pop(0)
            if not (_fits(record, one) or _fits(record, other)):
                return False
        elif not _fits(record, term):
            return False
    return True


def _fits(record: dict[str, Any], term: list[Any]) -> bool:
    field, operator, wanted = term
    if field.endswith(".name"):
        return bool(record[field.removesuffix(".name")][1] == wanted)
    value = record.get(field, False)
    if isinstance(value, list) and value and operator != "in":
        value = value[0]
    match operator:
        case "=":
            return bool(value == wanted)
        case "!=":
            return bool(value != wanted)
        case ">=":
            return str(value) >= str(wanted)
        case ">":
            return bool(value > wanted)
        case "in" if isinstance(value, list) and all(isinstance(one, int) for one in value):
            return bool(set(value) & set(wanted))
        case "in":
            return (value[0] if isinstance(value, list) else value) in wanted
        case "not in":
            return value not in wanted
        case "ilike":
            return str(wanted).lower() in str(value or "").lower()
    raise ValueError(operator)
