"""What a connector is: a declaration and pure functions. The runtime (`call`, the gateway) does all I/O.

    declare      `Connector(...)`: what it serves, its operations, its events, settings, secrets, limits
    talk         a generator that yields a `Request`, is sent the `Response`, and returns the result:

                     def create_pick(data, context):
                         reply = yield Request("POST", "/picks", json={"reference": context.key, ...})
                         return {"pick": reply.json()["id"]}

                 One question or twenty make no difference. `exchange(build, read)` makes a talk of two plain
                 functions, which is how most are written: `requests.py` builds, `replies.py` reads.
    sign in      a talk that returns a `Session`: headers for all further requests, until it ends or a 401
    translate    a webhook or a page of a feed to `Happening`s, in the words of the canonical model

How a talk ends, and what that means:

    return                  done; the value fits the operation's output
    raise RefusedByPartner  they said no, and will say it again; so does `Refused` before any change was sent
    raise Unreachable       certainly nothing was done
    raise UnknownOutcome    it may have been done; so does anything else after a change was sent

Statuses that no talk asked to see (`Request.accept`) never reach it. The runtime reads 4xx as refused, with
the partner's own words; 429 and `not_done` as unreachable; other 5xx as unknown where something may have
changed. What answers `busy` is asked again for some seconds first, unless it says itself when to come back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

import msgspec

from crossdock.connect.places import line_and_column
from crossdock.connect.secret import Secret
from crossdock.connect.signatures import Scheme
from crossdock.errors import Refused, UnknownOutcome

Notation: TypeAlias = str | list[Any] | Mapping[str, Any]
"""A type in the short notation of `crossdock.expressions.parse_type`; documents by their names."""

Idempotency: TypeAlias = Literal["key", "find", "natural", "none"]
"""Why a repeat does no harm.

