"""What a declarative connector does when it is used: templates filled, replies read."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from crossdock.connect.contract import (
    Access,
    Context,
    Happening,
    Notice,
    Page,
    RefusedByPartner,
    Request,
    Response,
    Session,
    Talk,
    said,
)
from crossdock.errors import Refused, UnknownOutcome, Unreachable
from crossdock.expressions import EvaluationError, Expression, Template
from crossdock.translate import Rule
from crossdock.translate.rules import meaning
from crossdock.translate.shape import Shape
from crossdock.translate.values import Values, holds, text, texts

# Numbers with a fraction are read as text: exact, and what `money` and `decimal` take.
_exact = msgspec.json.Decoder(float_hook=str).decode
_PAGES = 200  # that are read for one cursor; more are no news but a history
_PLACE = re.compile(r"\$\{([^{}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A path whose expressions are escaped, so that no value can leave its place in it."""

    parts: tuple[str | Template, ...]

    @classmethod
    def of(cls, written: str, compile_: Callable[[str], Template]) -> Path:
        """Read a path; `compile_` makes a template of each expression."""
        parts: list[str | Template] = []
        at = 0
        for place in _PLACE.finditer(written):
            parts += [written[at : place.start()], compile_(place.group())]
            at = place.end()
        return cls(parts=(*parts, written[at:]))

    def fill(self, values: Values) -> str:
        """The path for these values. Raises `EvaluationError` where one of them is nothing."""
        return "".join(
            part if isinstance(part, str) else quote(text(part.evaluate(values)), safe="")
            for part in self.parts
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """When a reply says no, and in which words."""

    condition: Expression | None = None
    message: Template | None = None
    code: Template | None = None

    def words(self, response: Response, values: Values) -> tuple[str, str]:
        """Code and message; what cannot be worked out is taken from the body as it is."""
        code, message = said(response)
        return _worked_out(self.code, values) or code, _worked_out(self.message, values) or message


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question: how it is put, and when its answer means no, or not now."""

    method: str
    path: Path
    query: Template | None = None
    headers: Template | None = None
    json: Shape | None = None
    form: Template | None = None
    accept: tuple[int, ...] = ()
    refused: Refusal | None = None
    busy: Expression | None = None

    def request(self, values: Values, *, changes: bool | None = None) -> Request:
        """The request for these values."""
        return Request(
            self.method,
            self.path.fill(values),
            query=texts(self.query, values),
            headers=texts(self.headers, values),
            json=None if self.json is None else self.json.evaluate(values),
            form=None if self.form is None else texts(self.form, values),
            accept=self.accept,
            changes=changes,
        )

    def answered(self, response: Response, values: Values) -> dict[str, object]:
        """The values with the reply among them. Raises `RefusedByPartner` and `Unreachable` as it says."""
        known = {**values, **reply_values(response)}
        if self.busy is not None and holds(self.busy, known):
            raise Unreachable("the system is busy")
        refused = self.refused
        if refused is not None and refused.condition is not None and holds(refused.condition, known):
            code, message = refused.words(response, known)
            raise RefusedByPartner(message, code=code)
        return known


def reply_values(response: Response) -> dict[str, object]:
    """What expressions know of a reply. Raises `UnknownOutcome` where it is not JSON."""
    try:
        reply = _exact(response.body) if response.body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnknownOutcome(f"the answer is not JSON: {error}") from None
    return {"reply": reply, "status": response.status, "headers": dict(response.headers)}


def operation(ask: Ask, result: Shape | None, tables: Values) -> Talk:
    """The talk of an operation: one question, and what it gives."""

    def talk(data: Any, context: Context) -> Generator[Request, Response, Any]:
        values = {"input": data, "settings": context.settings, "key": context.key, "tables": tables}
        response = yield ask.request(values)
        return _result(result, ask.answered(response, values))

    return talk


def find(ask: Ask, found: Expression, result: Shape, tables: Values) -> Talk:
    """The talk that looks for what an operation may have done."""

    def talk(data: Any, context: Context) -> Generator[Request, Response, Any]:
        values = {"input": data, "settings": context.settings, "key": context.key, "tables": tables}
        known = ask.answered((yield ask.request(values, changes=False)), values)
        try:
            there = found.evaluate(known)
        except EvaluationError as error:
            raise UnknownOutcome(f"whether it is there is not to be seen: {error}") from None
        return _result(result, known) if there is True else None

    return talk


def health(ask: Ask, tables: Values) -> Talk:
    """The talk that sees whether all is well."""

    def talk(_: Any, context: Context) -> Generator[Request, Response, Any]:
        values = {"settings": context.settings, "tables": tables}
        ask.answered((yield ask.request(values, changes=False)), values)

    return talk


def login(
    ask: Ask, session: Template, seconds: Expression | None
) -> Callable[[Access], Generator[Request, Response, Session]]:
    """Sign in by asking for a session."""

    def sign_in(access: Access) -> Generator[Request, Response, Session]:
        values = access_values(access)
        known = ask.answered((yield ask.request(values, changes=False)), values)
        try:
            length = None if seconds is None else float(seconds.evaluate(known))
            return Session(headers=texts(session, known), seconds=length)
        except (EvaluationError, ValueError) as error:
            raise Refused(f"the answer holds no session: {error}") from None

    return sign_in


def signed_headers(headers: Template) -> Callable[[Access], Generator[Request, Response, Session]]:
    """Sign in with headers that hold secrets."""

    def sign_in(access: Access) -> Generator[Request, Response, Session]:
        yield from ()  # asks nothing
        return Session(headers=texts(headers, access_values(access)))

    return sign_in


def access_values(access: Access) -> dict[str, object]:
    """What expressions of signing in know."""
    return {
        "settings": access.settings,
        "secrets": {name: secret.reveal() for name, secret in access.secrets.items()},
    }


def happenings(rules: tuple[Rule, ...], values: Values) -> list[Happening]:
    """Every event that a record is. Raises `Refused` for a record that no rule knows."""
    return [
        Happening(type=one.type, time=one.time, data=one.data, about=one.about, id=one.id)
        for one in meaning(rules, values)
    ]


def webhook(
    rules: tuple[Rule, ...], records: Expression | None, tables: Values
) -> Callable[[Notice], Iterable[Happening]]:
    """The translator of a webhook."""

    def translate(notice: Notice) -> Iterable[Happening]:
        try:
            body = _exact(notice.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(f"the body is not JSON: {error}") from None
        values = {
            "body": body,
            "headers": dict(notice.headers),
            "settings": notice.settings,
            "tables": tables,
        }
        for record in [body] if records is None else records.evaluate(values):
            yield from happenings(rules, {**values, "record": record})

    return translate


def delivery_id(expression: Expression | None, tables: Values) -> Callable[[Notice], str]:
    """The sender's id of a delivery; "" where there is none."""

    def name(notice: Notice) -> str:
        if expression is None:
            return ""
        values = {
            "body": _exact(notice.body),
            "headers": dict(notice.headers),
            "settings": notice.settings,
            "tables": tables,
        }
        return text(expression.evaluate(values))

    return name


def feed(
    ask: Ask,
    records: Expression,
    cursor: Expression,
    more: Expression | None,
    pages: Expression | None,
    tables: Values,
) -> Callable[[str, Context], Generator[Request, Response, Page]]:
    """The talk that reads on from a cursor: one page, or all pages as they are counted."""

    def talk(at: str, context: Context) -> Generator[Request, Response, Page]:
        read: list[Any] = []
        for page in range(1, _PAGES + 1):
            values = {"cursor": at, "page": page, "settings": context.settings, "tables": tables}
            known = ask.answered((yield ask.request(values, changes=False)), values)
            read += records.evaluate(known)
            if pages is None or not holds(pages, known):
                known["records"] = read
                return Page(
                    records=read,
                    cursor=text(cursor.evaluate(known)),
                    more=more is not None and holds(more, known),
                )
        raise Refused(
            f"there are more than {_PAGES} pages to read from {at or 'the beginning'}",
            mend="begin later, or ask for larger pages",
        )

    return talk


def record_reader(
    rules: tuple[Rule, ...], tables: Values
) -> Callable[[Any, Mapping[str, Any]], Iterable[Happening]]:
    """The translator of a feed's records."""

    def translate(record: Any, settings: Mapping[str, Any]) -> Iterable[Happening]:
        return happenings(rules, {"record": record, "headers": {}, "settings": settings, "tables": tables})

    return translate


def _result(result: Shape | None, values: Values) -> Any:
    """What an operation gives. A reply that does not hold it is no refusal: nobody knows what was done."""
    try:
        return {} if result is None else result.evaluate(values)
    except EvaluationError as error:
        raise UnknownOutcome(f"the answer is not as expected: {error}") from None


def _worked_out(template: Template | None, values: Values) -> str:
    try:
        return "" if template is None else text(template.evaluate(values))
    except EvaluationError:
        return ""
