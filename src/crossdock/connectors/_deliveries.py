"""What an ERP is told was delivered, and what comes back: how much of which line, how much of the invoice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from crossdock.connect.contract import Context, RefusedByPartner
from crossdock.errors import Refused

Json = Mapping[str, Any]
L = TypeVar("L")
_PIECES = frozenset({"EA", "C62", "H87", "PCE"})  # what partners call one piece


def line_id(text: str) -> int | None:
    """The number by which an ERP knows a line of an order, where it is one."""
    return int(text) if text.isdecimal() else None


def line_name(text: str) -> str | None:
    """The name by which an ERP knows a line of an order, where there is one."""
    return text or None


def parts(
    data: Json, context: Context, line: Callable[[str], L | None], *, erp: str
) -> dict[str, dict[L, Decimal] | None]:
    """Our shipments by number: how much of which line each carried, or None for all that is open.

    `line` reads how the ERP names a line. Raises `Refused` where it is not said what one carried.
    """
    names = list(data.get("shipments") or [context.key])
    lines: Sequence[Sequence[Json]] = data.get("lines") or []
    if not any(lines):
        if len(names) > 1:
            raise _silent(erp)
        return dict.fromkeys(names)
    if len(lines) != len(names):
        names = [f"{context.key}/{n}" for n in range(1, len(lines) + 1)]
    return {name: _carried(of, line, erp) for name, of in zip(names, lines, strict=True)}


def same_unit(one: str, other: str) -> bool:
    """Whether two codes of units say the same."""
    return one == other or {one, other} <= _PIECES


def to_credit(
    data: Json, invoice: str, total: Decimal, currency: str, credited: Decimal = Decimal(0)
) -> Decimal:
    """How much of an invoice shall be credited: all that is not `credited` yet, where no amount is given.

    Raises `Refused` for another currency, `RefusedByPartner` for more than is left or nothing.
    """
    amount = data.get("amount")
    if amount is not None and amount["currency"] != currency:
        raise Refused(
            f"{invoice} is in {currency}, not in {amount['currency']}",
            where="amount",
            mend="give the amount in the currency of the invoice",
        )
    wanted = total - credited if amount is None else Decimal(amount["amount"])
    if not 0 < wanted <= total - credited:
        already = f", of which {credited} is credited already" if credited else ""
        raise RefusedByPartner(f"{invoice} is for {total}{already}", code="too_much")
    return wanted


def _carried(lines: Sequence[Json], line: Callable[[str], L | None], erp: str) -> dict[L, Decimal]:
    carried: dict[L, Decimal] = {}
    for one in lines:
        number, quantity = line(str(one.get("line") or "")), one.get("quantity") or {}
        if number is None or "value" not in quantity:
            raise Refused(
                "a line of the delivery does not say which line of the order it is, and how much of it",
                where="lines",
                mend="give `line` as the order has it, and `quantity`",
            )
        carried[number] = carried.get(number, Decimal(0)) + Decimal(quantity["value"])
    carried = {number: quantity for number, quantity in carried.items() if quantity}
    if not carried:
        raise _silent(erp)
    return carried


def coming_back(data: Json, line: Callable[[str], L | None]) -> dict[L, Decimal] | None:
    """How much of which line of the order comes back; None for all that was delivered.

    Raises `Refused` for a line that does not say so.
    """
    wanted: dict[L, Decimal] = {}
    for one in data.get("lines") or ():
        number = line(str(one.get("order_line") or one.get("line") or ""))
        quantity = one.get("quantity") or {}
        if number is None or "value" not in quantity:
            raise Refused(
                "a line of the return does not say which line of the order it is, and how much of it",
                where="lines",
                mend="give `order_line` as the order has it, and `quantity`",
            )
        wanted[number] = wanted.get(number, Decimal(0)) + Decimal(quantity["value"])
    return wanted or None


def _silent(erp: str) -> Refused:
    return Refused(
        "a shipment does not say what it carried, so what to bill is not known",
        where="lines",
        mend=f"deliver and bill it in {erp}, then supply the invoice's number",
    )
