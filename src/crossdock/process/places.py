"""What every part of the reader uses: problems with their place, and values of the right form."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from crossdock.errors import Refused
from crossdock.expressions import (
    BOOL,
    DURATION,
    DYN,
    STRING,
    TIMESTAMP,
    Environment,
    Expression,
    ExpressionError,
    Record,
    Template,
    Type,
    assignable,
    problems,
)
from crossdock.process.durations import Duration
from crossdock.process.problems import Problem, nearest
from crossdock.process.schema import fields_of
from crossdock.process.source import Path, Source

MOST_PROBLEMS = 100  # that are told of one text; to look for the nearest word takes its time for each
_T = TypeVar("_T")

_WANTED: dict[Type, str] = {
    BOOL: "compare it with something, as `size(x) > 0`",
    STRING: "make a text of it: `${ text(x) }`",
    TIMESTAMP: "give an instant with its zone, as `${ order.due }` or `${ now + hours(2) }`",
}
_WRITTEN = {
    "money is needed": '`${ money("12.50", "EUR") }`',
    "a quantity is needed": '`${ quantity(10, "EA") }`',
    "a decimal is needed": '`${ decimal("12.50") }`',
    "a string is needed, this is": "`${ text(x) }`",
    "a timestamp is needed": "`${ order.due }` or `${ now + hours(2) }`",
    "an int is needed, this is": "`${ int(x) }`",
    "a bool is needed, this is": "true or false, or compare it with something",
    "a list of": "`[ ... ]`, or name a list",
}
_FOREIGN = re.compile(r"\{\{?\s*[a-z][a-z0-9_]*(\.[a-z0-9_]+)+\s*\}?\}|\$[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
_DOTTED = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_WHOLE = re.compile(r"\s*\$\{([\s\S]*)\}\s*\Z")


def written_as(why: str, given: Type = DYN, wanted: Type = DYN) -> str:
    """The mend for what does not fit: how a value of the type that is needed is written.

    Where a field is missing of what is `wanted`, one that is `given` and not wanted may be meant for it.
    """
    name, missing, _ = why.partition(": missing;")
    if missing:
        if isinstance(given, Record) and isinstance(wanted, Record):
            surplus = [field for field in given.fields if field not in wanted.fields]
            close = difflib.get_close_matches(name, surplus, 1, 0.6)
            if close:
                return f"write `{name}` instead of `{close[0]}`"
        return f"give it: `{name}: ...`"
    return next((f"write {form}" for said, form in _WRITTEN.items() if said in why), "")


class _Enough(Exception):
    """So much is wrong that reading on helps nobody."""


class Places:
    """Collects problems, each at its place in the source, and the expressions of each step."""

    def __init__(self, source: Source) -> None:
        """Read from `source`."""
        self.source = source
        self.problems: list[Problem] = []
        self._wrong = 0
        self.step = ""  # the step being read, for messages
        self.texts: dict[str, list[Expression | Template]] = {}  # step ("" for none) -> its expressions
        self.stands: dict[int, Path] = {}  # the id of one of them -> where it stands
        self.as_text: set[Path] = set()  # where a text stands that looks like an expression
        self.misspelt: set[str] = set()  # steps with a field that nobody knows: what they lack may be in it

    def problem(
        self,
        path: Path,
        message: str,
        mend: str = "",
        *,
        line: int = 0,
        column: int = 0,
        warning: bool = False,
    ) -> None:
        """Tell what is wrong at `path`, or at a line and column where these are known better."""
        at = self.source.at(path)
        self.problems.append(
            Problem(
                line=line or at.line,
                column=column or at.column,
                message=message,
                mend=mend,
                step=self.step,
                file=self.source.file,
                severity="warning" if warning else "error",
            )
        )
        self._wrong += not warning
        if self._wrong == MOST_PROBLEMS:
            said, mend = "there is more, which is not told", "mend what stands above first"
            self.problems.append(replace(self.problems[-1], message=said, mend=mend, step=""))
            raise _Enough

    def whole(self, read: Callable[[], _T | None]) -> _T | None:
        """What `read` gives; None where so much was wrong that it came to no end."""
        try:
            return read()
        except _Enough:
            return None

    def mapping(self, path: Path, value: Any, part: str) -> dict[str, Any] | None:
        """A map whose keys are fields of `part` (any, without one), or None and a problem."""
        if not isinstance(value, dict):
            self.problem(
                path, f"here stands {_shown(value)}, where fields are needed", "write `name: value` lines"
            )
            return None
        if part:
            known = fields_of(part)
            for key in value:
                if key not in known:
                    self.misspelt.add(self.step)
                    self.problem((*path, key), f"unknown field `{key}`", nearest(key, known))
        return value

    def sequence(self, path: Path, value: Any) -> list[Any]:
        """A list, or an empty one and a problem."""
        if isinstance(value, list):
            return value
        self.problem(path, f"here stands {_shown(value)}, where a list is needed", "write `- ` lines, or [ ]")
        return []

    def word(self, path: Path, value: Any, form: re.Pattern[str], what: str, mend: str = "") -> str:
        """A word of a form, or an empty text and a problem."""
        if isinstance(value, str) and form.match(value):
            return value
        if value is not None:
            self.problem(path, f"{_shown(value)} is not {what}", mend)
        return ""

    def choice(self, path: Path, value: Any, options: tuple[str, ...]) -> str:
        """One of `options`, or the first and a problem where something else stands."""
        if value in options:
            return str(value)
        if value is not None:
            self.problem(
                path, f"{_shown(value)} is not one of {', '.join(options)}", nearest(str(value), options)
            )
        return options[0] if value is not None else ""

    def duration(self, path: Path, value: Any) -> Duration | None:
        """A duration, or None and a problem."""
        try:
            return Duration.parse(value)
        except Refused as error:
            self.problem(path, error.message, error.mend)
            return None

    def length(self, path: Path, value: Any, environment: Environment) -> Template | None:
        """A duration, given as it is or by an expression."""
        if not (isinstance(value, str) and "${" in value) and self.duration(path, value) is None:
            return None
        template = self.template(path, value, environment)
        if template and template.expressions and template.type not in (STRING, DURATION, DYN):
            why = assignable(template.type, DURATION)
            self.problem(
                path, why or "a duration is needed", "give it a unit: `${ hours(x) }`, `${ x } hours`"
            )
        return template

    def template(
        self, path: Path, value: Any, environment: Environment, *, want: Type | None = None
    ) -> Template | None:
        """A value with expressions in it, compiled, or None and a problem."""
        try:
            template = environment.template(value)
        except ExpressionError as error:
            self._tell(path, value, error)
            return None
        if want is not None:
            self._wants(path, template, want)
        self._keep(path, template)
        for expression in template.expressions:
            self._guards(path, expression)
        for nothing in template.unsayable:
            message = f"{nothing} may be nothing, which cannot stand in a text"
            self.problem(path, message, "give a fallback: default(..., '-')", warning=True)
        for where, text in _texts(path, value):
            found = None if "${" in text else _foreign(text, environment)
            if found is not None:
                self.as_text.add(where)
                mend = f"write it as `${{ {_bare(found)} }}`"
                self.problem(where, f"{_shown(found)} is taken as a text", mend, warning=True)
        return template

    def _keep(self, path: Path, text: Expression | Template) -> None:
        self.texts.setdefault(self.step, []).append(text)
        self.stands[id(text)] = path

    def time(self, path: Path, value: Any, environment: Environment) -> Template | None:
        """A time: an expression that gives one, or an instant with its zone."""
        template = self.template(path, value, environment)
        if template is None or template.type in (TIMESTAMP, DYN):
            return template
        if template.expressions:
            self._wants(path, template, TIMESTAMP)
        elif problems(value, TIMESTAMP):
            mend = f"write `within: {value}`" if _is_length(value) else _WANTED[TIMESTAMP]
            self.problem(path, f"{_shown(value)} is not a time", mend)
        return template

    def time_or_length(self, path: Path, value: str, environment: Environment) -> Template | None:
        """An expression that gives a time or a duration."""
        template = self.template(path, value, environment)
        if template is not None and template.type not in (TIMESTAMP, DURATION, STRING, DYN):
            why = assignable(template.type, TIMESTAMP)
            self.problem(path, why or "a time is needed", "give a time, or a duration as `${ hours(x) }`")
        return template

    def expression(
        self, path: Path, value: Any, environment: Environment, *, want: Type | None = None
    ) -> Expression | None:
        """One expression, compiled, or None and a problem."""
        whole = _WHOLE.match(value) if isinstance(value, str) else None
        if whole is None:
            self.problem(path, f"{_shown(value)} is not an expression", "write it as `${ ... }`")
            return None
        try:
            expression = environment.compile(whole.group(1))
        except ExpressionError as error:
            self._tell(path, value, error)
            return None
        if want is not None:
            self._wants(path, expression, want)
        self._keep(path, expression)
        self._guards(path, expression)
        return expression

    def condition(self, path: Path, value: Any, environment: Environment) -> Expression | None:
        """An expression that is true or false, where one is given."""
        return self.expression(path, value, environment, want=BOOL) if value is not None else None

    def _guards(self, path: Path, expression: Expression) -> None:
        """Warn of what is compared and may be nothing: then it cannot be worked out."""
        for named in expression.unguarded:
            mend = f"ask first, as `has({named}) && ...`, or say what counts then: `default({named}, ...)`"
            message = f"`{named}` may be absent, and is compared all the same"
            self.problem(path, message, mend, warning=True)

    def _wants(self, path: Path, what: Expression | Template, want: Type) -> None:
        why = assignable(what.type, want)
        if why:
            self.problem(path, why, _WANTED.get(want, ""))

    def _tell(self, path: Path, value: Any, error: ExpressionError) -> None:
        """Point at the place of the error, as far into the file as it can be told."""
        for where, text in _texts(path, value):
            start = text.find(error.text)
            if start < 0:
                continue
            at = self.source.at((*where, "="))
            head = text[:start]
            line = at.line + head.count("\n") + error.line - 1
            same_line = "\n" not in head and error.line == 1
            column = at.column + len(head) + error.column - 1 if same_line else error.column
            self.problem(where, error.message, error.mend, line=line, column=column)
            return
        self.problem(path, error.message, error.mend)


def _texts(path: Path, value: Any) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts((*path, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts((*path, index), inner)


def _foreign(text: str, environment: Environment) -> str | None:
    """What looks like an expression and is a text: one of another language, or one without its `${ }`.

    The first is a whole text, or a part of one that begins with a name; the other names what is there.
    """
    if _FOREIGN.fullmatch(text.strip()):
        return text
    if _DOTTED.fullmatch(text) and text.partition(".")[0] in environment.variables:
        try:
            environment.compile(text)
        except ExpressionError:
            return None
        return text
    found = _FOREIGN.search(text)
    root = _bare(found.group()).partition(".")[0] if found is not None else ""
    return found.group() if found is not None and root in environment.variables else None


def _bare(text: str) -> str:
    return text.strip().strip("{}$ ")


def _is_length(value: Any) -> bool:
    try:
        Duration.parse(value)
    except Refused:
        return False
    return True


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
