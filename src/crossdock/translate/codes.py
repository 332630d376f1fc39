"""Cross references: one of our codes and one of theirs, for what both have. Their lines in a CSV file.

    kind,ours,theirs,direction
    item,10041,ACME-41,
    unit,EA,ea,both
    unit,EA,stk,in

`in`: only what comes from them is read so. `out`: only what goes to them is written so. `both`, or nothing:
either way. One of their codes means one of ours, and one of ours is told by one of theirs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

import msgspec

from crossdock.errors import Refused
from crossdock.process.problems import nearest
from crossdock.translate.work import KINDS, Kind, Sought

Direction: TypeAlias = Literal["both", "in", "out"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
COLUMNS = ("kind", "ours", "theirs", "direction")
LONGEST = 200  # letters of a code


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """One cross reference."""

    kind: Kind
    ours: str
    theirs: str
    direction: Direction = "both"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a file: what stands in it, or what is wrong with it."""

    line: int
    code: Code | None = None
    problem: str = ""
    mend: str = ""


def checked(kind: str, ours: str, theirs: str, direction: str = "both") -> Code:
    """A cross reference of these. Raises `Refused` with the field."""
    kinds: tuple[Kind, ...] = get_args(Kind)
    known = next((one for one in kinds if one == kind), None)
    if known is None:
        raise Refused(f"there is no kind `{kind}`", where="kind", mend=nearest(kind, KINDS))
    way = next((one for one in DIRECTIONS if one == (direction or "both")), None)
    if way is None:
        raise Refused(f"`{direction}` is no direction", where="direction", mend="write both, in or out")
    for name, code in (("ours", ours), ("theirs", theirs)):
        if not code.strip():
            raise Refused(f"no code of {name}", where=name, mend="give both codes")
        if len(code) > LONGEST or "\0" in code:
            raise Refused(f"`{code[:40]}` is no code", where=name, mend=f"give at most {LONGEST} letters")
    return Code(kind=known, ours=ours.strip(), theirs=theirs.strip(), direction=way)


def read_lines(text: str) -> list[Line]:
    """The lines of a CSV file, good or bad. Raises `Refused` where it is no such file."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    names = [name.strip() for name in reader.fieldnames or ()]
    missing = [name for name in COLUMNS[:3] if name not in names]
    if missing:
        raise Refused(
            f"there is no column `{missing[0]}`", where="line 1", mend=f"begin with `{','.join(COLUMNS)}`"
        )
    strange = [name for name in names if name not in COLUMNS]
    if strange:
        raise Refused(f"unknown column `{strange[0]}`", where="line 1", mend=nearest(strange[0], COLUMNS))
    reader.fieldnames = names
    found = []
    try:
        for row in reader:
            if None in row or None in (row.get(name) for name in COLUMNS[:3]):
                mend = "put a cell with a comma in it in quotes"
                found.append(
                    Line(line=reader.line_num, problem="it has too many or too few cells", mend=mend)
                )
                continue
            try:
                code = checked(
                    row["kind"].strip(), row["ours"], row["theirs"], (row.get("direction") or "").strip()
                )
            except Refused as error:
                found.append(Line(line=reader.line_num, problem=error.message, mend=error.mend))
            else:
                found.append(Line(line=reader.line_num, code=code))
    except csv.Error as error:
        raise Refused(f"it is no CSV: {error}", where=f"line {reader.line_num}") from None
    return found


def sought(codes: Iterable[Code]) -> dict[Sought, str]:
    """What look-ups find in these."""
    found: dict[Sought, str] = {}
    for one in codes:
        if one.direction != "out":
            found[one.kind, "ours", one.theirs] = one.ours
        if one.direction != "in":
            found[one.kind, "theirs", one.ours] = one.theirs
    return found
