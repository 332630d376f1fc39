"""Exact decimals, instants and the public code lists, as annotated types that the documents are made of.

Lists that are closed and touch money or borders (ISO 4217, ISO 3166-1) are checked against the list; open
ones (UN/ECE Rec 20 units, UN/LOCODE) by their form; GS1 keys by their check digit. A partner's own code that
fits none of them belongs under `references` or `custom`, never into one of these.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, StringConstraints, WithJsonSchema

# Sums and products of amounts within the limit below are exact in this context; it raises where they are not.
EXACT = Context(prec=120, traps=[Inexact, InvalidOperation])
MOST_DIGITS = 38

_DECIMAL = re.compile(r"-?[0-9]{1,38}(\.[0-9]{1,38})?\Z")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?"
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})?\Z"
)
_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z").match
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


def _exact(value: Any) -> Decimal:
    if (isinstance(value, str) and _DECIMAL.match(value)) or (
        isinstance(value, int) and not isinstance(value, bool)
    ):
        value = Decimal(value)
    elif isinstance(value, float):
        raise ValueError('is a floating-point number, which is not exact; write it as text, such as "12.50"')
    if not isinstance(value, Decimal) or not value.is_finite():
        raise ValueError('is not a decimal number; write digits with a point, such as "12.50"')
    _, digits, exponent = value.as_tuple()
    if max(len(digits) + max(int(exponent), 0), -int(exponent)) > MOST_DIGITS:
        raise ValueError(f"has more than {MOST_DIGITS} digits")
    return value


def decimal_text(value: Decimal) -> str:
    """Write a decimal without an exponent, with the places it was given with."""
    return format(value, "f")


Exact = Annotated[
    Decimal,
    BeforeValidator(_exact),
    PlainSerializer(decimal_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]{1,38}(\.[0-9]{1,38})?$"}),
]
"""An exact decimal; text in JSON, such as "12.50". Floating point is refused."""


def _instant(value: Any) -> datetime:
    if type(value) is str and _WRITTEN(value):  # as we write it ourselves, which most are: quickly
        return datetime.fromisoformat(value)
    if isinstance(value, str):
        if _DATE.match(value):
            raise ValueError(
                "is a date alone, which is not midnight; give the instant that is meant (for a deadline "
                "the end of that day at its place) and say `day` in the precision field beside it"
            )
        if not _INSTANT.match(value):
            raise ValueError("is not an RFC 3339 time, such as 2026-03-01T14:00:00Z")
        value = datetime.fromisoformat(value.upper().replace(",", "."))
    if not isinstance(value, datetime):
        raise ValueError("is not an RFC 3339 time, such as 2026-03-01T14:00:00Z")  # noqa: TRY004 (pydantic)
    if value.utcoffset() is None:
        raise ValueError("has no time zone; end it with Z or an offset such as +02:00")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is out of range") from error


def instant_text(value: datetime) -> str:
    """Write an aware instant as RFC 3339 in UTC, with Z."""
    return value.astimezone(UTC).isoformat()[:-6] + "Z"


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    PlainSerializer(instant_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An aware instant, kept in UTC; RFC 3339 with Z in JSON."""

Precision = Literal["second", "minute", "hour", "day", "unknown"]
"""How exactly a time is known. A date alone is `day`: its instant is then a bound, not a clock's."""

# What a form asks for, in words, for the messages.
FORMS = {
    r"^\S(.*\S)?$": "begins or ends with a blank, or breaks the line",
    r"^[A-Z0-9]{1,3}$": "is not a UN/ECE Recommendation 20 unit, such as EA, KGM or MTR",
    r"^[A-Z]{2}[A-Z2-9]{3}$": "is not a UN/LOCODE, such as DEHAM",
    r"^[0-9]{6,14}$": "is not a tariff code: 6 to 14 digits without points",
    r"^[!-~]+$": "has blanks or letters that a URI does not have",
}


def _storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("holds a NUL character, which cannot be stored")
    return value


_Storable = AfterValidator(_storable)


