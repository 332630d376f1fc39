"""Questions of a declarative connector: requests, refusals, lengths, and what their expressions may name."""

from __future__ import annotations

from typing import Any

from crossdock.connect.contract import OwnEvent, Setting
from crossdock.connect.declarative import play
from crossdock.connect.declarative.grammar import METHODS, fields_of
from crossdock.connect.systems import type_of
from crossdock.errors import Refused
from crossdock.expressions import DYN, INT, Environment, Template, Type
from crossdock.process.source import Path, Source
from crossdock.translate import Shapes
from crossdock.translate.shapes import WORDS

REPLY: dict[str, Type] = {"reply": DYN, "status": INT, "headers": WORDS}


class Questions(Shapes):
    """Reads requests; what all expressions may name is in `known` once settings and tables are read."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.settings: dict[str, Setting] = {}
        self.secrets: dict[str, str] = {}
        self.refused: play.Refusal | None = None
        self.headers: dict[str, Any] = {}
        self.known: dict[str, Type] = {}
        self.own: dict[str, OwnEvent] = {}

    def part(self, path: Path, value: Any, part: str) -> dict[str, Any]:
        """A map of the grammar's fields for `part`, with a problem for each other one."""
        return self.fields_in(path, value, fields_of(part))

    def fields(self, path: Path, top: dict[str, Any], name: str) -> dict[str, Any]:
        """The map that stands under `name`; an empty one where nothing does."""
        return self.mapping(path, top.get(name, {}), "") or {}

    def type_at(self, path: Path, notation: Any, name: str = "") -> Type:
        """A type in the short notation, or any and a problem."""
        try:
            return type_of(notation, name=name)
        except Refused as error:
            self.problem(path, error.message, error.mend)
            return DYN

    def ask(self, path: Path, value: dict[str, Any], known: dict[str, Type]) -> play.Ask | None:
        """The request that a part describes."""
        methods = [method for method in METHODS if method in value]
        if len(methods) != 1:
            self.problem(
                path, "one path is needed", f"write one of {', '.join(f'`{m}: /...`' for m in METHODS)}"
            )
            return None
        method = methods[0]
        environment = Environment(known)
        place = (*path, method)
        text = value[method]
        if not isinstance(text, str) or not text.startswith("/") or text.startswith("//"):
            self.problem(place, f"{text!r} is not a path below the connection's `url`", "begin it with `/`")
            return None

        def compiled(expression: str) -> Template:
            found = self.template(place, expression, environment)
            return found if found is not None else environment.template("")

        asked = play.Path.of(text, compiled)
        if any(isinstance(part, str) and "${" in part for part in asked.parts):
            self.problem(
                place, "an expression in a path has no braces in it", "work it out in `query` or `json`"
            )
        if "json" in value and "form" in value:
            self.problem((*path, "form"), "a request has one body", "keep `json` or `form`")
        headers = {**self.headers, **(self.mapping((*path, "headers"), value.get("headers", {}), "") or {})}
        answered = {**known, **REPLY}
        return play.Ask(
            method=method.upper(),
            path=asked,
            query=self.maybe((*path, "query"), value.get("query"), environment),
            headers=self.maybe((*path, "headers"), headers or None, environment),
            json=self.maybe_shape((*path, "json"), value.get("json"), environment),
            form=self.maybe((*path, "form"), value.get("form"), environment),
            accept=tuple(value.get("accept", ())),
            refused=self.refusal((*path, "refused"), value["refused"], answered)
            if "refused" in value
            else self.refused,
            busy=self.condition((*path, "busy"), value.get("busy"), Environment(answered)),
        )

    def maybe(
        self, path: Path, value: Any, environment: Environment, want: Type | None = None
    ) -> Template | None:
        """A template where something is given."""
        return None if value is None else self.template(path, value, environment, want=want)

    def refusal(self, path: Path, value: Any, known: dict[str, Type]) -> play.Refusal:
        """When a reply says no."""
        given = self.part(path, value, "refused")
        environment = Environment(known)
        return play.Refusal(
            condition=self.condition((*path, "if"), given.get("if"), environment),
            message=self.maybe((*path, "message"), given.get("message"), environment),
            code=self.maybe((*path, "code"), given.get("code"), environment),
        )

    def seconds(self, path: Path, value: Any) -> float:
        """A length for a clock."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        length = self.duration(path, value)
        if length is None or length.business or length.days:
            if length is not None:
                self.problem(path, f"{value} is no length for a clock", "write it in seconds or minutes")
            return 20.0
        return length.time.total_seconds()
