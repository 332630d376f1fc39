"""The command line: one module a group of commands, each starting what `assemble` builds."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Annotated

import structlog
import typer

from crossdock.cli.access import access
from crossdock.cli.audit import audit
from crossdock.cli.check import check
from crossdock.cli.connections import connections
from crossdock.cli.connector import connector
from crossdock.cli.demo import demo
from crossdock.cli.doctor import doctor
from crossdock.cli.graphql import graphql
from crossdock.cli.key import key
from crossdock.cli.limits import limits
from crossdock.cli.move import move
from crossdock.cli.person import person
from crossdock.cli.personal import personal
from crossdock.cli.provider import provider
from crossdock.cli.repair import repair, retry
from crossdock.cli.runs import cancel, events, replay, run, runs
from crossdock.cli.sandbox import sandbox
from crossdock.cli.schema import schema
from crossdock.cli.secrets import secrets
from crossdock.cli.serving import serve, worker
from crossdock.cli.tenant import tenant
from crossdock.cli.translate import translate
from crossdock.cli.try_ import try_

__all__ = ["main"]


def _say_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"crossdock {importlib.metadata.version('crossdock')}\n")
        raise SystemExit(0)


_app = typer.Typer(
    name="crossdock",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
_app.command()(demo)
_app.command()(serve)
_app.command()(worker)
_app.command()(check)
_app.command("try")(try_)
_app.command()(run)
_app.command()(runs)
_app.command()(events)
_app.command()(retry)
_app.command()(repair)
_app.command()(move)
_app.command()(cancel)
_app.command()(replay)
_app.command()(connections)
_app.add_typer(secrets, name="secrets")
_app.command()(translate)
_app.add_typer(connector, name="connector")
_app.command()(schema)
_app.command()(sandbox)
_app.command()(doctor)
_app.add_typer(access, name="access")
_app.add_typer(audit, name="audit")
_app.add_typer(tenant, name="tenant")
_app.add_typer(key, name="key")
_app.add_typer(person, name="person")
_app.add_typer(personal, name="personal")
_app.add_typer(provider, name="provider")
_app.add_typer(limits, name="limits")
_app.add_typer(graphql, name="graphql")


@_app.callback()
def _before(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say which release this is"),
    ] = False,
) -> None:
    """Orders, deliveries, returns and claims across ERP, warehouse, transport and carriers."""


def main() -> None:
    """Run the command that the arguments name. What it says goes to standard output, its log to the other."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    _app()
