"""The grammar of mappings, as the JSON Schema that editors complete from.

It is the one list of what may be written: the reader takes its field names from here, and declarative
connectors take the parts that they share.
"""

from __future__ import annotations

from typing import Any

from crossdock.translate.work import KINDS

ID = "https://schemas.crossdock.dev/mapping/1"
FORMATS = ("json", "csv", "xml", "event")

_TEXT = {"type": "string"}
_ANY: dict[str, Any] = {}
_NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,62}$"}
_WORD = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}$"}
_EXPRESSION = {"type": "string", "pattern": r"^\s*\$\{[\s\S]*\}\s*$"}


def _object(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    shape = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    return {**shape, "required": list(required)} if required else shape


def _map(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": item}


def _said(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {**schema, "description": text}


_TEXTS = _map({"type": ["string", "number", "boolean"]})
TABLES: dict[str, Any] = _said(
    _map(_map(_TEXT)), "Words here and there: `{ of: ${ line.uom }, table: units }`, `${ tables.units[x] }`"
)
_SHAPE: dict[str, Any] = {"$ref": "#/$defs/shape"}

EVENT: dict[str, Any] = _object(
    {
        "if": _said(_EXPRESSION, "Which records it is about, by `record` and `headers`"),
        "type": _said(_TEXT, "The event that it is"),
        "each": _said(_EXPRESSION, "One event for each `item` of this list"),
        "time": _said(_ANY, "When it happened: an instant with its zone"),
        "id": _said(_TEXT, "What tells it from all others, in webhook and feed alike"),
        "about": _said(_TEXTS, "Business keys beyond those in the data"),
        "data": _said(_SHAPE, "The event's data"),
        "ignore": _said(_TEXT, "Of no concern to us, for this reason"),
    }
)

FORMS: dict[str, dict[str, Any]] = {
    "of": _object(
        {
            "of": _said(_SHAPE, "The value in the input"),
            "table": _said(_WORD, "The table of this file in which it stands"),
            "lookup": _said({"enum": list(KINDS)}, "The master data in which it stands, by kind"),
            "default": _said(_SHAPE, "What stands there where nothing was sent"),
            "unknown": _said(_SHAPE, "What stands there for a word that is in no table or master data"),
            "zone": _said(_TEXT, "The IANA zone of a time that was written without one"),
            "written": _said(_TEXT, "How a time is written, as strptime has it: `%d.%m.%Y %H:%M`"),
        },
        "of",
    ),
    "each": _object(
        {
            "each": _said(_EXPRESSION, "A list in the input; `n` counts its items from 1"),
            "as": _said(_WORD, "What an item is called below; `item` unless said"),
            "if": _said(_EXPRESSION, "Which items are taken"),
            "give": _said(
                _SHAPE, "What each becomes; where that is itself an `each`, all of them are one list"
            ),
        },
        "each",
        "give",
    ),
    "if": _object(
        {"if": _EXPRESSION, "then": _SHAPE, "else": _said(_SHAPE, "Left out without one")}, "if", "then"
    ),
    "all": _object(
        {
            "all": _said(_SHAPE, "Everything that stands here"),
            "but": _said(_map(_SHAPE), "Except these fields"),
        },
        "all",
        "but",
    ),
    "reject": _object({"reject": _said(_TEXT, "Why it is not taken")}, "reject"),
}
SHAPES: dict[str, Any] = {
    "shape": {
        "description": "A value with expressions in it, or a form",
        "anyOf": [*({"$ref": f"#/$defs/form_{name}"} for name in FORMS), _ANY],
    },
    **{f"form_{name}": form for name, form in FORMS.items()},
}

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": ID,
    "title": "A mapping: a partner's words and ours",
    **_object(
        {
            "mapping": _said(_NAME, "Its name"),
            "title": _said(_TEXT, "What people call it"),
            "doc": _TEXT,
            "tables": TABLES,
            "reads": _said(
                {"enum": list(FORMATS)},
                "What comes in: a partner's payload in this format, `json` unless said; or `event`, the "
                "events that the connector has made of it",
            ),
            "separator": _said(
                {"type": "string", "minLength": 1, "maxLength": 1}, "Of CSV; a comma unless said"
            ),
            "group": _said(_TEXT, "The column of CSV whose rows belong together: `record.rows`"),
            "lists": _said(
                {"type": "array", "items": _TEXT},
                "Elements of XML that are lists, also where one stands alone",
            ),
            "records": _said(_EXPRESSION, "The records in `body`, where it is not one itself"),
            "rejects": _said(
                {"type": "array", "items": {"$ref": "#/$defs/rejects"}}, "Records that are not taken"
            ),
            "events": _said(
                {"type": "array", "items": {"$ref": "#/$defs/event"}},
                "What a record means: every rule that holds; none is rejected",
            ),
            "takes": _said({"type": ["string", "object"]}, "Which of our documents goes out, or its type"),
            "gives": _said(_SHAPE, "What the partner gets of `document`"),
            "operations": _said(
                _map({"$ref": "#/$defs/operation"}),
                "Calls of the connection, as wms.create_pick: what goes out and comes back in their codes",
            ),
        },
        "mapping",
    ),
    "$defs": {
        "event": EVENT,
        "rejects": _object(
            {
                "if": _said(_EXPRESSION, "Which records, by `record`"),
                "at": _said(_TEXT, "The path in the record that is at fault"),
                "because": _said(_TEXT, "Why, for whoever mends it"),
            },
            "if",
            "because",
        ),
        "operation": _object(
            {
                "input": _said(_SHAPE, "What is asked, of our `input`"),
                "output": _said(_SHAPE, "What it gives, of their `output`"),
            },
            minProperties=1,
        ),
        **SHAPES,
    },
}


def fields_of(part: str) -> frozenset[str]:
    """The field names that may be written in `part`: `mapping`, `event`, `form_each` ..."""
    return frozenset((SCHEMA if part == "mapping" else SCHEMA["$defs"][part])["properties"])
