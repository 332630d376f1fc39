"""The texts that are shown to prove something: keys, access tokens, cookies of sessions, one-time links.

    cdk_3_7f3k2qm0x1ab_SECRET     a key:    tenant 3, its id, 256 random bits
    cdt_3_k2q7f30x1abm_SECRET     a token; cds_ is the cookie of a session, cdl_ a one-time link

Each begins with what it is, so that scanners of code and logs know it. It names its tenant and its row, so
that it is found by a key that begins with the tenant, as everything is. The secret is drawn, not chosen, so
one SHA-256 of it is as hard to turn round as anything slower; it is compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass, field

KEY = "cdk"
ACCESS = "cdt"
SESSION = "cds"
LINK = "cdl"

_LETTERS = string.ascii_lowercase + string.digits
_ID = 12  # letters
_SECRET = 32  # bytes
_FORM = re.compile(r"(cd[klst])_([1-9][0-9]{0,8})_([a-z0-9]{1,32})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A text that somebody showed, taken apart. Nothing of it is proven. `tenant` 0: it has no such form."""

    kind: str = ""
    tenant: int = 0
    id: str = ""
    hash: bytes = field(default=bytes(32), repr=False)

    def proves(self, kept: bytes) -> bool:
        """Whether it is the text whose hash was kept, in the same time whatever differs."""
        return hmac.compare_digest(self.hash, kept) and bool(self.tenant)


def draw(kind: str, tenant: int) -> tuple[str, Shown]:
    """A new text, to be shown once, and what is kept of it."""
    id_ = "".join(secrets.choice(_LETTERS) for _ in range(_ID))
    text = f"{kind}_{tenant}_{id_}_{secrets.token_urlsafe(_SECRET)}"
    return text, shown(text)


def shown(text: str) -> Shown:
    """A text taken apart; of one without the form as well, so that it is looked for just the same."""
    found = _FORM.fullmatch(text)
    if found is None:
        return Shown(hash=_hash(text))
    kind, tenant, id_, secret = found.groups()
    return Shown(kind=kind, tenant=int(tenant), id=id_, hash=_hash(secret))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
