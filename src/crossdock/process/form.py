"""Whether each value of a process is of the kind that the grammar has there: fields, a list, text, a number.

It comes before all other reading, so that the reader may take a map for a map. What the fields are called and
which words may stand in them the reader says, in better words; what it let pass and the grammar does not is
said here at the end (`strictly`), so that the two are one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from crossdock.process.problems import Problem, nearest
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
_ROLES = "write one word of A-Z, a-z, 0-9, `_`, `.`, `:` and `-`, as order-desk"
_MOST: dict[Path, int] = {("steps",): SCHEMA["properties"]["steps"]["maxProperties"]}
_EXPRESSION = r"^\s*\$\{"
_MENDS = {
    "object": "write `name: value` lines",
    "array": "write `- ` lines, or [ ]",
    "string": "put it in quotes",
    "integer": "write a whole number",
    "boolean": "write true or false",
}


def form_of(source: Source, *, strictly: bool = False) -> list[Problem]:
    """What is of the wrong kind in a process, with its place; `strictly`: what the grammar does not allow."""
    return [
        Problem(
            line=(at := source.at(path)).line,
            column=at.column,
            message=message,
            mend=mend,
            step=str(path[1]) if len(path) > 1 and path[0] == "steps" else "",
            file=source.file,
        )
        for path, message, mend in (_breaches if strictly else _misfits)(source.value, SCHEMA, ())
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
        if wanted[-1] == "string" and isinstance(value, dict | list):
            mend = "write one word, or a text in quotes"
        if any(form.get("pattern", "").startswith(_EXPRESSION) for form in forms) and value is not None:
            mend = "write it as `${ ... }`"
        words = [str(word) for form in forms for word in form.get("enum", ())]
        if words:
            mend = f"write one of {', '.join(words)}"
        if field := _field_for(value, forms):
            mend = f"write `{{ {field}: {value} }}`"
        yield path, f"here stands {shown}, where {said} {'are' if said == 'fields' else 'is'} needed", mend
    elif isinstance(value, dict) and len(value) > _MOST.get(path, len(value)):
        yield (
            path,
            f"here stand {len(value)}, and {_MOST[path]} may",
            "split it: a part of it may be run with `run:`",
        )
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


def _field_for(value: Any, forms: list[dict[str, Any]]) -> str:
    """The one field that a value given alone is meant for, as `role` where only a role stands."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    for form in forms:
        fields = form.get("properties", {})
        for name in form.get("required", ()) or (fields if form.get("type") == "object" else ()):
            kinds = [_kinds(one) for one in _forms(fields[name])]
            if any(kind is not None and _kind(value) in kind for kind in kinds):
                return str(name)
    return ""


def _breaches(value: Any, schema: dict[str, Any], path: Path) -> Iterator[tuple[Path, str, str]]:
    """Everything that the grammar does not allow, for values of the right kinds."""
    kind = _kind(value)
    forms = [form for form in _forms(schema) if (kinds := _kinds(form)) is None or kind in kinds]
    found = [list(_breaks(value, form, path)) for form in forms]
    if found and all(found):
        yield from min(found, key=len)


def _breaks(value: Any, form: dict[str, Any], path: Path) -> Iterator[tuple[Path, str, str]]:
    """What one form does not allow."""
    about = form.get("description", "")
    mend = f"what stands here: {about}" if about else ""
    if "enum" in form and value not in form["enum"]:
        words = [str(word) for word in form["enum"]]
        yield path, f"{value!r} is not one of {', '.join(words)}", mend or nearest(str(value), words)
    elif "const" in form and value != form["const"]:
        yield path, f"{value!r} is not {form['const']!r}", mend
    elif isinstance(value, str):
        if not re.search(form.get("pattern", ""), value):
            word = _ROLES if form.get("pattern") == SCHEMA["properties"]["owner"]["pattern"] else mend
            yield path, f"{value!r:.60} is not of the form that is needed here", word
    elif isinstance(value, int | float):
        if not form.get("minimum", value) <= value <= form.get("maximum", value):
            yield path, f"{value} is not from {form['minimum']} to {form['maximum']}", mend
    elif isinstance(value, list | dict):
        few = form.get("minItems" if isinstance(value, list) else "minProperties", 0)
        most = form.get("maxItems" if isinstance(value, list) else "maxProperties", len(value))
        if not value and few:
            yield path, "nothing stands in it", "name at least one, or take it out"
        elif not few <= len(value) <= most:
            yield path, f"here stand {len(value)}, and {few} to {most} may", mend
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            shape = _shape(form, key)
            if shape is False:
                yield (*path, key), f"unknown field `{key}`", nearest(str(key), form.get("properties", ()))
            elif isinstance(shape, dict):
                yield from _breaches(inner, shape, (*path, key))
    if isinstance(value, dict):
        for field in form.get("required", ()):
            if field not in value:
                yield path, f"`{field}` is missing", mend
        names = form.get("propertyNames", {})
        for key in value:
            yield from _breaks(key, names, (*path, key))


def _shape(form: dict[str, Any], key: str | int) -> dict[str, Any] | bool:
    if isinstance(key, int):
        return form.get("items", True)  # type: ignore[no-any-return] # a schema is what JSON has
    return form.get("properties", {}).get(key, form.get("additionalProperties", True))  # type: ignore[no-any-return]


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
