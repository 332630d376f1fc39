"""The grammar of declarative connectors, as the JSON Schema that editors complete from.

It is the one list of what may be written: the reader takes its field names from here.
"""

from __future__ import annotations

from typing import Any

from crossdock.translate.grammar import EVENT, SHAPES, TABLES

ID = "https://schemas.crossdock.dev/connector/1"
METHODS = ("get", "post", "put", "patch", "delete")

_TEXT = {"type": "string"}
_ANY: dict[str, Any] = {}
_SHAPE: dict[str, Any] = {"$ref": "#/$defs/shape"}
_NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}$"}
_EXPRESSION = {"type": "string", "pattern": r"^\s*\$\{[\s\S]*\}\s*$"}
_SECONDS = {"type": ["string", "number"], "description": "`10s`, `2m`"}


def _object(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    shape = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    return {**shape, "required": list(required)} if required else shape


def _map(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": item}


def _said(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {**schema, "description": text}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


_TEXTS = _map({"type": ["string", "number", "boolean"]})

_REQUEST: dict[str, Any] = {
    **{
        method: _said(_TEXT, f"{method.upper()} this path; expressions in it are escaped")
        for method in METHODS
    },
    "query": _said(_TEXTS, "Parameters; those that come to nothing are left out"),
    "headers": _said(_TEXTS, "Headers of this request"),
    "json": _said(_SHAPE, "The body, as JSON"),
    "form": _said(_TEXTS, "The body, as a form"),
    "accept": {
        "type": "array",
        "items": {"type": "integer", "minimum": 100, "maximum": 599},
        "description": "Statuses besides 2xx that are read here; others mean what HTTP says",
    },
    "refused": _ref("refused"),
    "busy": _said(_EXPRESSION, "When this holds, nothing was done and it is tried again"),
}

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": ID,
    "title": "A connector to a REST system",
    **_object(
        {
            "connector": _said(_NAME, "Its name"),
            "title": _said(_TEXT, "What people call the system"),
            "doc": _TEXT,
            "version": _said({"type": ["string", "number"]}, "Of this file"),
            "serves": _said(
                {"anyOf": [_NAME, {"type": "array", "items": _NAME, "minItems": 1}]},
                "The systems that processes call it as: erp, wms, tms, carrier, customer, or one of yours",
            ),
            "settings": _map({"anyOf": [_TEXT, _ref("setting")]}),
            "secrets": _said(_map(_TEXT), "Name: what it is"),
            "sign_in": _ref("sign_in"),
            "headers": _said(_TEXTS, "Headers of every request"),
            "limits": _object(
                {
                    "concurrency": {"type": "integer", "minimum": 1},
                    "rate": _said({"type": "number", "exclusiveMinimum": 0}, "Calls a second"),
                }
            ),
            "not_done": _said(
                {"type": "array", "items": {"type": "integer", "minimum": 500, "maximum": 599}},
                "Statuses by which the system says that nothing was done; 503 unless said otherwise",
            ),
            "refused": _ref("refused"),
            "tables": TABLES,
            "health": _ref("request"),
            "operations": _map(_ref("operation")),
            "webhook": _ref("webhook"),
            "feeds": _map(_ref("feed")),
            "events": _said(
                {"type": "array", "items": _ref("event")},
                "What a record of a webhook or feed means: every rule that holds; none is quarantine",
            ),
            "own_events": _said(
                _map(_object({"data": _ANY, "about": _map(_TEXT), "doc": _TEXT})),
                "Types of events that the canonical model does not have",
            ),
        },
        "connector",
        "version",
        "serves",
    ),
    "$defs": {
        "setting": _object({"type": _ANY, "doc": _TEXT, "default": _ANY, "optional": {"type": "boolean"}}),
        "sign_in": _object(
            {
                "headers": _said(_TEXTS, "Headers with secrets in them: `${ secrets.key }`"),
                "basic": _object({"user": _TEXT, "password": _TEXT}, "user", "password"),
                "client_credentials": _object(
                    {"token": _TEXT, "client_id": _TEXT, "client_secret": _TEXT, "scope": _TEXT},
                    "token",
                    "client_id",
                    "client_secret",
                ),
                "login": _object(
                    {**_REQUEST, "session": _TEXTS, "seconds": _said(_EXPRESSION, "How long it lasts")},
                    "session",
                ),
            },
            minProperties=1,
            maxProperties=1,
        ),
        "refused": _object(
            {
                "if": _said(_EXPRESSION, "When this holds, they said no"),
                "message": _said(_TEXT, "Why, in their words"),
                "code": _said(_TEXT, "What they call it"),
            }
        ),
        "request": _object(_REQUEST),
        "operation": _object(
            {
                **_REQUEST,
                "doc": _TEXT,
                "system": _said(_NAME, "Where it serves several"),
                "result": _said(_SHAPE, "What the operation gives, of `reply`"),
                "idempotency": {"enum": ["key", "find", "natural", "none"]},
                "find": _ref("find"),
                "timeout": _SECONDS,
                "input": _said(_ANY, "Its type, beyond the contracts of the systems"),
                "output": _said(_ANY, "Its type, beyond the contracts of the systems"),
                "changes": {"type": "boolean"},
                "undo": _said(_NAME, "The operation that takes it back"),
            }
        ),
        "find": _object(
            {
                **_REQUEST,
                "found": _said(_EXPRESSION, "Whether it is there"),
                "result": _said(_SHAPE, "What the operation would have given"),
            },
            "found",
            "result",
        ),
        "webhook": _object(
            {
                "signature": _ref("signature"),
                "id": _said(_EXPRESSION, "The sender's id of the delivery, of `body` and `headers`"),
                "records": _said(_EXPRESSION, "The records in `body`, where it is not one itself"),
            },
            "signature",
        ),
        "signature": _object(
            {
                "kind": {"enum": ["hmac", "timestamped", "standard", "asymmetric", "shared", "basic"]},
                "secret": _said(_NAME, "Which of the secrets signs"),
                "header": _said(_TEXT, "What carries it; of `standard`, the prefix: `webhook` or `svix`"),
                "prefix": _said(_TEXT, "What stands before it in that header, such as `sha256=`"),
                "encoding": _said({"enum": ["hex", "base64"]}, "How it is written; `base64` unless said"),
                "algorithm": _said({"enum": ["sha256", "sha1", "sha512"]}, "`sha256` unless said"),
                "key": _said(
                    {"enum": ["text", "base64", "nfkd"]}, "How the secret becomes the key; as its `text`"
                ),
                "signed": _said(_TEXT, "What is signed, of `{timestamp}` and `{body}`; the body unless said"),
                "timestamp_header": _said(_TEXT, "What carries the time that is signed as well"),
                "key_id_header": _said(_TEXT, "What names the key, for `asymmetric`"),
                "query": _said(_TEXT, "The parameter of the address that carries a `shared` secret"),
                "tolerance": _said(
                    {"type": "number", "exclusiveMinimum": 0},
                    "How far their clock may be off, in seconds; 300 unless said",
                ),
            },
            "kind",
            "secret",
        ),
        "feed": _object(
            {
                **_REQUEST,
                "doc": _TEXT,
                "every": _SECONDS,
                "records": _said(_EXPRESSION, "The records in `reply`"),
                "cursor": _said(_EXPRESSION, "Where to go on, a text"),
                "more": _said(_EXPRESSION, "Whether there are more to read at once"),
                "pages": _said(
                    _EXPRESSION,
                    "Whether another page is to be asked for first: `page` counts them from 1, and `records` "
                    "in `cursor` are those of all",
                ),
            },
            "records",
            "cursor",
        ),
        "event": EVENT,
        **SHAPES,
    },
}


def choices_of(part: str) -> dict[str, tuple[str, ...]]:
    """The words that may stand in the fields of `part` that are no free text."""
    properties = SCHEMA["$defs"][part]["properties"]
    return {name: tuple(shape["enum"]) for name, shape in properties.items() if "enum" in shape}


def fields_of(part: str) -> frozenset[str]:
    """The field names that may be written in `part`: `connector`, `operation`, `feed` ..."""
    return frozenset((SCHEMA if part == "connector" else SCHEMA["$defs"][part])["properties"])
