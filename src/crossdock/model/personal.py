"""Which values of a document tell of a person: where the model says so, and by their names elsewhere.

The model marks its fields (`personal` in `document`). Data of an event is walked by its type. What has no
type of ours (own fields of partners, outputs of connectors, forms) is walked by names: what stands under
`ship_to` is taken for an address, as it is one wherever the model has that name. The usual names for parts of
a person's name and address are personal everywhere.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from crossdock.model.document import PERSONAL, Document, models_in
from crossdock.model.documents import DOCUMENTS
from crossdock.model.events import EVENTS

Put = Callable[[str | float], Any]

# As partners call them; compared without case, `_` and `-`.
USUAL = frozenset(
    re.findall(
        r"\w+",
        """
        email emailaddress contactemail customeremail phone phonenumber contactphone customerphone telephone
        mobile mobilenumber firstname lastname fullname givenname familyname surname middlename contactname
        contactperson recipientname consigneename receivername signedby receivedby signature signatory leftat
        street streetname streetaddress housenumber addressline addressline1 addressline2 addressline3
        address1 address2 address3 street1 street2 street3 birthdate birthday dateofbirth passportnumber
        """,
    )
)
_PLAIN = re.compile(r"[^a-z0-9]")
# A class of the model, and fields of it that are personal here.
_Seat = tuple[type[BaseModel], tuple[str, ...]]


@dataclass(eq=False)
class _Context:
    """What a value may be: fields that are personal in it, and what the others may be."""

    personal: frozenset[str]
    inner: dict[str, frozenset[_Seat]]


def transformed(data: Any, put: Put, safe: Callable[[str], str], *, event: str = "") -> Any:
    """The data with `put` for each personal value, and `safe` for all other texts, names of fields too.

    `event` is the type of the event that it is the data of, if it is.
    """
    return _walk(data, _of_event(event), put, safe)


def _walk(value: Any, context: _Context, put: Put, safe: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, dict | Mapping):
        found = {}
        personal, inner = context.personal, context.inner
        for name, part in value.items():
            if name in personal or (name not in inner and is_personal_name(name)):
                found[safe(name)] = _all(part, put)
            elif isinstance(part, str):
                found[safe(name)] = safe(part)
            else:
                seats = inner[name] if name in inner else _by_name().get(name, frozenset())
                found[safe(name)] = _walk(part, _context(seats), put, safe)
        return found
    if isinstance(value, list | tuple):
        return [_walk(part, context, put, safe) for part in value]
    return value


def _all(value: Any, put: Put) -> Any:
    if isinstance(value, str):
        return put(value) if value else value
    if isinstance(value, dict | Mapping):
        return {name: _all(part, put) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_all(part, put) for part in value]
    return value if value is None or isinstance(value, bool) else put(value)


def is_personal_name(name: str) -> bool:
    """Whether what bears this name is taken for personal, in documents of whoever's it is."""
    return _PLAIN.sub("", name.lower()) in USUAL


@cache
def _of_event(type_: str) -> _Context:
    event = EVENTS.get(type_)
    return _context(frozenset({(event.data, ())}) if event is not None else frozenset())


@cache
def _context(seats: frozenset[_Seat]) -> _Context:
    personal: set[str] = set()
    inner: defaultdict[str, set[_Seat]] = defaultdict(set)
    for model, more in seats:
        personal |= {*_marked(model), *more}
        for name in model.model_fields:
            inner[name] |= set(_seats(model, name))
    return _Context(frozenset(personal), {name: frozenset(found) for name, found in inner.items()})


@cache
def _by_name() -> Mapping[str, frozenset[_Seat]]:
    """What the model has under each name."""
    models = _allmodels_in()
    names: defaultdict[str, set[_Seat]] = defaultdict(set)
    for model in models:
        for name in model.model_fields:
            names[name] |= set(_seats(model, name))
    documents = [model for model in models if issubclass(model, Document)]
    names["document"] |= {(model, ()) for model in documents}  # what a run is about, whatever it is
    for model in documents:
        names[re.sub(r"(?<!^)(?=[A-Z])", "_", model.__name__).lower()].add((model, ()))
    return {name: frozenset(seats) for name, seats in names.items() if seats}


def _allmodels_in() -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = []
    left: list[type[BaseModel]] = [*DOCUMENTS.values(), *(event.data for event in EVENTS.values())]
    while left:
        model = left.pop()
        if model not in found:
            found.append(model)
            left += [one for info in model.model_fields.values() for one in models_in(info.annotation)]
    return found


@cache
def _marked(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(name for name in model.model_fields if _mark(model, name) is True)


def _seats(model: type[BaseModel], name: str) -> Iterator[_Seat]:
    mark = _mark(model, name)
    of = tuple(mark) if isinstance(mark, list) else ()
    for one in models_in(model.model_fields[name].annotation):
        yield one, of


def _mark(model: type[BaseModel], name: str) -> Any:
    extra = model.model_fields[name].json_schema_extra
    return extra.get(PERSONAL) if isinstance(extra, dict) else None
