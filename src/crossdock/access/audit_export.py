"""The audit of a tenant as lines of JSON, which verify without a database.

    {"audit": {"form": "crossdock.export.1", "tenant": 3, "name": "acme", "keys": {NAME: PUBLIC, ...}}}
    {"entry": {...}}        each entry, with its hash and that of the one before; `before`, `after` are texts
    {"checkpoint": {...}}   its statement and signature, behind the entry that it signs
    {"end": {...}}          how many there are, signed, so that a shorter file is found

Each line is in one form, compact and with sorted names, so that no byte can change unseen. Who verifies
trusts the keys that they hold, or else those that the first line names.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from crossdock.access.audit_checkpoints import Checkpoint
from crossdock.access.audit_form import Entry, timestamp
from crossdock.access.audit_signer import Signer, is_signed, key_name
from crossdock.access.audit_verify import Report, Verifier
from crossdock.errors import Refused

FORM = "crossdock.export.1"
LONGEST_LINE = 1 << 20
_NAMES = tuple(field.name for field in fields(Entry))


def head_line(tenant: int, name: str, keys: Mapping[str, bytes]) -> str:
    """The first line."""
    public = {key: base64.b64encode(value).decode() for key, value in keys.items()}
    return _line({"audit": {"form": FORM, "keys": public, "name": name, "tenant": tenant}})


def entry_values(entry: Entry) -> dict[str, Any]:
    """An entry as JSON values; `before` and `after` stay the texts that were hashed."""
    values: dict[str, Any] = {name: getattr(entry, name) for name in _NAMES}
    return values | {
        "at": timestamp(entry.at),
        "roles": list(entry.roles),
        "previous": entry.previous.hex(),
        "hash": entry.hash.hex(),
    }


def entry_line(entry: Entry) -> str:
    """The line of an entry."""
    return _line({"entry": entry_values(entry)})


def checkpoint_line(one: Checkpoint) -> str:
    """The line of a checkpoint."""
    signature = base64.b64encode(one.signature).decode()
    return _line({"checkpoint": {"signature": signature, "statement": one.statement}})


def end_line(tenant: int, entries: int, newest: bytes, checkpoints: int, signer: Signer | None) -> str:
    """The last line, signed where there is somebody who signs."""
    said = {"checkpoints": checkpoints, "entries": entries, "hash": newest.hex(), "tenant": tenant}
    if signer is None:
        return _line({"end": said})
    said |= {"form": FORM, "key": signer.name}
    return _line({"end": said, "signature": base64.b64encode(signer.sign(_line(said).encode())).decode()})


def verify_lines(lines: Iterable[str], *, keys: Mapping[str, bytes] | None = None) -> Report:
    """Verify an export. `keys` are the public halves that are trusted, by name; None: those it names itself.

    Raises `Refused` where it is no export at all.
    """
    source = iter(lines)
    first = _head(next(source, ""))
    named = {name: base64.b64decode(text) for name, text in first["keys"].items()}
    trusted = {n: p for n, p in named.items() if key_name(p) == n} if keys is None else dict(keys)
    verifier = Verifier(first["tenant"], trusted)
    report = verifier.report
    report.outside = True
    end: dict[str, Any] | None = None
    end_number, end_hash = 0, b""
    for n, text in enumerate(source, 2):
        line = text.removesuffix("\n")
        if end is not None:
            report.find("truncated", n, f"line {n} stands behind the end")
            break
        try:
            said = _said(line)
            if "entry" in said:
                verifier.take(_entry(said["entry"]))
            elif "checkpoint" in said:
                verifier.sign(Checkpoint.from_line(json.dumps(said["checkpoint"])))
            else:
                end = said
                end_number, end_hash = int(said["end"]["entries"]), bytes.fromhex(said["end"]["hash"])
        except (ValueError, KeyError, TypeError, RecursionError):
            report.find("changed", report.entries + 1, f"line {n} is not in the form of an export")
    if end is None:
        report.find("truncated", report.entries + 1, "the file has no end")
        return verifier.end()
    _end(report, end, trusted)
    return verifier.end(number=end_number, newest=end_hash, named="the last line")


def _end(report: Report, end: dict[str, Any], trusted: Mapping[str, bytes]) -> None:
    said = end["end"]
    try:
        public = trusted[said["key"]]
        signed = is_signed(public, base64.b64decode(end["signature"], validate=True), _line(said).encode())
    except (KeyError, TypeError, ValueError):
        signed = False
    if said.get("tenant") != report.tenant or not signed:
        report.find("truncated", report.entries + 1, "the last line is not signed by a known key")
    if said.get("checkpoints") != report.checkpoints:
        report.find("checkpoint", report.checkpoints, "the last line says that there are more checkpoints")


def _head(line: str) -> dict[str, Any]:
    try:
        said = json.loads(line)["audit"]
        if said["form"] == FORM and isinstance(said["tenant"], int) and isinstance(said["keys"], dict):
            for text in said["keys"].values():
                base64.b64decode(text, validate=True)
            found: dict[str, Any] = said
            return found
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        pass
    raise Refused("this is no export of an audit", where="line 1", mend="write one: crossdock audit export")


def _said(line: str) -> dict[str, Any]:
    """What a line says. Raises `ValueError` where it is not in its one form."""
    said = json.loads(line) if len(line) <= LONGEST_LINE else None
    if not isinstance(said, dict) or _line(said) != line or not said.keys() & {"entry", "checkpoint", "end"}:
        raise ValueError("not in its form")
    return said


def _entry(said: dict[str, Any]) -> Entry:
    """An entry from its values. Raises `ValueError` where they are not in their one form."""
    at = datetime.fromisoformat(said["at"])
    entry = Entry(
        **{
            **said,
            "at": at,
            "roles": tuple(said["roles"]),
            "previous": bytes.fromhex(said["previous"]),
            "hash": bytes.fromhex(said["hash"]),
        }
    )
    if entry_values(entry) != said or at.tzinfo is None:
        raise ValueError("not in its form")
    for name in _NAMES:
        wanted = int if name in {"tenant", "number", "home", "count"} else str
        if name != "roles" and not isinstance(said[name], wanted):
            raise ValueError("another type")
    if not all(isinstance(role, str) for role in entry.roles):
        raise ValueError("another type")
    return entry


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
