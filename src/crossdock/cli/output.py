"""How the command line speaks: tables and colour to people, JSON to scripts, errors to both."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crossdock.errors import Broken, CrossdockError, Refused, Unreachable

console = Console()
errors = Console(stderr=True)

_STATUS = {
    "active": "cyan",
    "held": "yellow",
    "cancelling": "magenta",
    "completed": "green",
    "cancelled": "dim",
    "failed": "red",
}


def as_json(value: Any) -> str:
    """One line of JSON."""
    return msgspec.json.encode(value, enc_hook=str).decode()


def say_json(value: Any) -> None:
    """Print one line of JSON."""
    sys.stdout.write(as_json(value) + "\n")
    sys.stdout.flush()


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


def status(word: str) -> str:
    """A run's status in its colour."""
    colour = _STATUS.get(word)
    return f"[{colour}]{word}[/{colour}]" if colour else escape(word)


def tell(error: CrossdockError) -> None:
    """Say what happened, where, and the mend."""
    errors.print(f"[bold red]{escape(error.message)}[/bold red]")
    if error.where:
        errors.print(f"  where: {escape(error.where)}")
    if error.mend:
        errors.print(f"  mend:  {escape(error.mend)}")


@contextmanager
def told(*, json: bool = False) -> Iterator[None]:
    """Turn an error of ours into words and an exit status: 1 refused, 3 not reachable, 4 our fault."""
    try:
        yield
    except CrossdockError as error:
        if json:
            say_json(problem(error))
        else:
            tell(error)
        raise SystemExit(_exit_status(error)) from None


def problem(error: CrossdockError) -> Mapping[str, str]:
    """An error for scripts."""
    return {"error": type(error).__name__, "message": error.message, "where": error.where, "mend": error.mend}


def _exit_status(error: CrossdockError) -> int:
    if isinstance(error, Refused):
        return 1
    if isinstance(error, Unreachable):
        return 3
    return 4 if isinstance(error, Broken) else 1


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith("[") and "[/" in value:
        return value  # markup of ours
    return escape(str(value))
