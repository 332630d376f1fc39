"""What a system says of how often it may still be asked, in the headers of its answers.

RateLimit: "default";r=50;t=30                 IETF draft-ietf-httpapi-ratelimit-headers, from 08 on
RateLimit: limit=100, remaining=50, reset=30   the same draft, 03 to 07
RateLimit-Remaining, -Limit, -Reset            the same draft, before and besides
X-RateLimit-Remaining, X-Rate-Limit-Remaining  as most have it; Reset in seconds, or an instant
X-Shopify-Shop-Api-Call-Limit: 32/40           used of how many
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

import msgspec

_FAMILIES = ("ratelimit-", "x-ratelimit-", "x-rate-limit-")
_USED = "x-shopify-shop-api-call-limit"
_NAMES = ("ratelimit", *(f"{family}remaining" for family in _FAMILIES), _USED)
_PART = re.compile(r"(?:^|[;,\s])(r|t|limit|remaining|reset)\s*=\s*(\d+(?:\.\d+)?)", re.ASCII)
_AN_INSTANT = 1e9  # seconds since 1970; nobody lets one wait for so long
_MILLISECONDS = 1e11


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """How many more calls are `left`, of how many, and in how many seconds there are more again."""

    left: float
    limit: float | None = None
    seconds: float | None = None


def quota_of(headers: Mapping[str, str]) -> Quota | None:
    """What an answer says; names of headers in lower case. None where it says nothing that can be read."""
    for name in _NAMES:
        if name in headers:
            return _read(name, headers)
    return None


def _read(name: str, headers: Mapping[str, str]) -> Quota | None:
    text = headers[name]
    if name == _USED:
        used, _, limit = (part.strip() for part in text.partition("/"))
        numbers = _number(used), _number(limit)
        return (
            None
            if numbers[0] is None or numbers[1] is None
            else Quota(left=max(0.0, numbers[1] - numbers[0]), limit=numbers[1])
        )
    if name == "ratelimit":
        found = {
            key: float(value) for key, value in _PART.findall(text.split(",")[0] if "r=" in text else text)
        }
        left = found.get("r", found.get("remaining"))
        seconds = found.get("t", found.get("reset"))
        return None if left is None else Quota(left=left, limit=found.get("limit"), seconds=seconds)
    family = name.removesuffix("remaining")
    remaining = _number(text)
    if remaining is None:
        return None
    return Quota(
        left=remaining,
        limit=_number(headers.get(f"{family}limit", "")),
        seconds=_seconds(headers.get(f"{family}reset", "")),
    )


def _number(text: str) -> float | None:
    """The first number of `100, 100;w=60`."""
    first = re.match(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*(?:[,;]|$)", text, re.ASCII)
    return None if first is None else float(first[1])


def _seconds(text: str) -> float | None:
    number = _number(text)
    if number is None or number < _AN_INSTANT:
        return number
    instant = number / 1000 if number > _MILLISECONDS else number
    return max(0.0, instant - time.time())
