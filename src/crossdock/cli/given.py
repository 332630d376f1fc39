"""What is given to a command in a file: JSON, and documents of the model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from crossdock.errors import Refused


def read_json(path: Path) -> Any:
    """The JSON of a file, or of standard input for `-`. Raises `Refused` with the place of the mistake."""
    from crossdock.installed import read_text  # it and the model take a while to import

    text = sys.stdin.read() if str(path) == "-" else read_text(path)
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
        msgspec.json.decode(text)  # which refuses NaN, and numbers that are too large
    except UnicodeEncodeError:
        what = "a text holds half a character (a surrogate alone)"
        raise Refused(what, where=str(path), mend="write the whole character") from None
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        raise Refused(f"this is not JSON: {error.msg}", where=where, mend="mend this place") from None
    except RecursionError:
        raise Refused(
            "this is nested too deep to be read", where=str(path), mend="write it flatter"
        ) from None
    except ValueError as error:
        raise Refused(f"this is not JSON: {error}", where=str(path), mend="mend it") from None
    return value


def read_document(path: Path, kind: str) -> Any:
    """A document in a file. One of the model has filled in what follows from the rest. Raises `Refused`."""
    from crossdock.model import DOCUMENTS, parse_document, to_json

    value = read_json(path)
    if kind not in DOCUMENTS:
        return value
    try:
        return to_json(parse_document(kind, value))
    except Refused as error:
        mend = error.mend or f"see what fits: crossdock schema {kind}"
        raise Refused(error.message, where=error.where or str(path), mend=mend) from None
