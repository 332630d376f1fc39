"""One translation under way: master data that is looked up, where each field came from, what is rejected.

Translating is pure, and master data stands in a database. So a translation is done with the rows that are
known (`Rows`); what it asks for beyond them it notes as `wanted`, and is done again once they were fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from crossdock.errors import Refused
from crossdock.expressions import Expression
from crossdock.translate.payloads import Row
from crossdock.translate.values import Values

KINDS = ("party", "item", "location", "service", "unit")
"""What master data is about: who, what, where, how it is carried, and in which unit."""

Kind: TypeAlias = Literal["party", "item", "location", "service", "unit"]
Way: TypeAlias = Literal["ours", "theirs"]
"""Which code a look-up gives: ours for one of theirs, or theirs for one of ours."""
Sought: TypeAlias = tuple[Kind, Way, str]
"""A look-up: the kind of code, which of the two is given, and the other one, which is known."""


class Rows:
    """Cross references that are known; None stands for one that is known not to be there."""

    def __init__(self, known: Mapping[Sought, str | None] | None = None, *, of: str = "") -> None:
        """`of` names the connection, for whoever has to add what is missing."""
        self.of = of
        self.wanted: set[Sought] = set()
        self._known = dict(known or {})

    def add(self, found: Mapping[Sought, str]) -> None:
        """Take in what was fetched: of all that was wanted, what is not among it is not there."""
        self._known |= dict.fromkeys(self.wanted)
        self._known |= found
        self.wanted = set()

    def find(self, sought: Sought) -> str | None:
        """The code that is sought; None where there is none, or where nobody has looked yet (`wanted`)."""
        if sought not in self._known:
            self.wanted.add(sought)
        return self._known.get(sought)

    @classmethod
    def all(cls, known: Mapping[Sought, str], *, of: str = "") -> Rows:
        """Those and no others: nothing has to be fetched."""
        return _Complete(known, of=of)


class _Complete(Rows):
    def find(self, sought: Sought) -> str | None:
        return self._known.get(sought)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where one field came from.

    source      a field of the input, as it is there
    worked out  several fields, or one and something done to it
    constant    the mapping itself
    default     the mapping's default: nothing stands in the input
    table       a row of a table of the mapping
    lookup      a row of the master data
    """

    field: str  # lines[0].unit
    kind: Literal["source", "worked out", "constant", "default", "table", "lookup"]
    value: Any = None
    source: str = ""  # path in the input, several with commas
    detail: str = ""  # the expression, or the row: `units: ctn`


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Why an input is not taken: where in what it should become, where in the input, and the mend.

    `code` is the type of exception that it is: `unmapped_value` for a code that nothing is known of.
    """

    message: str
    field: str = ""
    source: str = ""
    mend: str = ""
    code: Literal["unmapped_value", "rejected"] = "rejected"

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class Rejected(Refused):
    """The mapping does not take the input; `rejects` has every reason with its place.

    `where` is the path in the input of the first, so that its line can be told.
    """

    def __init__(self, rejects: Iterable[Reject], *, mapping: str = "") -> None:
        """Lay them out one a line."""
        self.rejects = tuple(rejects)
        first = self.rejects[0]
        self.code = "unmapped_value" if any(one.code == "unmapped_value" for one in self.rejects) else ""
        by = f"the mapping {mapping}: " if mapping else ""
        said = [f"{one.code}: {one}" if one.code == "unmapped_value" else str(one) for one in self.rejects]
        if len(said) == 1:
            super().__init__(by + said[0], where=first.source, mend=first.mend)
            return
        lines = "".join(
            f"\n  {one.source or one.field}: {text}{f' ({one.mend})' if one.mend else ''}"
            for one, text in zip(self.rejects, said, strict=True)
        )
        super().__init__(f"{by}{len(said)} reasons:{lines}", where=first.source)


def joined(source: str, path: str) -> str:
    """A path below a place in the input; the line of a file is told before its column."""
    return (", " if source.startswith("line ") else ".").join(part for part in (source, path) if part)


@dataclass(slots=True, kw_only=True)
class Work:
    """What filling a shape needs besides values, and what it leaves behind."""

    rows: Rows = field(default_factory=Rows)
    way: Way = "ours"
    sources: dict[str, str] = field(default_factory=dict)  # what names in expressions are called in the input
    origins: list[Origin] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)  # items of lists, and fields that came to nothing

    def source(self, expression: Expression) -> str:
        """The paths in the input that an expression names."""
        found = []
        for name, *steps in sorted(expression.paths):
            if name not in self.sources:
                if name not in ("tables", "n"):
                    found.append(".".join((name, *steps)))
                continue
            found.append(joined(self.sources[name], ".".join(steps)))
        return ", ".join(one for one in dict.fromkeys(found) if one)

    def item(self, listed: Expression, values: Values, item: object, n: int) -> str:
        """What an item of a list is called in the input: its place in the list that the expression names."""
        paths = sorted(listed.paths)
        if len(paths) != 1:
            return ""
        within: Any = values
        for step in paths[0]:
            within = within.get(step) if isinstance(within, Mapping) else None
        if isinstance(item, Row):
            return f"line {item.line}"
        place = n
        if isinstance(within, list):  # a filtered list holds the items themselves, at other places
            place = next((i for i, one in enumerate(within) if one is item), n)
        return f"{self.source(listed)}[{place}]"
