"""`crossdock connections`: the outside systems: add one, see whether it works, stop it, let it drain."""

from __future__ import annotations

import json as jsons
import sys
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape

from crossdock.cli.given import read_json
from crossdock.cli.output import Marked, console, say_json, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from crossdock.client import Operator
    from crossdock.client.shapes import Connection, Connector, Health

connections = typer.Typer(
    help="The outside systems: add one, see whether it works, stop it.", no_args_is_help=True
)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The connection")]
_Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="SETTING=VALUE", help="A setting; may be given again")
]
_Secrets = Annotated[
    Path | None, typer.Option("--secrets", help="A JSON file of secrets by name; - reads standard input")
]
_Environment = Annotated[
    str | None, typer.Option(help="production, or sandbox: only runs that are in test call it")
]
_Concurrency = Annotated[int | None, typer.Option(help="Calls at one time, over all workers", min=1)]
_Rate = Annotated[float | None, typer.Option(help="Calls a second, over all workers", min=0)]
_Mapping = Annotated[
    str | None, typer.Option(help="A published mapping: what comes in and goes out passes through it")
]
_UNITS = {"s": 1, "m": 60, "h": 3600}
_STATE = {
    "stopped": Marked("[yellow]stopped[/yellow]"),
    "failing": Marked("[red]breaker open[/red]"),
}
_OPEN = Marked("[green]open[/green]")


