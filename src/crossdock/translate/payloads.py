"""What a partner sends, as JSON values: from JSON, CSV or XML.

json   as it is; numbers with a fraction are text, so that money stays exact
csv    a list of rows by the names in the first line; with `group`, a record for each value of that
       column: the fields of its first row, and all of them under `rows`
xml    the root's content: an element with parts is a map of its attributes and elements, one without is
       its text; several of one name are a list, and so is one that is named under `lists`
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

from crossdock.errors import Refused
from crossdock.model.limits import check_limits

MOST_XML = 1 << 20  # bytes
MOST_BYTES = 8 << 20
MOST_DEPTH = 60

_BYTE = re.compile(r"\(byte (\d+)\)")
_json = msgspec.json.Decoder(float_hook=str).decode
_as_json = msgspec.json.Encoder(decimal_format="number").encode


class Row(dict[str, Any]):
    """A row of CSV, or the first of a group; `line` is where it stands."""

    def __init__(self, cells: Mapping[str, Any] | Iterable[tuple[str, Any]], *, line: int) -> None:
        """Of named cells."""
        super().__init__(cells)
        self.line = line


def plain(value: Any) -> Any:
    """A JSON value as expressions take it: decimals as text."""
    return _json(_as_json(value))


def of_json(body: bytes) -> Any:
    """A JSON text. Raises `Refused` with its place where it is none."""
    try:
        value = _json(body)
    except RecursionError:
        raise Refused("it is nested too deep to be read") from None
    except msgspec.DecodeError as error:
        at = _BYTE.search(str(error))
        before = body[: int(at[1])] if at else b""
        where = f"line {before.count(10) + 1}, column {len(before) - before.rfind(10)}" if at else ""
        raise Refused(f"it is not JSON: {error}", where=where) from None
    check_limits(value, MOST_BYTES, MOST_DEPTH)
    return value


def of_csv(body: bytes, *, separator: str = ",", group: str = "") -> list[Row]:
    """The rows, or groups of them. Raises `Refused` with the line where it is no CSV."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise Refused("it is not UTF-8", where=f"line {line}", mend="send it in UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[Row] = []
    names: list[str] = []
    try:
        for cells in reader:
            if not names:
                names = [name.strip() for name in cells]
                if len(set(names)) < len(names):
                    raise Refused("two columns have one name", where="line 1", mend="rename one of them")
                continue
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                raise Refused(
                    f"{len(cells)} cells, where the first line has {len(names)}",
                    where=f"line {reader.line_num}",
                    mend="put a cell that has a separator in it in quotes",
                )
            named = zip(names, (cell.strip() for cell in cells), strict=True)
            rows.append(Row(named, line=reader.line_num))
    except csv.Error as error:
        raise Refused(f"it is no CSV: {error}", where=f"line {reader.line_num}") from None
    if not group:
        return rows
    if names and group not in names:
        raise Refused(f"there is no column `{group}`", where="line 1", mend=f"there are: {', '.join(names)}")
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(row[group], Row({**row, "rows": []}, line=row.line))["rows"].append(row)
    return list(found.values())


def of_xml(body: bytes, lists: Iterable[str] = ()) -> tuple[str, Any]:
    """The name of the root, and what is in it. Raises `Refused` for what is not plain XML."""
    root = xml_root(body)
    return root.tag, _element(root, frozenset(lists), 0)


def xml_root(body: bytes) -> ET.Element:
    """The root of a document, read with suspicion: no document type (so no entities), of a limited size.

    Names are without their namespaces. Raises `Refused` for what is not plain XML.
    """
    if len(body) > MOST_XML:
        raise Refused(f"the XML is larger than {MOST_XML} bytes")
    if b"\x00" in body:
        raise Refused("the XML is in an encoding of two bytes a letter, or binary", mend="send it in UTF-8")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise Refused("the XML has a document type, which could hold entities")
    try:
        root = ET.fromstring(body)  # noqa: S314 - see above
    except ET.ParseError as error:
        line, column = error.position
        raise Refused(
            f"the XML cannot be read: {error.msg.partition(':')[0]}",
            where=f"line {line}, column {column + 1}",
        ) from None
    except (ValueError, LookupError) as error:
        raise Refused(f"the XML cannot be read: {error}") from None
    for element in root.iter():
        if element.tag[0] == "{":
            element.tag = element.tag.rpartition("}")[2]
    return root


def _element(element: ET.Element, lists: frozenset[str], depth: int) -> Any:
    if depth > MOST_DEPTH:
        raise Refused("the XML is nested too deep to be read")
    text = (element.text or "").strip()
    if not len(element) and not element.attrib:
        return text
    found: dict[str, Any] = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
    parts: dict[str, list[Any]] = {}
    for child in element:
        parts.setdefault(child.tag, []).append(_element(child, lists, depth + 1))
    found |= {name: all_ if len(all_) > 1 or name in lists else all_[0] for name, all_ in parts.items()}
    return found | ({"text": text} if text else {})
