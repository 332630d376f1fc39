"""What happened there: the events of a declarative connector, its webhook and its feeds."""

from __future__ import annotations

import re
from typing import Any

from crossdock.connect.contract import OwnEvent, Poll, Webhook
from crossdock.connect.declarative import play
from crossdock.connect.declarative.grammar import choices_of
from crossdock.connect.declarative.questions import REPLY, Questions
from crossdock.connect.signatures import Scheme
from crossdock.connect.systems import data_of, type_of
from crossdock.errors import Refused
from crossdock.expressions import DYN, INT, STRING, Environment, Type
from crossdock.model import EVENTS
from crossdock.process.problems import nearest
from crossdock.process.source import Path
from crossdock.translate import Rule
from crossdock.translate.shapes import ANY_LIST, WORDS

_TYPE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+\Z")


class Happened(Questions):
    """Reads events, webhook and feeds."""

    def own_event(self, path: Path, type_: str, value: Any) -> None:
        """A type of event that the model does not have."""
        given = self.mapping(path, value, "") or {}
        self.word(path, type_, _TYPE, "a type such as depot.bin_counted")
        if type_ in EVENTS:
            self.problem(path, f"{type_} is an event of the canonical model", "leave it out")
        self.type_at((*path, "data"), given.get("data", "any"), type_)
        self.own[type_] = OwnEvent(
            type=type_,
            data=given.get("data", "any"),
            about={str(k): str(v) for k, v in (given.get("about") or {}).items()},
            doc=str(given.get("doc", "")),
        )

    def events(self, value: Any) -> tuple[Rule, ...]:
        """What records mean."""
        known: dict[str, Type] = {**self.known, "record": DYN, "headers": WORDS}
        carried = {type_: data_of(type_) for type_ in EVENTS}
        carried |= {type_: type_of(own.data, name=type_) for type_, own in self.own.items()}
        return tuple(
            self.rule(("events", n), self.part(("events", n), given, "event"), known, carried)
            for n, given in enumerate(self.sequence(("events",), value))
        )

    def webhook(self, value: Any, rules: tuple[Rule, ...]) -> Webhook | None:
        """The webhook, or None and a problem."""
        path: Path = ("webhook",)
        given = self.part(path, value, "webhook")
        signature = dict(self.part((*path, "signature"), given.get("signature"), "signature"))
        secret = str(signature.pop("secret", ""))
        if secret not in self.secrets:
            self.problem(
                (*path, "signature"), f"there is no secret `{secret}`", nearest(secret, self.secrets)
            )
        for name, options in choices_of("signature").items():
            self.choice((*path, "signature", name), signature.get(name), options)
        try:
            scheme = Scheme(**signature)
        except (Refused, TypeError, KeyError) as error:
            if not self.problems:
                self.problem((*path, "signature"), str(error), "see the kinds of signatures")
            return None
        environment = Environment({**self.known, "body": DYN, "headers": WORDS})
        id_ = given.get("id")
        named = self.expression((*path, "id"), id_, environment) if id_ is not None else None
        listed = given.get("records")
        records = (
            self.expression((*path, "records"), listed, environment, want=ANY_LIST)
            if listed is not None
            else None
        )
        return Webhook(
            signature=scheme,
            translate=play.webhook(rules, records, self.tables),
            delivery_id=play.delivery_id(named, self.tables),
            secret=secret,
        )

    def feed(self, path: Path, name: str, value: Any, rules: tuple[Rule, ...]) -> Poll | None:
        """A feed, or None and a problem."""
        given = self.part(path, value, "feed")
        known: dict[str, Type] = {**self.known, "cursor": STRING, "page": INT}
        asked = self.ask(path, given, known)
        environment = Environment({**known, **REPLY})
        records = self.expression((*path, "records"), given.get("records"), environment, want=ANY_LIST)
        read = Environment({**known, **REPLY, "records": ANY_LIST})
        cursor = self.expression((*path, "cursor"), given.get("cursor"), read)
        more = self.condition((*path, "more"), given.get("more"), read)
        pages = self.condition((*path, "pages"), given.get("pages"), environment)
        every = self.seconds((*path, "every"), given.get("every", 60))
        if asked is None or records is None or cursor is None:
            return None
        return Poll(
            name=name,
            read=play.feed(asked, records, cursor, more, pages, self.tables),
            translate=play.record_reader(rules, self.tables),
            every=every,
            doc=str(given.get("doc", "")),
        )
