"""Example pairs: what a mapping makes of an input, and whether that is what it should be.

orders.in.json            what comes in (.csv, .xml), or goes out: a document
orders.out.json           what it becomes
orders.rejects.json       why it is not taken: [{"field": ..., "source": ..., "message": ...}]
pick.wms.create_pick.in.json    the input of a call
codes.csv                 the master data that all of them know
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crossdock.errors import Refused
from crossdock.model.codes import instant_text
from crossdock.translate.mapping import PartnerMapping, Translated
from crossdock.translate.payloads import of_json
from crossdock.translate.rules import Told
from crossdock.translate.work import Origin, Reject, Rejected, Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a mapping made of an input: a value with its fields' origins, or why it is not taken."""

    value: Any = None
    origins: tuple[Origin, ...] = ()
    rejects: tuple[Reject, ...] = ()


def outcome(
    mapping: PartnerMapping,
    payload: bytes,
    rows: Rows,
    *,
    operation: str = "",
    settings: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Outcome:
    """What it makes of an input. What is in it decides: events of a payload, else what it gives.

    `operation` makes it the input of a call. Raises `Refused` where the input is no such text.
    """
    try:
        if operation:
            given = mapping.outgoing(operation, of_json(payload), rows=rows, settings=settings or {})
            return Outcome(value=given.value, origins=given.origins)
        if not mapping.rules:
            given = mapping.give(of_json(payload), rows=rows)
            return Outcome(value=given.value, origins=given.origins)
        if mapping.reads == "event":
            told = mapping.read_record(of_json(payload), rows=rows, settings=settings)
        else:
            told = mapping.read(payload, rows=rows, headers=headers, settings=settings)
    except Rejected as error:
        return Outcome(rejects=error.rejects)
    return Outcome(value=[event(one) for one, _ in told], origins=tuple(_origins(told)))


def event(told: Told) -> dict[str, Any]:
    """An event as examples have it; what is not said is left out."""
    said: dict[str, Any] = {"type": told.type, "time": instant_text(told.time)}
    said |= {"id": told.id} if told.id else {}
    said |= {"about": dict(told.about)} if told.about else {}
    return {**said, "data": told.data}


def _origins(told: Sequence[tuple[Told, Translated]]) -> Iterator[Origin]:
    for n, (_, one) in enumerate(told):
        for origin in one.origins:
            place = f"[{n}].{origin.field}" if len(told) > 1 else origin.field
            yield Origin(**{**asdict(origin), "field": place})


def differences(wanted: Any, given: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ, one line each."""
    if isinstance(wanted, Mapping) and isinstance(given, Mapping):
        for key in dict.fromkeys([*wanted, *given]):
            inner = f"{path}.{key}" if path else str(key)
            if key not in given:
                yield f"{inner}: is missing; wanted is {wanted[key]!r}"
            elif key not in wanted:
                yield f"{inner}: is {given[key]!r}; nothing is wanted"
            else:
                yield from differences(wanted[key], given[key], inner)
    elif isinstance(wanted, list) and isinstance(given, list):
        if len(wanted) != len(given):
            yield f"{path or 'the list'}: has {len(given)} items; wanted are {len(wanted)}"
        for n, (one, other) in enumerate(zip(wanted, given, strict=False)):
            yield from differences(one, other, f"{path}[{n}]")
    elif wanted != given or type(wanted) is not type(given):
        yield f"{path or 'the value'}: is {given!r}; wanted is {wanted!r}"


def compared(outcome: Outcome, wanted: Any, rejects: Any) -> list[str]:
    """What is otherwise than an example wants; `rejects` is a list of what each reason must say, if any."""
    if rejects is None:
        told = [f"it is rejected: {one}" for one in outcome.rejects]
        return told or list(differences(wanted, outcome.value))
    if not isinstance(rejects, list):
        raise Refused("rejects are a list", mend='write [{"field": ..., "message": ...}]')
    if not outcome.rejects:
        return ["it is taken; wanted is that it is rejected"]
    given = [asdict(one) for one in outcome.rejects]
    picked = [
        {key: one.get(key) for key in (want if isinstance(want, Mapping) else ())}
        for want, one in zip(rejects, given, strict=False)
    ]
    return list(differences(rejects, picked + given[len(rejects) :]))