key      the system recognises our key, which the request carries, and answers as it did before
find     it does not; `find` looks by our key before a repeat
natural  a repeat changes nothing: the wanted state is set, and "already so" is success
none     nothing makes a repeat safe: an unknown outcome goes to a person
"""


_exact = msgspec.json.Decoder(float_hook=Decimal).decode
_BYTE = re.compile(r"\(byte (\d+)\)")


class Request(msgspec.Struct, frozen=True):
    """One HTTP request. `path` is below the connection's `url`; `accept`: statuses that the talk reads
    itself.

    The body is `json` (decimals become exact JSON numbers), `form` or `body`. `changes` is False for a POST
    that only asks; by default GET and HEAD ask, and all others change, in an operation that changes
    something.
    """

    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    json: Any = None
    form: Mapping[str, str] | None = None
    body: bytes | None = None
    changes: bool | None = None
    accept: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path})"  # the rest may hold secrets


class Response(msgspec.Struct, frozen=True):
    """One HTTP answer; names of headers in lower case."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON; numbers with a fraction are `Decimal`. Raises `UnknownOutcome` if it is none."""
        try:
            return _exact(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnknownOutcome(f"the answer is not JSON: {error}") from None

    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode(errors="replace")


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a talk knows besides its data.

    `key` names the call once for its whole life, in 26 letters and digits: the idempotency key, and our
    reference to look for. `settings` are the connection's.
    """

    settings: Mapping[str, Any] = {}
    key: str = ""
    tenant: int = 0
    connection: str = ""
    attempt: int = 1


Talk: TypeAlias = Callable[[Any, Context], Generator[Request, Response, Any]]


def exchange(build: Callable[[Any, Context], Request], read: Callable[[Response, Context], Any]) -> Talk:
    """The talk of one question and its answer."""

    def talk(data: Any, context: Context) -> Generator[Request, Response, Any]:
        return read((yield build(data, context)), context)

    return talk


def path(template: str, **parts: object) -> str:
    """A path with its parts made safe: `path("/orders/{number}/cancel", number=...)`."""
    return template.format_map({name: quote(str(part), safe="") for name, part in parts.items()})


class RefusedByPartner(Refused):
    """The other side said no: `message` in its words, `code` as it calls it."""

    def __init__(self, message: str, *, code: str = "") -> None:
        """Take what the other side said."""
        super().__init__(message)
        self.code = code


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What signing in needs: the connection's settings and secrets, and the real time."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, Secret]
    now: datetime


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Signed in: `headers` go with each request, `sign` may change it further; for `seconds`, if known."""

    headers: Mapping[str, str] = {}
    seconds: float | None = None
    sign: Callable[[Request], Request] | None = None

    def __repr__(self) -> str:
        return f"Session({', '.join(self.headers)})"  # their values are secrets


SignIn: TypeAlias = Callable[[Access], Generator[Request, Response, Session]]


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened there, in our words.

    `data` is JSON as the type's document says; `about` names business keys beyond those that stand in it.
    `id` tells it from all others of the system for ever; without one, the delivery's id and its place in it
    do.
    """

    type: str
    time: datetime
    data: Any
    about: Mapping[str, str] = {}
    id: str = ""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook whose signature was verified; names of headers in lower case."""

    headers: Mapping[str, str]
    body: bytes
    received: datetime
    settings: Mapping[str, Any] = {}

    def json(self) -> Any:
        """The body as JSON; numbers with a fraction are `Decimal`. Raises `Refused` if it is not JSON."""
        try:
            return _exact(self.body)
        except RecursionError:
            raise Refused("the body is nested too deep to be read") from None
        except UnicodeDecodeError:
            raise self._not_utf8() from None
        except msgspec.DecodeError as error:
            at = _BYTE.search(str(error))
            where = line_and_column(self.body, int(at[1])) if at else ""
            raise Refused(f"the body is not JSON: {error}", where=where) from None

    def _not_utf8(self) -> Refused:
        """Says at which byte; the decoder of JSON counts from the text that it is in."""
        try:
            self.body.decode()
        except UnicodeDecodeError as error:
            where = line_and_column(self.body, error.start)
            return Refused("the body is not UTF-8, as JSON has to be", where=where)
        return Refused("the body holds half of a surrogate pair, which is no text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Events that the system pushes.

    `translate` gives what happened, nothing for what is of no concern to us, and raises `Refused` for what it
    cannot read: that is quarantined. `delivery_id` gives the sender's own id of the delivery, the same when
    it is sent again; where it gives "", the body's digest stands for it. `secret` names the secret that
    signs. `hints`: it says that there is news, and the feeds of the connection are read at once.
    """

    signature: Scheme
    translate: Callable[[Notice], Iterable[Happening]]
    delivery_id: Callable[[Notice], str] = lambda _: ""
    secret: str = "webhook_secret"  # noqa: S105 - its name
    hints: bool = False


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a feed. `cursor` is kept once the page is; `more` asks for the next page at once.

    `records` are its records as they came, for `Poll.translate`: one that cannot be read goes to quarantine
    and stops none. `happenings` are those that the talk has read itself; then one at fault stops the feed.
    """

    cursor: str
    records: list[Any] = []
    happenings: list[Happening] = []
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """A feed that is read on from a cursor: `read` is a talk over it ("" at first) that returns a `Page`.

    It finds what push has lost, so its happenings have the same ids as those of the push. `translate` takes
    one record and the connection's settings, and raises `Refused` for what it cannot read.
    """

    name: str
    read: Callable[[str, Context], Generator[Request, Response, Page]]
    translate: Callable[[Any, Mapping[str, Any]], Iterable[Happening]] | None = None
    every: float = 60.0  # seconds, by the engine's clock
    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a connection: its type, what it is, and its default, without which it must be given."""

    type: Notation = "string"
    doc: str = ""
    default: Any = None
    optional: bool = False


def track_every(minutes: float) -> Setting:
    """The setting of a carrier's connection that says how often its open numbers are asked for."""
    return Setting(
        type="double",
        doc="Minutes between two questions about a number that is on its way, also where the carrier pushes; "
        "0 asks about none",
        default=minutes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one connection stands over all workers, unless its owner says otherwise; None is no limit."""

    concurrency: int | None = None
    rate: float | None = None  # calls a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation. What the contract of its system says (types, changes, undo) need not be said again.

    Name `input`, `output`, `changes` and `undo` for operations beyond the contracts. `find` is a talk over
    the same data that returns what `do` would have returned, or None where nothing was done. `timeout` is for
    the whole talk, in seconds.
    """

    name: str
    do: Talk
    system: str = ""  # the first that the connector serves, unless said
    idempotency: Idempotency | None = None  # needed where it changes something
    find: Talk | None = None
    timeout: float = 20.0
    input: Notation | None = None
    output: Notation | None = None
    changes: bool | None = None
    undo: str = ""
    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEvent:
    """A type of event that the canonical model does not have; `about`: kind of key to dotted path in it."""

    type: str
    data: Notation = "any"
    about: Mapping[str, str] = field(default_factory=dict)
    doc: str = ""


_INNER = ("response", "meta", "error", "errors", "err", "fault", "additionalDetails")  # an error within
_CODES = ("code", "errorCode", "kind", "type", "no", "error")
_WORDS = ("message", "detail", "msg", "error_description", "description", "text", "title", "error", "errors")
_ABOUT = ("field", "parameter")  # what an error within a list of them is about
_MOST_WORDS = 300


def said(response: Response) -> tuple[str, str]:
    """Code and message of a refusal, as most systems write them; else the start of the body.

    Where an error holds others, each is told after its own message, and the innermost code counts.
    """
    try:
        value = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", " ".join(response.text()[:_MOST_WORDS].split())
    code, words = _within(value, 4)
    told = " ".join(text if text.endswith(".") else f"{text};" for text in dict.fromkeys(words)).rstrip(";")
    if not told:
        told = msgspec.json.encode(value).decode() if isinstance(value, dict | list) else str(value)
    return code, told[:_MOST_WORDS]


def _within(value: Any, deep: int) -> tuple[str, list[str]]:
    """Code and words of an error and of those in it: `{"errors": [{"error": {"message": ...}}]}`."""
    if isinstance(value, str):
        return "", [value] if value else []
    if isinstance(value, list):
        found = [_within(one, deep - 1) for one in value[:10]] if deep else []
        return next((code for code, _ in found if code), ""), [text for _, texts in found for text in texts]
    if not isinstance(value, dict):
        return "", []
    inner = next((value[k] for k in _INNER if isinstance(value.get(k), dict | list) and value[k]), None)
    code, words = _within(inner, deep - 1) if inner and deep else ("", [])
    own = _first(value, _WORDS)
    if not (own or words) and deep:  # {"title": ["can't be blank"]}
        fields = ((name, one) for name, one in value.items() if isinstance(one, list | dict))
        words = [f"{name}: {text}" for name, one in fields for text in _within(one, deep - 1)[1]]
    about = _first(value, _ABOUT) if own else ""
    if about and about not in own:
        own = f"{about}: {own}"
    return code or _first(value, _CODES), ([own] if own else []) + words


def _first(value: Mapping[str, Any], names: Iterable[str]) -> str:
    return next(
        (str(value[n])[:_MOST_WORDS] for n in names if isinstance(value.get(n), str | int) and value[n]), ""
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Connector:
    """A system that can be connected. Immutable; one for all connections of all tenants."""

    name: str
    title: str = ""
    version: str
    serves: tuple[str, ...]
    operations: tuple[Operation, ...] = ()
    events: tuple[str, ...] = ()  # types of the canonical model that it gives
    own_events: tuple[OwnEvent, ...] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)  # name: what it is
    sign_in: SignIn | None = None
    health: Talk | None = None  # answers, with {} as data, when all is well
    limits: Limits = field(default_factory=Limits)
    webhook: Webhook | None = None
    polls: tuple[Poll, ...] = ()
    said: Callable[[Response], tuple[str, str]] = said
    not_done: frozenset[int] = frozenset({503})  # statuses that say: certainly nothing was done
    busy: frozenset[int] = frozenset()  # of those: for a moment only, so it is asked again at once
    doc: str = ""

    def system_of(self, operation: Operation) -> str:
        """The system that an operation is of."""
        return operation.system or self.serves[0]
