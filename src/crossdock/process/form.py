"""Whether each value of a process is of the kind that the grammar has there: fields, a list, text, a number.

It comes before all other reading, so that the reader may take a map for a map. What the fields are called,
and which words may stand in them, is for the reader to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crossdock.process.problems import Problem
from crossdock.process.schema import SCHEMA
from crossdock.process.source import Path, Source

_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)
_SAID = {
    "object": "fields",
    "array": "a list",
    "string": "a text",
    "integer": "a number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
_MENDS = {
    "object": "write `name: value` lines",
    "array": "write `- ` lines, or [ ]",
    "string": "put it in quotes",
    "integer": "write a whole number",
}


def form_of(source: Source) -> list[Problem]:
    """What is of the wrong kind in a process, with its place."""
    return [
        Problem(
            line=(at := source.at(path)).line,
            column=at.column,
            message=message,
            mend=mend,
            step=str(path[1]) if len(path) > 1 and path[0] == "steps" else "",
            file=source.file,
        )
        for path, message, mend in _misfits(source.value, SCHEMA, ())
    ]


def _misfits(value: Any, schema: dict[str, Any], path: Path) -> Iterator[tuple[Path, str, str]]:
    forms = list(_forms(schema))
    kind = _kind(value)
    fitting = [form for form in forms if (kinds := _kinds(form)) is None or kind in kinds]
    if not fitting:
        wanted = sorted({one for form in forms for one in _kinds(form) or ()} - {"null"})
        said = " or ".join(dict.fromkeys(_SAID[one] for one in wanted))
        shown = "nothing" if value is None else repr(value) if len(repr(value)) <= 60 else f"{value!r:.57}..."
        mend = "give it a value, or take it out" if value is None else _MENDS.get(wanted[-1], "")
        yield path, f"here stands {shown}, where {said} {'are' if said == 'fields' else 'is'} needed", mend
    elif isinstance(value, dict):
        named: dict[str, Any] = {}
        for form in fitting:
            named.update(form.get("properties", {}))
        other = next((form["additionalProperties"] for form in fitting if _open(form)), None)
        for key, inner in value.items():
            shape = named.get(key, other)
            if shape is not None:
                yield from _misfits(inner, shape, (*path, key))
    elif isinstance(value, list):
        shape = next((form["items"] for form in fitting if "items" in form), None)
        if shape is not None:
            for index, inner in enumerate(value):
                yield from _misfits(inner, shape, (*path, index))


def _forms(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The alternatives that may stand here, references followed."""
    if "$ref" in schema:
        yield from _forms(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    elif "anyOf" in schema:
        for form in schema["anyOf"]:
            yield from _forms(form)
    else:
        yield schema


def _kind(value: Any) -> str:
    return next((name for plain, name in _KINDS if isinstance(value, plain)), "null")


def _kinds(form: dict[str, Any]) -> set[str] | None:
    """The kinds that a form takes; None takes all."""
    if "type" in form:
        kinds = form["type"] if isinstance(form["type"], list) else [form["type"]]
        return {*kinds, *(("integer",) if "number" in kinds else ())}
    if "const" in form or "enum" in form:
        return {_kind(one) for one in form.get("enum", [form.get("const")])}
    return None


def _open(form: dict[str, Any]) -> bool:
    return isinstance(form.get("additionalProperties"), dict)
