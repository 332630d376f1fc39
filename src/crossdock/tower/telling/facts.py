"""What a business document says at a glance, and JSON values as people read them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from crossdock.tower.telling.times import Times, instant_of
from crossdock.tower.telling.words import plain

# What one looks for first, in this order; what else is plain and short follows.
_FIRST = (
    "number", "order", "shipment", "customer", "total", "amount", "quantity", "site", "carrier", "service",
    "tracking_number", "promised_delivery", "requested_delivery", "estimated_delivery", "state", "reason",
    "severity", "message",
)  # fmt: skip
_DULL = frozenset(
    {"id", "raw", "origins", "references", "custom", "version", "changed", "source", "currency", "created_by"}
)
_OWN_WORDS = ("text", "reason", "why", "message", "note", "place")
_NEWS = ("milestone", "proof", "damage")
MOST = 8
LONGEST = 120


def facts(document: object, times: Times) -> list[tuple[str, str]]:
    """Up to eight labels and values that tell which case this is."""
    if not isinstance(document, Mapping):
        return []
    names = [name for name in _FIRST if name in document]
    names += [name for name in document if name not in names and name not in _DULL]
    found: list[tuple[str, str]] = []
    for name in names:
        if name.endswith("_precision"):
            continue
        text = shown(document[name], times)
        if text and len(text) <= LONGEST:
            found.append((plain(name), text))
        elif isinstance(document[name], list) and document[name] and name == "lines":
            found.append(("Lines", str(len(document[name]))))
    return found[:MOST]


def context(document: object, times: Times) -> list[tuple[str, str]]:
    """What somebody who decides wants to know first: who, how much, by when."""
    wanted = {"Customer", "Total", "Amount", "Quantity", "Carrier", "Promised delivery", "Requested delivery"}
    return [(label, text) for label, text in facts(document, times) if label in wanted][:4]


def shown(value: object, times: Times) -> str:
    """A value on one line; empty where it has no short form."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        instant = instant_of(value)
        return times.at(instant) if instant is not None else value
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        return _named(value)
    return ""


def _named(value: Mapping[str, Any]) -> str:
    """Money, a quantity, or something that has a name, a number or a city."""
    if set(value) == {"amount", "currency"}:
        return money(value)
    if set(value) == {"value", "unit"}:
        return f"{grouped(str(value['value']))} {value['unit']}"
    for key in ("name", "number", "id"):
        if isinstance(value.get(key), str):
            return str(value[key])
    place = [value[key] for key in ("city", "region", "country") if isinstance(value.get(key), str)]
    return ", ".join(place)


def gloss(data: object, times: Times) -> str:
    """What an event says in its sender's own words: text, reason, place."""
    if not isinstance(data, Mapping):
        return ""
    parts = [data, *(data[name] for name in _NEWS if isinstance(data.get(name), Mapping))]
    said = (shown(part[word], times) for part in parts for word in _OWN_WORDS if part.get(word))
    return " · ".join(dict.fromkeys(text for text in said if text and len(text) <= LONGEST))


_LONGEST = 100  # digits of a number that is grouped


def money(value: Mapping[str, Any]) -> str:
    """`EUR 1,234.50`: the digits as they are, grouped."""
    amount, currency = str(value["amount"]), str(value["currency"])
    return f"{currency} {grouped(amount)}"


def grouped(number: str) -> str:
    """A decimal with its digits as they are, thousands apart, a true minus."""
    sign = "\u2212" if number.startswith("-") else ""
    whole, dot, rest = number.lstrip("+-").partition(".")
    return f"{sign}{int(whole):,}{dot}{rest}" if whole.isdecimal() and len(whole) < _LONGEST else number


def rows(value: object, times: Times) -> Iterator[tuple[str, str]]:
    """Each field of what a person decides about, as label and text; what is nested comes as JSON."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield plain(str(name)), shown(one, times) or pretty(one)
    elif value is not None:
        yield "Content", shown(value, times) or pretty(value)


def pretty(value: object) -> str:
    """JSON as it is read: indented, nothing escaped that need not be."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
