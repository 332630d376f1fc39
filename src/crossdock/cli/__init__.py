"""The command line: one module a group of commands, each imported when it is given.

What some of them stand on takes seconds to import, and is not needed to ask a server elsewhere.
"""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Any

import structlog
import typer
import typer.core
import typer.main

__all__ = ["everything", "main"]

# By name: its module, what it is called there, and what it says of itself.
_COMMANDS = {
    "demo": (
        "demo",
        "demo",
        "Play order to cash on real orders (SCMS, 2006-2015) against seven sandbox systems.",
    ),
    "serve": (
        "serving",
        "serve",
        "Run an installation: pages, webhooks and a worker. An empty directory is enough to begin with.",
    ),
    "worker": (
        "serving",
        "worker",
        "Run one more worker on the same database. Any number may run, here or elsewhere.",
    ),
    "check": (
        "check",
        "check",
        "Say what is wrong with processes and mappings: file, line, step and mend. Status 1 if anything is.",
    ),
    "try": ("try_", "try_", "Run a process in memory: no database, no partners, no waiting."),
    "backtest": (
        "backtest",
        "backtest",
        "Play past runs under a new version of their process, and tell what would have been otherwise.",
    ),
    "run": ("runs", "run", "Start a run of a process by hand. Refused where a run of that key is live."),
    "runs": ("runs", "runs", "List runs, newest first, or show one with all that happened in it."),
    "events": (
        "runs",
        "events",
        "What no run has: events not claimed yet or refused, and what partners sent that could not be read.",
    ),
    "retry": (
        "repair",
        "retry",
        "Try a held step again: of one run, or of all runs with one cause (counted, a few first).",
    ),
    "repair": ("repair", "repair", "Repair one run, or all runs with one cause (counted, a few first)."),
    "reconcile": (
        "reconcile",
        "reconcile",
        "Compare the systems with what stands here, and show what differs. Status 1 if anything does.",
    ),
    "move": (
        "move",
        "move",
        "Let runs go on under the newest version of their process, where their history is valid under it.",
    ),
    "cancel": ("runs", "cancel", "Cancel a run: what was done is undone, newest first."),
    "replay": (
        "runs",
        "replay",
        "Decide the events of runs again, and compare with what is stored. Status 1 if any differs.",
    ),
    "tasks": ("tasks", "tasks", "Approvals and tasks: what waits for people."),
    "exceptions": ("tasks", "exceptions", "Exceptions: what went otherwise."),
    "proposals": ("proposals", "proposals", "What assistants propose, for people to decide."),
    "process": ("process", "process", "Processes that new runs take."),
    "connections": (
        "connections",
        "connections",
        "The outside systems: add one, see whether it works, stop it.",
    ),
    "secrets": ("secrets", "secrets", "The secrets of connections, and the keys that seal them."),
    "translate": (
        "translate",
        "translate",
        "Print the events that a payload of a connector's system becomes, as webhooks and feeds read it.",
    ),
    "map": ("mappings", "map_", "Mappings: a partner's words and ours."),
    "codes": ("codes", "codes", "Master data: partners' codes and ours."),
    "connector": ("connector", "connector", "Make connectors to systems that none is there for."),
    "schema": (
        "schema",
        "schema",
        "Print a JSON Schema, for editors and for partners, or list which there are.",
    ),
    "sandbox": (
        "sandbox",
        "sandbox",
        "Start an ERP, a warehouse, a transport planner, three carriers and a mailbox to play against.",
    ),
    "doctor": (
        "doctor",
        "doctor",
        "Look at everything that has to be right, and say what is not. Status 1 if anything is not.",
    ),
    "access": ("access", "access", "Who may do what, and why."),
    "audit": ("audit", "audit", "Who did what, and whether that is still what was recorded."),
    "tenant": ("tenant", "tenant", "Who shares this installation."),
    "key": ("key", "key", "Keys, by which programs show who they are."),
    "person": ("person", "person", "People and their roles."),
    "personal": ("personal", "personal", "Personal data: sealed, found and erased."),
    "provider": ("provider", "provider", "Identity providers, where people sign in."),
    "limits": ("limits", "limits", "How often a tenant and its keys may ask."),
    "graphql": ("graphql", "graphql", "Queries of the graph that are let in by their hash."),
}
_HOW: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": "rich",
    "pretty_exceptions_enable": False,
}


class _Commands(typer.core.TyperGroup):
    """All of them by what they say of themselves; one that is given is imported."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        for name, (_, _, says) in _COMMANDS.items():
            self.add_command(typer.core.TyperCommand(name, help=says, callback=None))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find what the first word names."""
        if args and args[0] in _COMMANDS:
            made = typer.main.get_group(_with(typer.Typer(**_HOW), args[0]))
            self.add_command(made.commands[args[0]])
        return super().resolve_command(ctx, args)


def _with(app: typer.Typer, name: str) -> typer.Typer:
    module, attribute, _ = _COMMANDS[name]
    one = getattr(importlib.import_module(f"crossdock.cli.{module}"), attribute)
    if isinstance(one, typer.Typer):
        app.add_typer(one, name=name)
    else:
        app.command(name)(one)
    return app


def everything() -> typer.Typer:
    """All commands, imported."""
    app = typer.Typer(name="crossdock", **_HOW)
    for name in _COMMANDS:
        _with(app, name)
    return app


def _say_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata  # for this alone

        sys.stdout.write(f"crossdock {importlib.metadata.version('crossdock')}\n")
        raise SystemExit(0)


_app = typer.Typer(name="crossdock", cls=_Commands, no_args_is_help=True, **_HOW)


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
