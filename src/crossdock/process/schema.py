"""The grammar of the process language, as the JSON Schema that editors complete from.

It is the one list of what may be written: the reader takes its field names from here, so that a field cannot
be understood and not published, or published and not understood.
"""

from __future__ import annotations

from typing import Any

ID = "https://schemas.crossdock.dev/process/1"

STEP_KINDS = ("call", "await", "approve", "task", "wait", "choose", "emit", "run", "set")
VERBS = ("raise", "escalate", "emit", "skip", "cancel", "fail", "redo", "step")
SEVERITIES = ("low", "medium", "high", "critical")

_EXPRESSION = {"type": "string", "pattern": r"^\s*\$\{[\s\S]*\}\s*$"}
_NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
_SLUG = {"type": "string", "pattern": "^[a-z][a-z0-9_-]*$"}
_ROLE = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_.:-]*$"}
_TEXT = {"type": "string"}
_DURATION = {
    "type": ["string", "integer"],
    "description": "`90 minutes`, `3 days`, `4 business hours`, `3 business days`, 0",
}
_REASON = {"type": ["string", "boolean", "null"]}
_ANY: dict[str, Any] = {}
_EVENT_TYPE = {"type": "string", "pattern": "^[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*)+$"}
_OPERATION = {"type": "string", "pattern": "^[a-z][a-z0-9_]*[.][a-z][a-z0-9_]*$"}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _one_or_many(item: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def _maybe(item: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [item, {"type": "null"}]}


def _described(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {**schema, "description": text}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        shape["required"] = list(required)
    return shape


_ACTION_FIELDS: dict[str, Any] = {
    "do": {"enum": [*VERBS, "nothing"], "description": "The verb, where it is not written as a key itself"},
    "if": _described(_EXPRESSION, "Only when this holds"),
    "raise": _described(_NAME, "Open an exception of this type"),
    "type": _described(_TEXT, "With `do: raise` the exception's type, with `do: emit` the event's"),
    "severity": {"enum": list(SEVERITIES)},
    "message": _described(_TEXT, "What the person at the desk reads; may hold expressions"),
    "escalate": _described(_ROLE, "Hand it to this role as well"),
    "to": _described(_ROLE, "With `do: escalate`: the role"),
    "emit": _described(_EVENT_TYPE, "Send this event to others"),
    "data": _described(_ANY, "With emit: what the event says"),
    "skip": _described(_REASON, "Skip the step, for this reason"),
    "cancel": _described(_REASON, "Cancel the run, undoing what was done, for this reason"),
    "fail": _described(_REASON, "End the run as failed, undoing what was done, for this reason"),
    "reason": _described(_TEXT, "With `do: cancel`, `skip` or `fail`: the reason"),
    "redo": _described(_NAME, "Return this step, and all that depends on it, to pending"),
    "step": _described(_NAME, "Start this step, which starts in no other way"),
    "most": {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "description": "With redo: so often at most, then an exception",
    },
}

_RUNG_FIELDS: dict[str, Any] = {
    **_ACTION_FIELDS,
    "after": _described(_DURATION, "So long after the deadline; 0 where absent"),
}

_STEP_FIELDS: dict[str, Any] = {
    "title": _described(_TEXT, "What people read"),
    # the kinds
    "call": _described(_OPERATION, "An operation of a connected system"),
    "await": _described(_one_or_many(_EVENT_TYPE), "An event of this type for this run"),
    "approve": _ref("approve"),
    "task": _ref("task"),
    "wait": _ref("wait"),
    "choose": _ref("choose"),
    "emit": _described(_EVENT_TYPE, "An event to others"),
    "run": _described(_SLUG, "A child run of this process"),
    "set": {"type": "object", "description": "Named values for later steps"},
    # common
    "needs": _described(_one_or_many(_NAME), "Starts when all of these have ended well or were skipped"),
    "needs_any": _described(_one_or_many(_NAME), "Starts when one of these has ended well"),
    "if": _described(_EXPRESSION, "Skipped when this does not hold at its start"),
    "with": _described(_ANY, "What it is given: input of a call, content of an approval, document of a run"),
    "within": _described(_DURATION, "Deadline, counted from the step's start"),
    "by": {
        "anyOf": [_described(_TEXT, "A time, evaluated again whenever what it names changes"), _ref("by")],
        "description": "Deadline at a time",
    },
    "late": {
        **_one_or_many({"anyOf": [_TEXT, _ref("rung")]}),
        "description": "What happens when the deadline passes; a list is a ladder",
    },
    "calendar": _described(
        _TEXT, "Business time of this step's deadlines, where not the process's own; an expression or a word"
    ),
    "fails": {
        **_one_or_many({"anyOf": [_TEXT, _ref("action")]}),
        "description": "What a final failure does: `raise` (as without), `skip`, `cancel`, or a step's name",
    },
    "redo": _ref("redo"),
    "undo": _ref("undo"),
    "alias": {
        "type": "object",
        "additionalProperties": _TEXT,
        "description": "Keys under which later events find this run, by kind",
    },
    # of one kind
    "via": _described(_EXPRESSION, "call: the connection, where there are several of the system"),
    "retry": _ref("retry"),
    "match": _described(_EXPRESSION, "await: only events for which this holds"),
    "until": _described(_EXPRESSION, "await: ends when this holds; several events are taken"),
    "refused": {**_one_or_many({"anyOf": [_TEXT, _ref("action")]}), "description": "approve: what a no does"},
    "data": _described(_ANY, "emit: what the event says"),
    "about": {"type": "object", "additionalProperties": _TEXT, "description": "emit: business keys it names"},
    "each": _described(_EXPRESSION, "run: one child for every item of this list, as it grows"),
    "item_key": _described(_EXPRESSION, "run with each: what names an item, where it has no id or number"),
}

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": ID,
    "title": "Crossdock process",
    "description": "What must happen for one business document, what is waited for and by when.",
    **_object(
        {
            "process": _described(_SLUG, "The name"),
            "title": _TEXT,
            "description": _TEXT,
            "owner": _described(_ROLE, "The team that answers for it"),
            "document": _described(_TEXT, "The type of its business document"),
            "key": _described(_TEXT, "Names the run: one live run for each tenant, process and key"),
            "again": {
                "enum": ["allow", "refuse"],
                "description": "What a start does when a run of that key has ended; refuse where absent",
            },
            "environment": {
                "enum": ["production", "sandbox"],
                "description": "With sandbox, its runs are in test: no production system is called for them",
            },
            "calendar": _described(_TEXT, "The business time of this run, by name; an expression or a word"),
            "start": {
                "anyOf": [_ref("start"), {"type": "array", "items": _ref("start")}],
                "description": "The events that start a run: one, or a list",
            },
            "alias": _STEP_FIELDS["alias"],
            "on": {
                "type": "object",
                "additionalProperties": _one_or_many({"anyOf": [_TEXT, _ref("action")]}),
                "description": "What an event does at any time of the run",
            },
            "steps": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 200,
                "propertyNames": _NAME,
                "additionalProperties": _ref("step"),
            },
            "output": _described(_ANY, "What the run gives to the one that started it"),
            "measures": {
                "type": "object",
                "propertyNames": _NAME,
                "additionalProperties": _ref("measure"),
                "description": "KPIs",
            },
            "declare": _ref("declare"),
        },
        "process",
        "owner",
        "document",
        "key",
        "steps",
    ),
    "$defs": {
        "action": _object(_ACTION_FIELDS),
        "rung": _object(_RUNG_FIELDS),
        "step": _object(_STEP_FIELDS),
        "start": _object(
            {
                "on": _EVENT_TYPE,
                "if": _EXPRESSION,
                "document": _described(_TEXT, "The document, where it is only a part of what the event says"),
            },
            "on",
        ),
        "approve": _object(
            {
                "role": _described(_ROLE, "Who may decide"),
                "not": _described(
                    _one_or_many(_TEXT),
                    "Who may not, though of that role: segregation of duties",
                ),
                "candidates": _described(_one_or_many(_TEXT), "Only these people"),
                "form": _ref("form"),
            },
            "role",
        ),
        "task": _object(
            {
                "role": _described(_ROLE, "Who may do it"),
                "not": _one_or_many(_TEXT),
                "candidates": _one_or_many(_TEXT),
                "form": _ref("form"),
            },
            "role",
        ),
        "form": {
            "type": "object",
            "description": 'What is filled in: names and types, as `amount: money`, `"note?": string`',
        },
        "wait": {
            "anyOf": [
                _DURATION,
                _EXPRESSION,
                _object({"for": _DURATION, "until": _TEXT, "cut_off": _TEXT, "calendar": _TEXT}),
            ],
            "description": "A duration, or a time",
        },
        "by": _object(
            {
                "cut_off": _described(_TEXT, "The next cut-off of this name in the calendar"),
                "before": _described(_DURATION, "So long before it"),
                "time": _described(_TEXT, "Or an expression that gives the time"),
            }
        ),
        "redo": _object({"most": _ACTION_FIELDS["most"]}, "most"),
        "undo": {
            "anyOf": [
                {"enum": ["none", "impossible"]},
                _OPERATION,
                _object({"call": _OPERATION, "with": _ANY, "via": _EXPRESSION}, "call"),
                _object({"impossible": _described(_TEXT, "Why")}, "impossible"),
            ],
            "description": "How it is taken back; `none`: needs nothing; `impossible`: no cancel after it",
        },
        "retry": {
            "anyOf": [
                {"const": "none"},
                _object(
                    {
                        "attempts": {"type": "integer", "minimum": 1, "maximum": 1000},
                        "backoff": {"enum": ["exponential", "fixed"]},
                        "first": _DURATION,
                        "most": _DURATION,
                    }
                ),
            ]
        },
        "choose": _object(
            {
                "hit": {"enum": ["first", "collect"]},
                "rules": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 1000,
                    "items": _ref("rule"),
                },
                "otherwise": _described(_ANY, "What is given when no rule hits"),
            },
            "rules",
        ),
        "rule": _object({"when": _described(_EXPRESSION, "Always, where absent"), "give": _ANY}, "give"),
        "measure": _object(
            {
                "from": _described(_TEXT, "`start` or a step: when it ended"),
                "to": _described(_TEXT, "`end` or a step: when it ended"),
                "target": _DURATION,
                "title": _TEXT,
            },
            "from",
            "to",
        ),
        "declare": _object(
            {
                "documents": {
                    "type": "object",
                    "description": "Document types of this business: fields by name",
                },
                "events": {
                    "type": "object",
                    "additionalProperties": _maybe(
                        _object({"data": _ANY, "about": {"type": "object", "additionalProperties": _TEXT}})
                    ),
                },
                "operations": {
                    "type": "object",
                    "additionalProperties": _maybe(
                        _object(
                            {
                                "input": _ANY,
                                "output": _ANY,
                                "changes": {"type": "boolean"},
                                "undo": _TEXT,
                            }
                        )
                    ),
                },
                "exceptions": {
                    "type": "object",
                    "additionalProperties": _maybe(
                        _object({"severity": {"enum": list(SEVERITIES)}, "owner": _ROLE, "meaning": _TEXT})
                    ),
                },
            }
        ),
    },
}


def fields_of(part: str) -> frozenset[str]:
    """The field names that may be written in `part`: `process`, `step`, `action`, `approve` ..."""
    shape = SCHEMA if part == "process" else SCHEMA["$defs"][part]
    forms = [shape, *shape.get("anyOf", ())]
    return frozenset(name for form in forms for name in form.get("properties", ()))