@connections.command("list")
def list_(directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False) -> None:
    """List connections, and what waits for them."""

    async def act(operator: Operator) -> None:
        found = [one async for one in operator.connections()]
        if json:
            for one in found:
                _say(one)
            return
        table(
            "Connections",
            ["name", "system", "connector", "environment", "state", "wait", "out", "failures"],
            [
                (
                    one.name,
                    one.system,
                    one.connector,
                    one.environment,
                    _STATE.get(one.status, _OPEN),
                    one.waiting,
                    one.out,
                    one.failures,
                )
                for one in found
            ],
            empty="No connections yet. Add one: crossdock connections add NAME --connector CONNECTOR",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@connections.command()
def health(directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False) -> None:
    """Tell how calls went within the last hour: last success, errors, length, lag of feeds, quota left."""

    async def act(operator: Operator) -> None:
        found = [one async for one in operator.connections()]
        if json:
            for one in found:
                say_json(
                    {"name": one.name, "environment": one.environment, **msgspec.to_builtins(one.health)}
                )
            return
        table(
            "Health, times in UTC",
            ["name", "last success", "calls", "errors", "p50", "p95", "feeds read", "quota left"],
            [
                (
                    one.name,
                    _at(one.health.last_success) or "never",
                    one.health.calls,
                    _share(one.health.error_rate),
                    _length(one.health.p50),
                    _length(one.health.p95),
                    _lag(one.health.lag) if one.health.feeds else "",
                    _quota(one.health),
                )
                for one in found
            ],
            empty="No connections yet. Add one: crossdock connections add NAME --connector CONNECTOR",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@connections.command()
def show(
    name: _Name, directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False
) -> None:
    """Show one: its settings, how its calls went, how far its feeds are read, what quota is left."""

    async def act(operator: Operator) -> None:
        one = await operator.connection(name)
        if json:
            _say(one)
            return
        health = one.health
        lines = [
            ("connector", f"{one.connector}, serves {one.system}"),
            ("environment", one.environment),
            *([("mapping", one.mapping)] if one.mapping else []),
            *(("setting " + name, str(value)) for name, value in one.settings.items()),
            ("state", _STATE.get(one.status, _OPEN)),
            *([("stopped", f"{_at(one.stopped)} by {one.stopped_by or 'somebody'}")] if one.stopped else []),
            ("calls that wait", f"{one.waiting}, {one.out} are out"),
            ("last success", _at(health.last_success) or "never"),
            ("last failure", _at(health.last_failure) or "never"),
            ("last hour", f"{health.calls} calls, {health.failed} failed, {health.refused} refused"),
            ("error rate", _share(health.error_rate) or "no calls"),
            ("length of calls", f"p50 {_length(health.p50) or '-'}, p95 {_length(health.p95) or '-'}"),
            ("quota left", _quota(health) or "not told"),
            *(
                (f"feed {feed.name}", f"read to its end {_lag(feed.lag)}, {feed.failures} failures in a row")
                for feed in health.feeds
            ),
        ]
        table(one.name, ["", ""], [(what, said) for what, said in lines], empty="")

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@connections.command()
def connectors(
    connector: Annotated[str | None, typer.Argument(help="What a connection of this one needs")] = None,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """List the connectors that are installed, or what a connection of one is told."""

    async def act(operator: Operator) -> None:
        found = (
            [one async for one in operator.connectors()]
            if connector is None
            else [await operator.connector(connector)]
        )
        if json:
            for one in found:
                _say(one)
        elif connector is None:
            table(
                "Connectors",
                ["name", "", "serves"],
                [(one.name, one.title, ", ".join(one.serves)) for one in found],
                empty="No connectors are installed.",
            )
        else:
            table(found[0].title, ["", "name", "", "what it is"], list(_needs(found[0])), empty="Nothing.")

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@connections.command()
def add(
    name: _Name,
    connector: Annotated[str, typer.Option(help="Its connector; see crossdock connections connectors")],
    system: Annotated[str | None, typer.Option(help="The contract that it serves, of several")] = None,
    set_: _Set = None,
    secrets: _Secrets = None,
    environment: _Environment = None,
    concurrency: _Concurrency = None,
    rate: _Rate = None,
    mapping: _Mapping = None,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Add a connection. At a terminal, what its connector needs and was not given is asked for."""

    async def act(operator: Operator) -> None:
        asked = await operator.connector(connector)
        settings = _settings(set_ or [], asked)
        texts = {} if secrets is None else _secret_texts(secrets)
        if sys.stdin.isatty() and not json:
            _ask_for_the_rest(asked, settings, texts)
        given = {"connector": connector, "settings": settings, "secrets": texts}
        given |= {"system": system} if system else {}
        given |= _limits(environment, concurrency, rate, mapping)
        made = await operator.put_connection(name, given, new=True)
        _told(made, f"{name} is added. See whether it works: crossdock connections test {name}", json=json)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@connections.command()
def edit(
    name: _Name,
    set_: _Set = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="SETTING", help="Leave a setting to its default")
    ] = None,
    environment: _Environment = None,
    concurrency: _Concurrency = None,
    rate: _Rate = None,
    mapping: _Mapping = None,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Change settings and limits of a connection; what is not given stays. Secrets: crossdock secrets set."""

    async def act(operator: Operator) -> None:
        before = await operator.connection(name)
        asked = await operator.connector(before.connector)
        settings = {**before.settings, **_settings(set_ or [], asked)}
        for setting in unset or []:
            settings.pop(setting, None)
        given: dict[str, Any] = {
            "connector": before.connector,
            "system": before.system,
            "environment": before.environment,
            "settings": settings,
        }
        given |= {"concurrency": before.concurrency} if before.concurrency is not None else {}
        given |= {"rate": before.rate} if before.rate is not None else {}
        given |= {"mapping": before.mapping} if before.mapping is not None else {}
        given |= _limits(environment, concurrency, rate, mapping)
        made = await operator.put_connection(name, given)
        _told(made, f"{name} is changed.", json=json)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@connections.command("test")
def look(
    name: _Name, directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False
) -> None:
    """See whether a connection works: address, name, TLS, sign-in, answer. Status 1 if it does not."""

    async def act(operator: Operator) -> bool:
        found = await operator.test_connection(name)
        if json:
            _say(found)
            return found.good
        for one in found.findings:
            mark = "[green]ok [/green]" if one.good else "[red]BAD[/red]"
            console.print(f"{mark} [bold]{one.step}[/bold] {escape(one.detail)}", highlight=False)
            if one.mend:
                console.print(f"      [dim]mend:[/dim] {escape(one.mend)}", highlight=False)
        return found.good

    if not ask(Where(directory=directory, url=url, key=key), act, json=json):
        raise SystemExit(1)


@connections.command()
def stop(
    name: _Name,
    stand_still: Annotated[
        bool,
        typer.Option("--stand-still", help="Deadlines of runs that wait for it are put off by as long"),
    ] = False,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Let no call of a connection leave: they wait in order, and are counted. What comes in is kept."""

    async def act(operator: Operator) -> None:
        one = await operator.stop(name, stand_still=stand_still)
        said = f"{name} is stopped. Start it again: crossdock connections start {name} --rate 5"
        _told(one, said, json=json)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@connections.command()
def start(
    name: _Name,
    rate: Annotated[
        float | None, typer.Option(help="So many calls a second, until all that waited have left")
    ] = None,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Let calls of a connection leave again, those that waited in their order."""

    async def act(operator: Operator) -> None:
        if rate is not None and not 0 < rate < inf:
            raise Refused(f"{rate} is no rate", where="--rate", mend="give calls a second, such as 5")
        one = await operator.go_on(name, drain_rate=rate)
        _told(one, f"{name} is started. {one.waiting} calls wait to leave.", json=json)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@connections.command()
def record(
    name: _Name,
    for_: Annotated[
        str, typer.Option("--for", help="How long: 10m, 90s, 2h; 0s ends it and keeps what there is")
    ] = "10m",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Record requests and answers for a while, without secrets and personal data."""

    async def act(operator: Operator) -> None:
        one = await operator.record(name, seconds=_seconds(for_))
        until = f" until {_at(one.record_until)}" if one.record_until else " no more"
        said = f"{name} is recorded{until}. Write it out: crossdock connections recording {name} --out FILE"
        _told(one, said, json=json)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@connections.command()
def recording(
    name: _Name,
    out: Annotated[Path | None, typer.Option(help="The file; without it, standard output")] = None,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Write out what was recorded, as a HAR file. Play it back: crossdock sandbox --replay FILE"""

    async def act(operator: Operator) -> None:
        found = await operator.recording(name)
        if out is None:
            sys.stdout.write(jsons.dumps(found, indent=1, ensure_ascii=False) + "\n")
            return
        try:
            out.write_text(jsons.dumps(found, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            raise Refused(
                f"it cannot be written: {error.strerror}", where=str(out), mend="name another file"
            ) from None
        entries = len(found["log"]["entries"])
        if json:
            say_json({"connection": name, "entries": entries, "file": str(out)})
        else:
            console.print(f"{entries} requests with their answers are in {out}.", highlight=False)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@connections.command()
def remove(
    name: _Name, directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False
) -> None:
    """Remove a connection with its secrets. Refused while calls wait for it or are out."""

    async def act(operator: Operator) -> None:
        gone = await operator.remove_connection(name)
        _told(gone, f"{name} is removed.", json=json)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


def _settings(given: Sequence[str], connector: Connector) -> dict[str, Any]:
    """`name=value` as the connector's schema has it: a text is taken as it stands, all else as JSON."""
    properties: Mapping[str, Any] = connector.settings.get("properties", {})
    found: dict[str, Any] = {}
    for one in given:
        name, there, text = one.partition("=")
        if not there:
            raise Refused(f"{one!r} is no setting", where="--set", mend="write NAME=VALUE")
        found[name] = _value(text, properties.get(name, {}))
    return found


def _value(text: str, schema: Mapping[str, Any]) -> Any:
    if schema.get("type", "string") == "string":
        return text
    try:
        return jsons.loads(text)
    except ValueError:
        return text  # the server says what is wanted


def _secret_texts(file: Path) -> dict[str, Any]:
    found = read_json(file)
    if not isinstance(found, dict):
        raise Refused("secrets are named texts", where=str(file), mend='write {"NAME": "TEXT"}')
    return found


def _ask_for_the_rest(connector: Connector, settings: dict[str, Any], secrets: dict[str, Any]) -> None:
    """At a terminal: what the schema needs and was not given. Texts of secrets are not shown."""
    properties: Mapping[str, Any] = connector.settings.get("properties", {})
    for name in connector.settings.get("required", []):
        if name not in settings:
            said = properties[name].get("description", "")
            settings[name] = _value(typer.prompt(f"{name} ({said})" if said else name), properties[name])
    for name, said in connector.secrets.items():
        if name not in secrets:
            text = typer.prompt(
                f"{name} ({said}; not shown)" if said else f"{name} (not shown)",
                hide_input=True,
                default="",
                show_default=False,
            )
            if text:
                secrets[name] = text


def _limits(
    environment: str | None, concurrency: int | None, rate: float | None, mapping: str | None
) -> dict[str, Any]:
    given = {"environment": environment, "concurrency": concurrency, "rate": rate, "mapping": mapping}
    return {name: value for name, value in given.items() if value is not None}


def _needs(connector: Connector) -> list[tuple[str, str, str, str]]:
    needed = connector.settings.get("required", [])
    rows = []
    for name, schema in connector.settings.get("properties", {}).items():
        default = f"default {schema['default']}" if "default" in schema else "optional"
        rows.append(("setting", name, "needed" if name in needed else default, schema.get("description", "")))
    return rows + [("secret", name, "", said) for name, said in connector.secrets.items()]


def _told(one: Connection, said: str, *, json: bool) -> None:
    if json:
        _say(one)
    else:
        console.print(said, highlight=False)


def _say(one: Any) -> None:
    say_json(msgspec.to_builtins(one))


def _at(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def _seconds(text: str) -> float:
    number, unit = text[:-1], _UNITS.get(text[-1:], 0)
    if not unit or not number.isdecimal():
        raise Refused(f"{text!r} is no length of time", where="--for", mend="write it as 10m, 90s or 2h")
    return float(int(number) * unit)


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _length(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:,.0f} ms"


def _quota(health: Health) -> str:
    if health.quota_left is None:
        return ""
    of = f" of {health.quota_limit:g}" if health.quota_limit is not None else ""
    more = f", more at {_at(health.quota_resets)}" if health.quota_resets else ""
    return f"{health.quota_left:g}{of}{more}"


def _lag(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:,.0f} s ago"
