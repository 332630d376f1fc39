"""How the command line speaks: tables and colour to people, JSON to scripts, errors to both."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from crossdock.errors import Broken, CrossdockError, Refused, Unreachable
from crossdock.legible import visible

if TYPE_CHECKING:
    from crossdock.process.problems import Problem

_PIPED = 200  # columns where no terminal says how many: what is piped is not broken at 80


class Marked(str):
    """A text of ours whose words in square brackets are colours; all other texts are as they stand."""

    __slots__ = ()


class _Console(Console):
    """Texts of partners may hold what commands a terminal: it is shown, and does nothing."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(visible(text), **how)


console = _Console(width=None if sys.stdout.isatty() else _PIPED)
errors = _Console(stderr=True, width=None if sys.stderr.isatty() else _PIPED)

_NOT_A = ("NotAProcess", "NotAConnector", "NotAMapping")
_STATUS = {
    "active": "cyan",
    "held": "yellow",
    "cancelling": "magenta",
    "completed": "green",
    "cancelled": "dim",
    "failed": "red",
}
STATUSES = tuple(_STATUS)
"""All that a run may be."""


def as_json(value: Any) -> str:
    """One line of JSON."""
    return msgspec.json.encode(value, enc_hook=str).decode()


def say_json(value: Any, *, indent: int = -1) -> None:
    """Print JSON: one line, or indented for people."""
    try:
        sys.stdout.write(msgspec.json.format(as_json(value), indent=indent) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads, as `head`, has enough
        console.on_broken_pipe()


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """Print a table, or what to do next where there is nothing in it."""
    lines = [[_cell(cell) for cell in row] for row in rows]
    if not lines:
        console.print(f"[dim]{escape(empty)}[/dim]")
        return
    shown = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        shown.add_column(column, overflow="fold")
    for line in lines:
        shown.add_row(*line)
    console.print(shown)


def status(word: str) -> Marked:
    """A run's status in its colour."""
    colour = _STATUS.get(word)
    return Marked(f"[{colour}]{word}[/{colour}]" if colour else escape(word))


def tell(error: CrossdockError) -> None:
    """Say what happened, where, and the mend."""
    errors.print(f"[bold red]{escape(error.message)}[/bold red]", soft_wrap=True)
    if error.where:
        errors.print(f"  where: {escape(error.where)}", soft_wrap=True)
    if error.mend:  # it may be a command to copy
        errors.print(f"  mend:  {escape(error.mend)}", soft_wrap=True)


def tell_problems(problems: Iterable[Problem]) -> None:
    """Say what is wrong with a text: place, step, message and mend."""
    for problem in problems:
        colour = "red" if problem.severity == "error" else "yellow"
        step = f" step [bold]{escape(problem.step)}[/bold]:" if problem.step else ""
        place = escape(f"{problem.file}:{problem.line}:{problem.column}")
        word = " warning:" if problem.severity == "warning" else ""
        line = f"[{colour}]{place}:{word}[/{colour}]{step} {escape(problem.message)}"
        console.print(line, highlight=False, soft_wrap=True)
        if problem.mend:
            console.print(f"    [dim]mend:[/dim] {escape(problem.mend)}", highlight=False, soft_wrap=True)


@contextmanager
def told(*, json: bool = False) -> Iterator[None]:
    """Turn an error into words and an exit status: 1 refused, 3 not reachable, 4 our fault.

    One that nobody has foreseen is our fault; where it came from is told on standard error.
    """
    try:
        yield
    except CrossdockError as error:
        _end(error, json=json)
    except Exception as error:  # noqa: BLE001 - whatever it is, a script gets its one object
        traceback.print_exc()
        mend = "report it, with what stands above"
        _end(Broken(f"{type(error).__name__}: {error}", where="a fault in Crossdock", mend=mend), json=json)


def _end(error: CrossdockError, *, json: bool) -> NoReturn:
    if json:
        say_json(problem(error))
    else:
        tell(error)
    raise SystemExit(_exit_status(error)) from None


def problem(error: CrossdockError) -> Mapping[str, Any]:
    """An error for scripts; of a text that is no process or connector, with each of its problems."""
    told = {"error": type(error).__name__, "message": error.message, "where": error.where, "mend": error.mend}
    if type(error).__name__ in _NOT_A:  # the classes take a while to import
        return {**told, "problems": [asdict(one) for one in getattr(error, "problems", ())]}
    return told


def _exit_status(error: CrossdockError) -> int:
    if isinstance(error, Refused):
        return 1
    if isinstance(error, Unreachable):
        return 3
    return 4 if isinstance(error, Broken) else 1


def _cell(value: Any) -> str | Text:
    if value is None:
        return ""
    return value if isinstance(value, Marked) else Text(visible(str(value)))


def fields(pairs: Iterable[tuple[str, str]]) -> None:
    """What one thing says of itself, a line each; what is empty is left out."""
    for name, value in pairs:
        if value:
            console.print(f"  {name + ':':<12}{value}", highlight=False, markup=False)
