"""The form of the audit: what an entry is, and the bytes that its hash is taken over.

Another program verifies a chain by this description alone. All numbers are big-endian, all texts UTF-8.

    hash     = SHA-256( "crossdock.audit.1" | previous | tenant | number | at | body )
    previous = the hash of the entry before, 32 bytes; 32 zero bytes for number 1
    tenant, number = 8 bytes each;  at = 8 bytes: microseconds since 1970-01-01T00:00:00Z
    body     = the fields home, kind, actor, behind, how many roles, each role, action, on_kind, on_id,
               outcome, why, origin, count, before, after: each as the length of its text in bytes (4 bytes)
               and the text. Numbers in it are decimal texts. `before` and `after` are JSON texts as they were
               stored, or empty.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from crossdock.errors import Refused

Outcome = Literal["done", "refused", "failed"]

GENESIS = bytes(32)
LARGEST_VALUE = 4096  # bytes of JSON; of a larger one its digest and its size are kept
LONGEST_TEXT = 500  # characters of an id, a role, an origin
LONGEST_WHY = 2000
MOST_ROLES = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MARK = b"crossdock.audit.1"

# Names of fields that hold secrets, and texts that are secrets wherever they stand.
_SECRET_NAME = re.compile(
    r"(^|[_-])(password|passwd|passphrase|secrets?|token|api_?key|private_?key|master_?key|authorization|cookie"
    r"|credentials?|totp|otp|seed)$",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"cd[klst]_[0-9]+_[A-Za-z0-9]+_[A-Za-z0-9_-]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
    r"|\b(?:Bearer|Basic) +[A-Za-z0-9+/=._-]{8,}"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One act. `before` and `after` are JSON texts, empty for none; `at` is the database server's clock.

    `home` is the tenant of the actor, which is another than `tenant` where an operator acted on it. `count`
    tells how many equal attempts the entry stands for.
    """

    tenant: int
    number: int
    at: datetime
    home: int
    kind: str
    actor: str
    behind: str
    roles: tuple[str, ...]
    action: str
    on_kind: str
    on_id: str
    outcome: str
    why: str
    origin: str
    count: int
    before: str
    after: str
    previous: bytes
    hash: bytes

    def body(self) -> bytes:
        """All that was said, in the form that is hashed."""
        return body(
            home=self.home,
            kind=self.kind,
            actor=self.actor,
            behind=self.behind,
            roles=self.roles,
            action=self.action,
            on_kind=self.on_kind,
            on_id=self.on_id,
            outcome=self.outcome,
            why=self.why,
            origin=self.origin,
            count=self.count,
            before=self.before,
            after=self.after,
        )

    def digest(self, *, number: int | None = None) -> bytes:
        """The hash that it must have, as the entry of `number` or of its own."""
        return entry_hash(
            self.previous, self.tenant, self.number if number is None else number, self.at, self.body()
        )


def body(
    *,
    home: int,
    kind: str,
    actor: str,
    behind: str,
    roles: Sequence[str],
    action: str,
    on_kind: str,
    on_id: str,
    outcome: str,
    why: str,
    origin: str,
    count: int,
    before: str,
    after: str,
) -> bytes:
    """The fields in their order, each with its length before it."""
    texts = (
        str(home), kind, actor, behind, str(len(roles)), *roles, action, on_kind, on_id, outcome, why, origin,
        str(count), before, after,
    )  # fmt: skip
    encoded = [text.encode() for text in texts]
    return b"".join(len(text).to_bytes(4, "big") + text for text in encoded)


def entry_hash(previous: bytes, tenant: int, number: int, at: datetime, what: bytes) -> bytes:
    """The hash of an entry; see the head of this file. The database computes the same in `audit_hash`."""
    return hashlib.sha256(
        b"".join((_MARK, previous, eight(tenant), eight(number), eight(microseconds(at)), what))
    ).digest()


def microseconds(at: datetime) -> int:
    """Since 1970, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def timestamp(at: datetime) -> str:
    """As it is written: RFC 3339 in UTC, with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def eight(number: int) -> bytes:
    """A whole number in eight bytes, big-endian."""
    return number.to_bytes(8, "big", signed=True)


def plain(text: str, longest: int = LONGEST_TEXT) -> str:
    """A text that the database can hold, without what looks like a secret, cut where it is too long."""
    clean = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    clean = _SECRET_TEXT.sub("[secret]", clean)
    return clean if len(clean) <= longest else clean[: longest - 1] + "\u2026"


def value_text(value: Any) -> str:
    """A JSON value as it is kept: compact and sorted; of a large one its digest and size. Empty for None.

    Raises `Refused` where a secret stands in it: secrets are never written here, not even as a digest.
    """
    if value is None:
        return ""
    _no_secret(value, "")
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused(
            f"this cannot be kept in the audit: {error}", mend="give JSON values for before and after"
        ) from None
    data = text.encode()
    if len(data) <= LARGEST_VALUE:
        return text
    digest = hashlib.sha256(data).hexdigest()
    return json.dumps({"$bytes": len(data), "$sha256": digest}, separators=(",", ":"))


def _no_secret(value: Any, where: str, depth: int = 0) -> None:
    if depth > 50:
        raise Refused("this is nested too deep for the audit", where=where[:LONGEST_TEXT])
    if isinstance(value, dict):
        for name, part in value.items():
            place = f"{where}.{name}" if where else str(name)
            if _SECRET_NAME.search(str(name)) and _is_text(part):
                raise _secret(place)
            _no_secret(part, place, depth + 1)
    elif isinstance(value, list | tuple):
        for n, part in enumerate(value):
            _no_secret(part, f"{where}[{n}]", depth + 1)
    elif isinstance(value, str) and _SECRET_TEXT.search(value):
        raise _secret(where)


def _is_text(value: Any) -> bool:
    return (isinstance(value, str) and value != "") or (
        isinstance(value, list | tuple) and any(_is_text(one) for one in value)
    )


def _secret(where: str) -> Refused:
    return Refused(
        "a secret stands in what would be kept in the audit",
        where=where[:LONGEST_TEXT],
        mend="keep secrets as secrets; the audit says only that one was set",
    )
