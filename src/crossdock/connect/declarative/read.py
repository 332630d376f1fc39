"""A connector from one YAML file: read, checked with places and mends, made ready.

    input, settings, key, tables            what a request may name
    reply, status, headers, and those       what `result`, `refused`, `busy`, `found` may name
    secrets, settings (and reply)           what `sign_in` may name
    record, headers, settings, tables       what `events` may name, and `item` inside `each`
    body, headers                           what `webhook` may name
    cursor, reply                           what `feeds` may name

A reply's numbers with a fraction are text, so that money stays exact: `money(reply.price, "EUR")`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from crossdock.connect.contract import (
    Connector,
    Limits,
    Operation,
    Response,
    Setting,
    SignIn,
    Talk,
    said,
)
from crossdock.connect.declarative import play
from crossdock.connect.declarative.happened import Happened
from crossdock.connect.declarative.questions import REPLY
from crossdock.connect.registry import declared
from crossdock.connect.sign_in import basic, client_credentials
from crossdock.connect.systems import contracts, shape_of
from crossdock.errors import Refused
from crossdock.expressions import (
    BOOL,
    STRING,
    Environment,
    Field,
    Record,
    Type,
)
from crossdock.model import EVENTS
from crossdock.process.problems import Problem, nearest
from crossdock.process.source import Path, Source
from crossdock.translate.shapes import WORDS

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_NAMED = re.compile(r"\s*\$\{\s*(settings|secrets)\.([a-z][a-z0-9_]*)\s*\}\s*\Z")


class NotAConnector(Refused):
    """The text is not a connector; `problems` says why, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Take every problem found."""
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        count = f"{len(self.problems)} problems" if len(self.problems) != 1 else "1 problem"
        super().__init__(count + "\n" + "\n".join(str(problem) for problem in self.problems))


def from_yaml(text: str, *, file: str = "connector.yaml") -> Connector:
    """The connector that a YAML text describes. Raises `NotAConnector` with every problem."""
    reader = _Reader(Source(text, file=file))
    connector = reader.whole(reader.read)
    if connector is None or reader.problems:
        raise NotAConnector(reader.problems)
    try:
        declared(connector)
    except Refused as error:
        raise NotAConnector(
            [Problem(line=1, column=1, message=str(error), mend=error.mend, file=file)]
        ) from None
    return connector


class _Reader(Happened):
    """Reads the whole."""

    def read(self) -> Connector | None:
        if not isinstance(self.source.value, dict):
            self.problem((), "this is not a connector", "begin with `connector: name`")
            return None
        top = self.part((), self.source.value, "connector")
        for field in ("connector", "version", "serves"):
            if field not in top:
                self.problem((), f"`{field}` is missing", f"write `{field}: ...`")
        self._read_known(top)
        serves = top.get("serves", [])
        systems = tuple(map(str, serves if isinstance(serves, list) else [serves]))
        for type_, data in self.fields(("own_events",), top, "own_events").items():
            self.own_event(("own_events", type_), type_, data)
        rules = self.events(top.get("events", []))
        limits = top.get("limits") or {}
        operations = [
            self._operation(("operations", name), name, value, systems)
            for name, value in (self.fields(("operations",), top, "operations") if systems else {}).items()
        ]
        health = None
        if "health" in top:
            asked = self.ask(("health",), self.part(("health",), top["health"], "request"), self.known)
            health = play.health(asked, self.tables) if asked else None
        webhook = self.webhook(top["webhook"], rules) if "webhook" in top else None
        polls = [
            self.feed(("feeds", name), name, value, rules)
            for name, value in self.fields(("feeds",), top, "feeds").items()
        ]
        sign_in = self._sign_in(top["sign_in"]) if "sign_in" in top else None
        refused = self.refused
        if self.problems:
            return None
        return Connector(
            name=str(top["connector"]),
            title=str(top.get("title", "")),
            version=str(top["version"]),
            doc=str(top.get("doc", "")),
            serves=systems,
            operations=tuple(operation for operation in operations if operation),
            events=tuple(dict.fromkeys(rule.type for rule in rules if rule.type in EVENTS)),
            own_events=tuple(self.own.values()),
            settings=self.settings,
            secrets=self.secrets,
            sign_in=sign_in,
            health=health,
            limits=Limits(concurrency=limits.get("concurrency"), rate=limits.get("rate")),
            webhook=webhook,
            polls=tuple(poll for poll in polls if poll),
            said=_words(refused) if refused else said,
            not_done=frozenset(top.get("not_done", [503])),
        )

    def _read_known(self, top: dict[str, Any]) -> None:
        """Settings, secrets, tables: what expressions name everywhere."""
        self.word(("connector",), top.get("connector"), _NAME, "a name in lower case")
        for name, value in self.fields(("settings",), top, "settings").items():
            given = (
                self.part(("settings", name), value, "setting")
                if isinstance(value, dict)
                else {"type": value}
            )
            self.settings[name] = Setting(
                type=given.get("type", "string"),
                doc=str(given.get("doc", "")),
                default=given.get("default"),
                optional=bool(given.get("optional", False)),
            )
        self.settings.setdefault("url", Setting(doc="Where the system is, such as https://api.example.com"))
        self.secrets = {str(k): str(v) for k, v in self.fields(("secrets",), top, "secrets").items()}
        self.tables = {
            str(name): {str(k): str(v) for k, v in (self.mapping(("tables", name), table, "") or {}).items()}
            for name, table in self.fields(("tables",), top, "tables").items()
        }
        self.headers = self.fields(("headers",), top, "headers")
        fields = {
            name: Field(
                self.type_at(("settings", name), setting.type),
                optional=setting.optional,
                filled=setting.default is not None,
            )
            for name, setting in self.settings.items()
        }
        self.known = {
            "settings": Record("settings", fields),
            "tables": Record("tables", {name: Field(WORDS) for name in self.tables}),
        }
        if "refused" in top:
            self.refused = self.refusal(("refused",), top["refused"], {**self.known, **REPLY})

    # -- questions -------------------------------------------------------------------------------------

    def _operation(self, path: Path, name: str, value: Any, systems: tuple[str, ...]) -> Operation | None:
        given = self.part(path, value, "operation")
        self.word(path, name, _NAME, "a name in lower case")
        system = str(given.get("system") or (systems[0] if systems else ""))
        operation = Operation(
            name=name,
            do=_never,
            system=system,
            idempotency=given.get("idempotency"),
            find=_never if "find" in given else None,
            timeout=self.seconds((*path, "timeout"), given.get("timeout", 20)),
            input=given.get("input"),
            output=given.get("output"),
            changes=given.get("changes"),
            undo=str(given.get("undo", "")),
            doc=str(given.get("doc", "")),
        )
        try:
            shape = shape_of(_serving(systems or ("",)), operation)
        except Refused as error:
            self.problem(path, error.message, _known(system, name) or error.mend)
            return None
        if shape.changes and operation.idempotency is None:
            self.problem(
                path,
                f"{shape.name} changes something, and does not say what makes a repeat safe",
                "write `idempotency: key`, `find`, `natural` or `none`",
            )
        known = {**self.known, "input": shape.input, "key": STRING}
        asked = self.ask(path, given, known)
        answered = {**known, **REPLY}
        result = self.maybe_shape((*path, "result"), given.get("result"), Environment(answered), shape.output)
        if result is None and isinstance(shape.output, Record) and _needs(shape.output):
            self.problem(path, f"{shape.name} gives {shape.output}, and there is no `result`", "write it")
        do = play.operation(asked, result, self.tables) if asked else _never
        find = self._find((*path, "find"), given["find"], known, shape.output) if "find" in given else None
        return replace(operation, do=do, find=find)

    def _find(self, path: Path, value: Any, known: dict[str, Type], output: Type) -> Talk | None:
        given = self.part(path, value, "find")
        asked = self.ask(path, given, known)
        environment = Environment({**known, **REPLY})
        found = self.expression((*path, "found"), given.get("found"), environment, want=BOOL)
        result = self.shape((*path, "result"), given.get("result", {}), environment, want=output)
        if asked is None or found is None or result is None:
            return None
        return play.find(asked, found, result, self.tables)

    # -- signing in ------------------------------------------------------------------------------------

    def _sign_in(self, value: Any) -> SignIn | None:
        path: Path = ("sign_in",)
        given = self.part(path, value, "sign_in")
        if len(given) != 1:
            self.problem(path, "one way to sign in is needed", "keep one of them")
            return None
        (way, how), *_ = given.items()
        path = (*path, way)
        secrets = Record("secrets", {name: Field(STRING) for name in self.secrets})
        known = {"settings": self.known["settings"], "secrets": secrets}
        if way == "headers":
            headers = self.template(path, how, Environment(known))
            return play.signed_headers(headers) if headers else None
        fields = self.mapping(path, how, "") or {}
        if way == "login":
            asked = self.ask(path, fields, known)
            environment = Environment({**known, **REPLY})
            session = self.maybe((*path, "session"), fields.get("session", {}), environment)
            seconds = fields.get("seconds")
            length = (
                self.expression((*path, "seconds"), seconds, environment) if seconds is not None else None
            )
            return play.login(asked, session, length) if asked and session else None
        names = {
            name: self._named((*path, name), text) for name, text in fields.items() if name not in _PLAIN
        }
        if way == "basic":
            return basic(names.get("user", "user"), names.get("password", "password"))
        return client_credentials(
            str(fields.get("token", "")),
            client_id=names.get("client_id", ""),
            client_secret=names.get("client_secret", ""),
            scope=str(fields.get("scope", "")),
        )

    def _named(self, path: Path, text: Any) -> str:
        """The setting or secret that an expression names."""
        found = _NAMED.match(str(text))
        known: dict[str, set[str]] = {"settings": set(self.settings), "secrets": set(self.secrets)}
        if found is None:
            where = next((kind for kind in known if str(text) in known[kind]), "secrets")
            name = text if str(text) in known[where] else "name"
            self.problem(path, f"{text!r} names no setting or secret", f"write `${{ {where}.{name} }}`")
        elif found[2] not in known[found[1]]:
            self.problem(path, f"there is no {found[0].strip()}", nearest(found[2], known[found[1]]))
        return found[2] if found else ""


_PLAIN = ("token", "scope")


def _words(refusal: play.Refusal) -> Any:
    """How the connector tells why a request was refused, for statuses that no talk reads."""

    def words(response: Response) -> tuple[str, str]:
        try:
            values = play.reply_values(response)
        except Exception:  # noqa: BLE001 - an error page may be anything
            return said(response)
        return refusal.words(response, values)

    return words


def _never(_: Any, __: Any) -> Any:
    raise AssertionError("replaced before it is used")


def _serving(systems: tuple[str, ...]) -> Connector:
    return Connector(name="this", version="", serves=systems)


def _known(system: str, name: str) -> str:
    names = [contract.name for contract in contracts().values() if contract.system == system]
    return nearest(name, names) if name not in names else ""


def _needs(record: Record) -> bool:
    return any(not field.optional for field in record.fields.values())
