"""XML: `read` with suspicion, text at a path, written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from xml.etree import ElementTree as ET

from crossdock.translate.payloads import xml_root as read

__all__ = ["Content", "needed", "read", "text", "write"]

Content: TypeAlias = "str | Mapping[str, Content] | Sequence[Content]"
"""Of an element: text, its children by name, or a list for several of that name."""


def write(root: str, content: Content) -> bytes:
    """A document; what is empty is left out."""
    element = ET.Element(root)
    _fill(element, content)
    written: bytes = ET.tostring(element, encoding="utf-8", xml_declaration=True)
    return written


def text(element: ET.Element, path: str) -> str:
    """The text at a path below an element; "" where there is none."""
    return (element.findtext(path) or "").strip()


def needed(element: ET.Element, path: str) -> str:
    """The text at a path. Raises `KeyError` where there is none."""
    found = text(element, path)
    if not found:
        raise KeyError(path)
    return found


def _fill(element: ET.Element, content: Content) -> None:
    if isinstance(content, str):
        element.text = content
    elif isinstance(content, Mapping):
        for name, inner in content.items():
            for one in [inner] if isinstance(inner, str | Mapping) else inner:
                if one:
                    _fill(ET.SubElement(element, name), one)