def _json_object(value: dict[str, Any]) -> dict[str, Any]:
    """Let only JSON through that can be written and stored again; without recursion."""
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise ValueError(f"is nested deeper than {MOST_DEPTH} levels")
        if isinstance(part, dict):
            if not all(isinstance(key, str) for key in part):
                raise ValueError("has a key that is not text")
            waiting.extend((inner, depth + 1) for inner in (*part, *part.values()))
        elif isinstance(part, list):
            waiting.extend((inner, depth + 1) for inner in part)
        elif isinstance(part, str):
            _storable(part)
            if not part.isascii() and any("\ud800" <= letter <= "\udfff" for letter in part):
                raise ValueError("holds half of a surrogate pair, which is no text")
        elif not (part is None or isinstance(part, int) or (isinstance(part, float) and math.isfinite(part))):
            raise ValueError(f"holds what JSON does not have: {type(part).__name__}")
    return value


MOST_DEPTH = 32

JsonObject = Annotated[dict[str, Any], AfterValidator(_json_object)]
"""Any JSON object, up to 32 levels deep."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=500), _Storable]
"""A name or short text on one line, up to 500 characters."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000), _Storable]
"""Words as somebody wrote them, up to 20,000 characters."""

Key = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$"), _Storable]
"""A number or identifier as its issuer writes it: no blanks at the ends, up to 200 characters."""

# ISO 4217; the last line is withdrawn, but stands in history.
_CURRENCIES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW
KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN
NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD
SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW
UZS VED VES VND VUV WST XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF XPT XSU XUA YER ZAR ZMW
ZWG
HRK ANG CUC ZWL SLL VEF MRO STD BYR LTL LVL EEK
"""
CURRENCIES = frozenset(_CURRENCIES.split())

# ISO 3166-1; the last line is user-assigned, but in use at borders: Northern Ireland, Kosovo.
_COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT
BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH
ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT
HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS
LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI
NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG
SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG
UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
XI XK
"""
COUNTRIES = frozenset(_COUNTRIES.split())


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError("is not an ISO 4217 currency code, such as EUR")
    return value


def _country(value: str) -> str:
    if value not in COUNTRIES:
        raise ValueError("is not an ISO 3166-1 alpha-2 country code, such as DE")
    return value


def _gs1(length: int, name: str) -> AfterValidator:
    def check(value: str) -> str:
        if len(value) != length or not value.isascii() or not value.isdecimal():
            raise ValueError(f"is not a {name}: it has {length} digits")
        weighted = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(value[:-1])))
        if (10 - weighted % 10) % 10 != int(value[-1]):
            raise ValueError(f"is not a {name}: its check digit does not fit")
        return value

    return AfterValidator(check)


Currency = Annotated[
    str, AfterValidator(_currency), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})
]
"""ISO 4217, such as EUR."""

Country = Annotated[
    str, AfterValidator(_country), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{2}$"})
]
"""ISO 3166-1 alpha-2, such as DE."""

Unit = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,3}$")]
"""UN/ECE Recommendation 20 (with 21 for packaging, prefixed X): EA each, KGM kilogram, CEL Celsius."""

Gln = Annotated[str, _gs1(13, "GLN"), WithJsonSchema({"type": "string", "pattern": "^[0-9]{13}$"})]
"""GS1 global location number."""

Sscc = Annotated[str, _gs1(18, "SSCC"), WithJsonSchema({"type": "string", "pattern": "^[0-9]{18}$"})]
"""GS1 serial shipping container code of a package or pallet."""

Gtin = Annotated[
    str,
    BeforeValidator(
        lambda value: value.zfill(14) if isinstance(value, str) and len(value) in (8, 12, 13) else value
    ),
    _gs1(14, "GTIN"),
    WithJsonSchema({"type": "string", "pattern": "^([0-9]{8}|[0-9]{12,14})$"}),
]
"""GS1 global trade item number; 8, 12 or 13 digits are filled up to 14 with zeros."""

Locode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}[A-Z2-9]{3}$")]
"""UN/LOCODE of a port, airport or town, such as DEHAM."""

HsCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6,14}$")]
"""Tariff code: six digits of the Harmonized System, then national ones, without points."""
