"""A form with a file in it, as browsers send one: multipart/form-data (RFC 7578), of texts alone."""

from __future__ import annotations

import re

from crossdock.errors import Refused

MEDIA = "multipart/form-data"
LARGEST = 2_000_000  # bytes of such a form
_BOUNDARY = re.compile(r"boundary=\"?([A-Za-z0-9'()+_,./:=?-]{1,70})\"?\s*(?:;|$)")
_NAME = re.compile(r"\bname=\"([^\"\r\n]*)\"")
_FILE = re.compile(r"\bfilename=\"([^\"\r\n]*)\"")


def fields_of(content_type: str, body: bytes, *, most: int) -> dict[str, str]:
    """The fields, `most` of them; a file is its text, and beside it, as `NAME.name`, what it is called.

    Raises `Refused` where it is no such form, or a file is no text in UTF-8.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _unreadable()
    preamble, *parts = (b"\r\n" + body).split(b"\r\n--" + found.group(1).encode(), most + 2)
    if preamble or not parts or not parts[-1].startswith(b"--"):
        raise _unreadable()
    fields: dict[str, str] = {}
    for part in parts[:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        told = head.decode(errors="replace")
        name = _NAME.search(told)
        if not blank or name is None:
            raise _unreadable()
        file = _FILE.search(told)
        try:
            text = content.decode("utf-8-sig" if file else "utf-8")
        except UnicodeDecodeError:
            called = file.group(1) if file else name.group(1)
            raise Refused(
                f"{called} is no text in UTF-8", where=name.group(1), mend="save it as UTF-8"
            ) from None
        fields[name.group(1)] = text.replace("\0", "")
        if file:
            fields[f"{name.group(1)}.name"] = re.split(r"[/\\]", file.group(1))[-1][:200]
    return fields


def _unreadable() -> Refused:
    return Refused("the form cannot be read", mend="send the form of the page")
