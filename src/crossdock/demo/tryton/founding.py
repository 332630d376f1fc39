"""What is in the ERP: a distributor with accounts, two warehouses, and a user for Crossdock."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from crossdock.demo.tryton.erp import Erp

USER = "integration"
WAREHOUSES = {"RDC": "Regional distribution centre", "DIRECT": "Direct drop"}
MODULES = (
    "account_invoice_stock",
    "account_product",
    "sale_credit_limit",
    "sale_complaint",
    "product_measurements",
)
_GROUPS = (
    ("sale", "group_sale"),
    ("sale", "group_sale_admin"),
    ("stock", "group_stock"),
    ("account", "group_account"),
)


async def found(erp: Erp) -> str:
    """Found the company, as the administrator of an empty database; gives the password of its user."""
    (currency,) = await erp.make(
        "currency.currency",
        {
            "name": "US Dollar",
            "symbol": "$",
            "code": "USD",
            "numeric_code": "840",
            "digits": 2,
            "rounding": Decimal("0.01"),
            "rates": [["create", [{"date": date(2000, 1, 1), "rate": Decimal(1)}]]],
        },
    )
    (party,) = await erp.make("party.party", {"name": "Northway Distribution", "code": "NWD"})
    filled = {"party": party, "currency": currency, "timezone": "UTC"}
    await erp.wizard("company.company.config", ("company", {}), ("add", {"company": filled}))
    await erp.refresh()
    company = (await erp.one("company.company", []))["id"]
    accounts = await _accounts(erp, company)
    await _sell(erp, company, accounts)
    await _warehouses(erp)
    return await _user(erp, company)


async def _accounts(erp: Erp, company: int) -> Mapping[str, int]:
    """A chart, three years so that any day has its period, a tax, terms, and what goods are booked to."""
    template = await erp.call("model.ir.model.data.get_id", "account", "account_template_root_en")
    chart = {"account": {"company": company, "account_template": template}}
    await erp.wizard("account.create_chart", ("account", {}), ("create_account", chart))
    accounts = {}
    for kind in ("receivable", "payable", "revenue", "expense"):
        domain = [[f"type.{kind}", "=", True], ["company", "=", company], ["closed", "!=", True]]
        accounts[kind] = (await erp.find("account.account", domain))[0]["id"]
    defaults = {
        "company": company,
        "account_receivable": accounts["receivable"],
        "account_payable": accounts["payable"],
        "category_account_expense": accounts["expense"],
        "category_account_revenue": accounts["revenue"],
    }
    await erp.wizard("account.create_chart", ("create_properties", {"properties": defaults}))
    for year in range(date.today().year - 1, date.today().year + 2):  # noqa: DTZ011 - Tryton's own calendar
        await _year(erp, company, year)
    return accounts


async def _year(erp: Erp, company: int, year: int) -> None:
    async def sequence(kind: str, prefix: str) -> int:
        domain = [["name", "=", kind]]
        type_ = (await erp.one("ir.sequence.type", domain))["id"]
        values = {"name": f"{kind} {year}", "company": company, "sequence_type": type_, "padding": 5}
        return (await erp.make("ir.sequence.strict", {**values, "prefix": f"{prefix}{year}-"}))[0]

    invoices = {
        "company": company,
        "out_invoice_sequence": await sequence("Invoice", "INV"),
        "out_credit_note_sequence": await sequence("Invoice", "CRN"),
        "in_invoice_sequence": await sequence("Invoice", "BILL"),
        "in_credit_note_sequence": await sequence("Invoice", "BCRN"),
    }
    ids = await erp.make(
        "account.fiscalyear",
        {
            "name": str(year),
            "company": company,
            "start_date": date(year, 1, 1),
            "end_date": date(year, 12, 31),
            "move_sequence": await sequence("Account Move", "M"),
            "invoice_sequences": [["create", [invoices]]],
        },
    )
    await erp.press("account.fiscalyear", ids, "create_period")


async def _sell(erp: Erp, company: int, accounts: Mapping[str, int]) -> None:
    """How it sells: taxed, within thirty days, billed once delivered."""
    (tax,) = await erp.make(
        "account.tax",
        {
            "name": "Sales tax",
            "description": "Sales tax",
            "type": "percentage",
            "company": company,
            "rate": Decimal("0.0825"),
            "invoice_account": accounts["payable"],
            "credit_note_account": accounts["payable"],
        },
    )
    await erp.make(
        "product.category",
        {
            "name": "Goods",
            "accounting": True,
            "account_revenue": accounts["revenue"],
            "account_expense": accounts["expense"],
            "customer_taxes": [["add", [tax]]],
        },
    )
    remainder = {"type": "remainder", "relativedeltas": [["create", [{"days": 30}]]]}
    await erp.make("account.invoice.payment_term", {"name": "Net 30", "lines": [["create", [remainder]]]})
    await erp.write("sale.configuration", [1], {"sale_invoice_method": "fulfillment"})
    (numbers,) = await erp.find("ir.sequence", [["sequence_type.name", "=", "Sale"]])
    await erp.write("ir.sequence", [numbers["id"]], {"prefix": "SO-", "padding": 5})
    (model,) = await erp.find("ir.model", [["name", "=", "account.invoice"]])
    await erp.make("sale.complaint.type", {"name": "Invoice", "origin": model["id"]})


async def _warehouses(erp: Erp) -> None:
    fields = ("storage_location", "input_location", "output_location", "lost_found_location")
    first = await erp.one("stock.location", [["type", "=", "warehouse"]], *fields)
    ids = [first["id"]]
    for code, name in list(WAREHOUSES.items())[1:]:
        places = {}
        for place in fields[:3]:
            values = {"type": "storage", "name": f"{place.partition('_')[0].title()} {code}"}
            places[place] = (await erp.make("stock.location", values))[0]
        places["lost_found_location"] = first["lost_found_location"]
        ids += await erp.make("stock.location", {"type": "warehouse", "name": name, "code": code, **places})
    code, name = next(iter(WAREHOUSES.items()))
    await erp.write("stock.location", ids[:1], {"code": code, "name": name})


async def _user(erp: Erp, company: int) -> str:
    """The user of Crossdock: sales, stock and accounting, and nothing of administration."""
    password = secrets.token_urlsafe(16)
    groups = [await erp.call("model.ir.model.data.get_id", module, name) for module, name in _GROUPS]
    await erp.make(
        "res.user",
        {
            "name": "Integration",
            "login": USER,
            "password": password,
            "company": company,
            "companies": [["add", [company]]],
            "groups": [["add", groups]],
        },
    )
    return password
