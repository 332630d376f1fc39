"""What happened there: the events of a declarative connector, its webhook and its feeds."""

from __future__ import annotations

import re
from typing import Any

from crossdock.connect.contract import OwnEvent, Poll, Webhook
from crossdock.connect.declarative import play
from crossdock.connect.declarative.grammar import choices_of
from crossdock.connect.declarative.questions import ANY_LIST, REPLY, WORDS, Questions
from crossdock.connect.signatures import Scheme
from crossdock.connect.systems import data_of, type_of
from crossdock.errors import Refused
from crossdock.expressions import DYN, STRING, Environment, Expression, Type
from crossdock.model import EVENTS
from crossdock.process.problems import nearest
from crossdock.process.source import Path

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

    def rule(self, path: Path, value: Any) -> play.Rule:
        """What a record means."""
        given = self.part(path, value, "event")
        known: dict[str, Type] = {**self.known, "record": DYN, "headers": WORDS}
        condition = self.condition((*path, "if"), given.get("if"), Environment(known))
        if "ignore" in given:
            if condition is None:
                self.problem(path, "this would ignore everything", "say `if:` what is of no concern")
            return play.Rule(condition=condition)
        type_ = str(given.get("type", ""))
        if type_ not in EVENTS and type_ not in self.own:
            self.problem(
                (*path, "type"), f"there is no event `{type_}`", nearest(type_, {*EVENTS, *self.own})
            )
            return play.Rule(condition=condition)
        each = given.get("each")
        items: Expression | None = None
        if each is not None:
            items = self.expression((*path, "each"), each, Environment(known), want=ANY_LIST)
            known = {**known, "item": DYN}
        environment = Environment(known)
        if "time" not in given:
            self.problem(path, f"when did {type_} happen?", "write `time: ${ ... }`")
        own = self.own.get(type_)
        data = type_of(own.data, name=type_) if own else data_of(type_)
        return play.Rule(
            condition=condition,
            type=type_,
            each=items,
            time=self.maybe((*path, "time"), given.get("time"), environment),
            id=self.maybe((*path, "id"), given.get("id"), environment),
            about=self.maybe((*path, "about"), given.get("about"), environment),
            data=self.maybe((*path, "data"), given.get("data"), environment, data),
        )

    def webhook(self, value: Any, rules: tuple[play.Rule, ...]) -> Webhook | None:
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

    def feed(self, path: Path, name: str, value: Any, rules: tuple[play.Rule, ...]) -> Poll | None:
        """A feed, or None and a problem."""
        given = self.part(path, value, "feed")
        known = {**self.known, "cursor": STRING}
        asked = self.ask(path, given, known)
        environment = Environment({**known, **REPLY})
        records = self.expression((*path, "records"), given.get("records"), environment, want=ANY_LIST)
        cursor = self.expression((*path, "cursor"), given.get("cursor"), environment)
        more = self.condition((*path, "more"), given.get("more"), environment)
        every = self.seconds((*path, "every"), given.get("every", 60))
        if asked is None or records is None or cursor is None:
            return None
        return Poll(
            name=name,
            read=play.feed(asked, records, cursor, more, self.tables),
            translate=play.record_reader(rules, self.tables),
            every=every,
            doc=str(given.get("doc", "")),
        )
