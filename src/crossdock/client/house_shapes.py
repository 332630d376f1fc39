"""What a server gives to those who look after a house."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from crossdock.client.shapes import Shape


class Key(Shape, frozen=True, kw_only=True):
    """A key. `text` is there once, when it is made."""

    id: str
    roles: list[str]
    made: datetime
    works: bool
    name: str = ""
    scopes: list[str] | None = None
    behind: str = ""
    made_by: str = ""
    expires: datetime | None = None
    used: datetime | None = None
    used_from: str = ""
    revoked: datetime | None = None
    revoked_by: str = ""
    text: str = ""

    def __repr__(self) -> str:
        """Without the text."""
        return f"Key({self.id!r}, {self.name!r}, {self.roles!r})"


class Person(Shape, frozen=True, kw_only=True):
    """Somebody who signs in; `seen` is when they did last."""

    id: str
    roles: list[str]
    made: datetime
    name: str = ""
    email: str = ""
    made_by: str = ""
    seen: datetime | None = None
    suspended: datetime | None = None
    suspended_by: str = ""
    provider: str = ""
    two_factors: bool = False


class Link(Shape, frozen=True, kw_only=True):
    """A link that works once, for `email`. It is there once; asked again with the same name, it is not."""

    email: str
    expires: datetime
    link: str = ""

    def __repr__(self) -> str:
        """Without the link."""
        return f"Link({self.email!r}, expires={self.expires.isoformat()})"


class Provider(Shape, frozen=True, kw_only=True):
    """An identity provider, without its secret. `groups` are the roles of each group there."""

    name: str
    issuer: str
    client_id: str
    scopes: list[str]
    claim: str
    groups: dict[str, list[str]]
    title: str = ""


class AgreedLimit(Shape, frozen=True, kw_only=True):
    """A limit that is agreed with a key, or with the tenant as a whole where `who` is empty."""

    kind: str
    limit: str
    who: str = ""


class Limits(Shape, frozen=True, kw_only=True):
    """How often a tenant and its keys may ask, by kind: what holds for all, and what is agreed."""

    tenant: str
    each_key: dict[str, str]
    whole: dict[str, str]
    agreed: list[AgreedLimit]


class KnownQuery(Shape, frozen=True, kw_only=True):
    """A query of the graph that is known by its hash; `allowed`: it was let in."""

    hash: str
    allowed: bool
    text: str


class Rotated(Shape, frozen=True, kw_only=True):
    """What was sealed anew: data keys with that master key, secrets with new data keys."""

    master: str
    keys: int
    values: int


class Tenant(Shape, frozen=True, kw_only=True):
    """One of those who share the installation."""

    name: str
    created: datetime
    title: str = ""
    suspended: datetime | None = None
    suspended_by: str = ""
    suspended_why: str = ""


class Proof(Shape, frozen=True, kw_only=True):
    """What went with a tenant: rows by table, in a statement that is signed."""

    name: str
    rows: int
    tables: dict[str, int]
    statement: str
    signature: str
    key: str


class Act(Shape, frozen=True, kw_only=True):
    """An entry of the audit: who did what, on what, and what came of it."""

    number: int
    at: datetime
    actor: str
    kind: str
    action: str
    on_kind: str
    outcome: str
    hash: str
    roles: list[str] = []
    behind: str = ""
    on: str = ""
    why: str = ""
    origin: str = ""
    count: int = 1
    by_operator: bool = False
    before: Any = None
    after: Any = None


class Fault(Shape, frozen=True, kw_only=True):
    """Something in the audit that is not as it was recorded."""

    kind: str
    number: int
    what: str


class Verified(Shape, frozen=True, kw_only=True):
    """Whether the audit is what was recorded; `signed` is the newest entry that a checkpoint covers."""

    good: bool
    entries: int
    signed: int
    checkpoints: int = 0
    rows: int = 0
    unsigned_rows: int = 0
    keys: list[str] = []
    outside: bool = False
    count: int = 0
    first: Fault | None = None
    faults: list[Fault] = []


class Why(Shape, frozen=True, kw_only=True):
    """Whether somebody may do something, why, and the roles that would let them."""

    allowed: bool
    why: str
    policies: list[str] = []
    needed: list[str] = []
    roles: list[str] = []
    about: dict[str, Any] = {}


class Rights(Shape, frozen=True, kw_only=True):
    """What a role may do: to everything, and to some things."""

    name: str
    says: str = ""
    shipped: bool = False
    actions: list[str] = []
    sometimes: list[str] = []


class Rules(Shape, frozen=True, kw_only=True):
    """What a tenant has added to the shipped roles and policies, and what each role may do by all of them."""

    version: int
    roles: dict[str, Any]
    policies: str
    rights: list[Rights] = []


class Sealed(Shape, frozen=True, kw_only=True):
    """Whether personal data is sealed."""

    on: bool
    since: datetime | None = None
    until: datetime | None = None
    by: str = ""


class Held(Shape, frozen=True, kw_only=True):
    """Somebody whose personal data is held, in so many runs."""

    subject: str
    handle: str
    since: datetime
    runs: int
    open_runs: int


class HeldRun(Shape, frozen=True, kw_only=True):
    """A run that holds somebody's data."""

    run: str
    process: str
    key: str
    generation: int
    status: str
    created: datetime
    ended: datetime | None = None


class HeldOf(Held, frozen=True, kw_only=True):
    """What is held of somebody; `holds` are the newest runs, a hundred at most."""

    holds: list[HeldRun] = []


class Gone(Shape, frozen=True, kw_only=True):
    """What was erased. `raw_until`: till then a body that could not be read may hold some of it, sealed."""

    handle: str
    at: datetime
    by: str
    why: str
    since: datetime
    words: int = 0
    runs: int = 0
    open_runs: int = 0
    raw_until: datetime | None = None
