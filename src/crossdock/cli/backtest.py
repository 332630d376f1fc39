"""`crossdock backtest`: what past runs would have come to under a new version of their process."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape

from crossdock.cli.output import console, errors, say_json
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import NotFound

if TYPE_CHECKING:
    from crossdock.client import Operator
    from crossdock.client.shapes import Assumed, Difference, Proven

_EXAMPLES = 5  # told of each difference
_TITLES = {
    "end": "How cases end",
    "step": "Steps",
    "exception": "Exceptions",
    "person": "Who is asked",
    "time": "Times",
    "call": "Calls",
    "event": "Events to others",
    "result": "Results of rules",
}


def backtest(
    file: Annotated[Path, typer.Argument(help="The new version: a YAML file")],
    since: Annotated[
        str | None, typer.Option(metavar="30d", help="Runs that began in so long; all without")
    ] = None,
    process: Annotated[
        str | None, typer.Option(help="The process whose runs are taken, if it has another name in the file")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="So many runs at most, the newest", min=1)] = None,
    assume: Annotated[
        bool,
        typer.Option(
            "--assume",
            help="Answer what a case holds no answer to: as other content was, or done; approvals given",
        ),
    ] = False,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Play past runs under a new version of their process, and tell what would have been otherwise.

    Events come as they came, answers as they were given, deadlines as they fall. Nothing is written, and
    nobody is asked. Where a case holds no answer to what the new version asks, that is told, not guessed.
    """

    async def act(operator: Operator) -> None:
        from crossdock.installed import read_text  # what it belongs to takes a while to import

        found = await _proved(operator, process, read_text(file), since, limit, assume=assume)
        if json:
            say_json({n: v for n, v in msgspec.to_builtins(found).items() if n != "next"})
        else:
            _tell(found)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


async def differs(operator: Operator, text: str, *, since: str, json: bool) -> bool:
    """Prove a text before it is published, and tell what differs. What is new differs in nothing."""
    try:
        found = await _proved(operator, None, text, since, None, assume=False)
    except NotFound:
        return False
    if json:
        errors.print(f"{found.process}: {_totals(found)}", highlight=False)
    else:
        _tell(found)
    return found.same < found.cases


async def _proved(
    operator: Operator, name: str | None, text: str, since: str | None, limit: int | None, *, assume: bool
) -> Proven:
    """All parts as one; how far it is goes to who waits."""
    from crossdock.process.publish import name_in  # what it belongs to takes a while to import

    whole: Proven | None = None
    async for part in operator.backtest(name or name_in(text), text, within=since, most=limit, assume=assume):
        whole = part if whole is None else _both(whole, part)
        if part.left:
            errors.print(f"[dim]{whole.cases:,} proved, {whole.left:,} left[/dim]", highlight=False)
    assert whole is not None  # noqa: S101 - there is always one part
    return whole


def _both(one: Proven, other: Proven) -> Proven:
    return msgspec.structs.replace(
        other,
        cases=one.cases + other.cases,
        same=one.same + other.same,
        different=one.different + other.different,
        undecided=one.undecided + other.undecided,
        differences=_joined([*one.differences, *other.differences]),
        questions=_joined([*one.questions, *other.questions]),
        assumed=_summed([*one.assumed, *other.assumed]),
    )


def _joined(found: Iterable[Difference]) -> list[Difference]:
    """The same of several parts once, what most cases have first."""
    groups: dict[tuple[str, str, str], Difference] = {}
    for one in found:
        name = (one.kind, one.step, one.what)
        known = groups.get(name)
        if known is not None:
            examples = [*known.examples, *one.examples][:_EXAMPLES]
            one = msgspec.structs.replace(one, count=known.count + one.count, examples=examples)  # noqa: PLW2901
        groups[name] = one
    return sorted(groups.values(), key=lambda group: -group.count)


def _summed(found: Iterable[Assumed]) -> list[Assumed]:
    sums: dict[str, Assumed] = {}
    for one in found:
        known = sums.get(one.what)
        sums[one.what] = one if known is None else msgspec.structs.replace(one, count=known.count + one.count)
    return list(sums.values())


def _totals(found: Proven) -> str:
    said = (
        f"{found.cases:,} cases: {found.same:,} the same, {found.different:,} otherwise, "
        f"{found.undecided:,} not known"
    )
    return f"{said}; {found.left:,} older ones were not looked at" if found.left else said


def _tell(found: Proven) -> None:
    console.print(
        f"[bold]{escape(found.process)}[/bold] {found.version[:10]} on {_totals(found)}", highlight=False
    )
    for kind, title in _TITLES.items():
        _groups(title, [one for one in found.differences if one.kind == kind])
    _groups("Not known: these cases hold no answer to it, and are played no further", found.questions)
    if found.assumed:
        console.print("[bold]Assumed[/bold]")
        for one in found.assumed:
            console.print(f"  {one.count:>6,}  {escape(one.what)}", highlight=False)


def _groups(title: str, groups: list[Difference]) -> None:
    if not groups:
        return
    console.print(f"[bold]{title}[/bold]")
    for one in groups:
        step = f"{one.step}: " if one.step else ""
        console.print(f"  {one.count:>6,}  {escape(step + one.what)}", highlight=False)
        for example in one.examples[:2]:
            detail = f": {example.detail}" if example.detail else ""
            console.print(
                f"          [dim]{escape(example.key + detail)}[/dim]", highlight=False, soft_wrap=True
            )
