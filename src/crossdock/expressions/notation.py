"""Types as people write them: in connectors, task forms and documents that a process declares inline.

string                          a scalar: string bool int double decimal timestamp duration money quantity any
[string]                        a list                                   (also: list(string))
map(money)                      a map from any string to money
{ item: string, "note?": string }   a record; `?` marks what may be left out
Order                           a document known by that name
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from crossdock.errors import Refused
from crossdock.expressions.types import SCALARS, Field, ListOf, MapOf, Record, Type

# What other notations call it.
_ELSEWHERE = {
    "text": "string",
    "str": "string",
    "uuid": "string",
    "number": "int, decimal or double",
    "integer": "int",
    "float": "decimal, which is exact, or double",
    "boolean": "bool",
    "date": "timestamp, or string for a day without a time",
    "datetime": "timestamp",
    "time": "timestamp, or string for a time of day",
    "list": "[string], with the type of its items",
    "array": "[string], with the type of its items",
    "object": "its fields: { name: string }",
    "map": "map(string), or its fields: { name: string }",
    "dict": "map(string), or its fields: { name: string }",
    **dict.fromkeys(("amount", "currency", "price", "euro", "eur", "usd", "dollar"), "money"),
    **dict.fromkeys(("count", "long"), "int"),
    **dict.fromkeys(("weight", "volume", "measure"), "quantity"),
}


def parse_type(
    notation: object, documents: Mapping[str, Type] | None = None, *, name: str = "", where: str = ""
) -> Type:
    """Read a type from its notation.

    `documents` are the records known by name; `name` becomes the name of the record that the notation itself
    is, for messages. Raises `Refused` with the path of what is not understood (`where` comes before it).
    """
    return _parse(notation, documents or {}, name, where)


def _parse(notation: object, documents: Mapping[str, Type], name: str, where: str) -> Type:
    if isinstance(notation, str):
        return _named(notation.strip(), documents, where)
    if isinstance(notation, list):
        if len(notation) != 1:
            raise Refused(
                f"a list type names the type of its items, once: [string]; here are {len(notation)}",
                where=where,
                mend="write one type between the brackets",
            )
        return ListOf(_parse(notation[0], documents, f"{name}.item" if name else "", f"{where}[]"))
    if isinstance(notation, dict):
        return _record(notation, documents, name, where)
    raise Refused(
        f"{notation!r} is not a type",
        where=where,
        mend="write a name, a list of one type, or a map of fields",
    )


def _record(notation: dict[object, object], documents: Mapping[str, Type], name: str, where: str) -> Record:
    fields: dict[str, Field] = {}
    for written, inner in notation.items():
        if not isinstance(written, str) or not written.rstrip("?"):
            raise Refused(f"{written!r} is not a name of a field", where=where, mend="put it in quotes")
        key = written.removesuffix("?")
        path = f"{where}.{key}" if where else key
        if key in fields:
            raise Refused("the field is declared twice", where=path, mend="keep one of them")
        parsed = _parse(inner, documents, f"{name}.{key}" if name else "", path)
        fields[key] = Field(parsed, optional=written.endswith("?"))
    return Record(name, fields)


def _named(word: str, documents: Mapping[str, Type], where: str) -> Type:
    for opening, build in (("list(", ListOf), ("map(", MapOf)):
        if word.startswith(opening) and word.endswith(")"):
            return build(_named(word[len(opening) : -1].strip(), documents, where))
    found = SCALARS.get(word) or documents.get(word)
    if found is not None:
        return found
    if word.endswith("?") and (word[:-1] in SCALARS or word[:-1] in documents):
        mend = f'what may be left out has the ? behind its name: `"name?": {word[:-1]}`'
        raise Refused(f"unknown type {word!r}", where=where, mend=mend)
    if word.lower() in _ELSEWHERE:
        raise Refused(f"unknown type {word!r}", where=where, mend=f"write {_ELSEWHERE[word.lower()]}")
    known = [*SCALARS, *documents]
    close = difflib.get_close_matches(word, known, 1, 0.6)
    raise Refused(
        f"unknown type {word!r}",
        where=where,
        mend=f"did you mean {close[0]!r}?" if close else f"known types: {', '.join(known)}",
    )
