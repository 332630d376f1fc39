"""Who does something: a person, a key, an assistant or the system, of one tenant, in roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crossdock.process.messages import Actor

Kind = Literal["human", "key", "assistant", "system"]
EVERY_ROLE = "*"
"""Each role that a task asks for: of whoever sits at the machine. It is never given to anybody."""
PARTNER = "partner:"
"""`partner:quayline` is the role of those at Quayline: what is of this partner or connection is their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whom a door has established. Everything that is allowed or refused is so for a principal.

    `id` is stable and never used again: `alice` for a person, `key:7f3k2q` for a key. `roles` are those of
    the tenant: shipped ones, and those that processes name for approvals and tasks. `behind` is the person
    whose key, link or delegation this is: whoever is kept from deciding twice is kept from it under all
    names. `tenant` is the only one whose things it may touch. `origin` says where from: an address, a
    command line. `deed` names what is being asked, where whoever asks may ask the same again.
    """

    tenant: int
    id: str
    kind: Kind
    name: str = ""
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] | None = None  # actions that a key is narrowed to; None: what its roles may
    behind: str = ""
    origin: str = ""
    deed: bytes = b""  # what is asked, named by its idempotency key; b"" where it has none

    @property
    def person(self) -> str:
        """The person who answers for it; empty where that is nobody."""
        return self.id if self.kind == "human" else self.behind

    def actor(self) -> Actor:
        """As the kernel hears of it."""
        return Actor(
            id=self.id,
            kind=self.kind,
            roles=tuple(sorted(self.roles - {EVERY_ROLE})),
            behind="" if self.kind == "human" else self.behind,
        )
