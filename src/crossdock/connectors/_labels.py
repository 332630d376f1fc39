"""What buying a label needs, whoever sells it: from where, to whom, how heavy; and what is never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Context, RefusedByPartner, Setting
from crossdock.connectors._carriers import GRAMS, addressee, destination, grams, kilograms
from crossdock.connectors._words import decimal_text, told
from crossdock.errors import Refused

Json = Mapping[str, Any]
SHIP_FROM = Setting(type="any", doc="Address that shipments leave from", optional=True)
"""The setting of a connection that `origin` falls back on."""


def origin(shipment: Json, context: Context) -> Json:
    """Where it leaves from: the shipment's address, else the connection's. Raises `Refused` for neither."""
    address: Json = shipment.get("ship_from") or context.settings.get("ship_from") or {}
    if not address.get("country"):
        raise Refused(
            "nothing says where the shipment leaves from",
            where="shipment.ship_from",
            mend="give the shipment its `ship_from`, or the connection the setting `ship_from`",
        )
    return address


def both_ends(data: Json, context: Context) -> tuple[Json, Json]:
    """Where it leaves from and where it goes. Raises `Refused` where either is not known or names nobody."""
    shipment = data["shipment"]
    ends = origin(shipment, context), destination(shipment)
    for address in ends:
        addressee(address)
    return ends


def reference(data: Json, context: Context) -> str:
    """Our reference: the one that the call names, else the call's key."""
    return str(data.get("reference") or context.key)


def setting(context: Context, name: str) -> str:
    """A setting without which nothing can be bought. Raises `Refused` where it is not set."""
    found = context.settings.get(name)
    if not found:
        raise Refused(
            f"the connection does not say its {name}", where=f"settings.{name}", mend="set it, then try again"
        )
    return str(found)


def kilos(data: Json) -> list[Decimal]:
    """The weight of each piece."""
    return kilograms(grams(data["shipment"]))


def one_piece(data: Json) -> int:
    """The weight of the only piece in grams. Raises `Refused` for several: each needs a label of its own."""
    pieces = grams(data["shipment"])
    if len(pieces) != 1:
        raise Refused(
            f"it sells a label for one package, and the shipment has {len(pieces)}",
            where="shipment.packages",
            mend="book each package as a shipment of its own",
        )
    return pieces[0]


def ounces(weight: int) -> str:
    """Grams as ounces, rounded up to a tenth."""
    return _up(Decimal(weight) / GRAMS["ONZ"])


def pounds(weight: int) -> str:
    """Grams as pounds, rounded up to a tenth."""
    return _up(Decimal(weight) / GRAMS["LBR"])


def number(value: Decimal) -> int | Decimal:
    """A number for JSON."""
    return int(value) if value == value.to_integral_value() else value


def label(content: str, media_type: str) -> str:
    """A label that came in the answer."""
    return f"data:{media_type};base64,{content}" if content else ""


def offer(context: Context, service: str, value: object, currency: str, **more: Any) -> Json:
    """One offer of `tms.rate`; the carrier is the connection that would book it."""
    price = {"amount": decimal_text(value), "currency": currency}
    return {"carrier": context.connection, "service": service, "price": price, **told(**more)}


def no_rate(wanted: str, why: Sequence[str]) -> RefusedByPartner:
    """Nobody sells it; `why` is what the carriers say of it, if anything."""
    said = "; ".join(dict.fromkeys(why))[:1000]
    return RefusedByPartner(
        f"no carrier offers {wanted}: {said}" if said else f"no carrier offers {wanted}", code="no_rate"
    )


def lines(address: Json, most: int = 3) -> list[str]:
    """The street lines. Raises `Refused` where there is none, or more than can be printed."""
    found = [str(line) for line in address.get("lines", ())]
    if not found or len(found) > most:
        raise Refused(
            f"an address has one to {most} street lines here, this has {len(found)}",
            where="address.lines",
            mend="put them on fewer lines" if found else "give its street",
        )
    return found


def phone(address: Json) -> str:
    """A telephone number, where one is known."""
    return str((address.get("contact") or {}).get("phone") or "")


def _up(value: Decimal) -> str:
    tenth = Decimal("0.1")
    return decimal_text(max(tenth, value.quantize(tenth, rounding="ROUND_UP")))
