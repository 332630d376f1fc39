"""`crossdock demo`: the main job on real orders, from nothing to a summary, with pages meanwhile."""

from __future__ import annotations

import contextlib
import functools
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

import typer
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crossdock.assemble import System, opened
from crossdock.cli.output import console, errors, say_json, table, told
from crossdock.cli.place import HERE, interrupted, run, settings_in
from crossdock.cli.serving import pages
from crossdock.demo.director import Director
from crossdock.demo.orders import DemoOrder, load, outage
from crossdock.demo.partners import Partners, partners
from crossdock.demo.stand_in import NAME, StandIn
from crossdock.demo.summary import summary
from crossdock.demo.tally import Tally
from crossdock.demo.tryton import Company, OnTryton, running
from crossdock.errors import Refused
from crossdock.settings import Settings

_MOST_ORDERS = 4965
_ORDERS = 300
_ORDERS_ON_TRYTON = 8  # it takes seconds for each
# The clocks of the two sides are up to an hour apart: what has moved is compared later than that.
_SETTINGS = {"approval_limit": "1000000", "reconcile": {"grace": "2 hours"}}
_CALENDARS = {
    name: {"name": name, "zone": "UTC", "hours": {"mon-fri": "08:00-18:00"}}
    for name in ("default", "RDC", "DIRECT")
}


class TheErp(StrEnum):
    """Which ERP has the orders."""

    SANDBOX = "sandbox"
    TRYTON = "tryton"


def demo(
    orders: Annotated[
        int | None,
        typer.Option(
            help=f"So many real orders; {_ORDERS}, or {_ORDERS_ON_TRYTON} with Tryton, unless said",
            min=1,
            max=_MOST_ORDERS,
        ),
    ] = None,
    erp: Annotated[
        TheErp, typer.Option(help="The ERP: the sandbox's, or Tryton, installed apart and started for it")
    ] = TheErp.SANDBOX,
    leave: Annotated[
        bool, typer.Option("--exit", help="End after the summary; 0 if the ledgers agree")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="The summary as one JSON object on the last line")
    ] = False,
    port: Annotated[
        int | None, typer.Option(help="Where the pages are served; 0 takes a free port", min=0, max=65_535)
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Keep the database in this directory")] = None,
    processes: Annotated[
        Path | None, typer.Option(help="A folder of processes that replace packaged ones")
    ] = None,
    patience: Annotated[
        float | None,
        typer.Option(help="Seconds an approval waits for you before the stand-in decides", min=0),
    ] = None,
) -> None:
    """Play order to cash on real orders (SCMS, 2006-2015) against seven sandbox systems.

    Open the page it names and decide approvals and exceptions while it runs; a stand-in decides the rest.
    """
    interactive = sys.stdout.isatty() and not json
    leave = leave or not interactive
    waits = patience if patience is not None else 0.0 if leave else 15.0
    with told(json=json), contextlib.ExitStack() as stack:
        place = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crossdock-demo-")))
        holds = run(
            _play(
                place,
                orders or (_ORDERS_ON_TRYTON if erp is TheErp.TRYTON else _ORDERS),
                erp,
                port,
                processes,
                patience=waits,
                leave=leave,
                json=json,
                live=interactive,
                durable=data is not None,
            )
        )
    if not holds:
        raise SystemExit(1)


async def _play(
    place: Path,
    count: int,
    erp: TheErp,
    port: int | None,
    processes: Path | None,
    *,
    patience: float,
    leave: bool,
    json: bool,
    live: bool,
    durable: bool,
) -> bool:
    played = load(count)
    start = played[0].released - timedelta(hours=2)
    if erp is TheErp.TRYTON:
        start = datetime.now(UTC)  # which is when Tryton lives
    _say(json, f"Setting up in {place} ...")
    settings = _apart(place, processes)
    async with contextlib.AsyncExitStack() as stack:
        system = await stack.enter_async_context(opened(settings, set_up=True, durable=durable))
        await _refuse_used(system)
        await system.clock.set(start, rate=0)
        by = system.whoever("demo")
        await system.acts.settings.change(by, settings=_SETTINGS, calendars=_CALENDARS)
        sandbox = await stack.enter_async_context(partners(start))
        if erp is TheErp.TRYTON:
            say = functools.partial(_say, json)
            house = await stack.enter_async_context(running(say))
            company = Company(await house.admin())
            sandbox = OnTryton(sandbox.services, sandbox.session, house=house, company=company)
            played = await sandbox.sell(played, start, say)
        await system.acts.connections.put(by, sandbox.connections(), where="demo")
        url = await stack.enter_async_context(pages(system, port=port, fallback=True))
        await sandbox.prepare(played, f"{url}/hooks/{system.tenant.name}")
        await stack.enter_async_context(system.worker())
        _say(json, f"Pages: {url}   (runs, the desk with approvals and exceptions)")
        away = outage(played)
        _say(json, f"Partners: {_addresses(sandbox)}")
        _say(
            json,
            f"{away.system} does not answer from {away.begins:%-d %B %Y, %H:%M} to {away.ends:%H:%M}; "
            "POST /faults to a partner makes more trouble (crossdock sandbox)",
        )
        tally = Tally(system.database, system.tenant)
        screen = stack.enter_context(_Screen(tally, played, live=live))
        director = Director(
            system=system,
            partners=sandbox,
            stand_in=StandIn(system.history, system.inbox, system.tenant, patience),
            tally=tally,
            orders=played,
            outages=[away],
            show=screen.show,
        )
        began = time.monotonic()
        await director.play()
        result = await summary(sandbox, tally, played, [away], time.monotonic() - began)
        screen.close()
        if json:
            say_json(result)
        else:
            _print(result)
        if not leave:
            console.print(f"\nThe pages stay up: [bold]{url}[/bold]   Ctrl-C ends.")
            await interrupted()
        return bool(result["ledger"]["holds"])


def _apart(place: Path, processes: Path | None) -> Settings:
    """Settings that touch nothing of an installation that may be here: its database, its connections."""
    if processes is not None and not processes.is_dir():
        raise Refused("there is no such folder", where=str(processes), mend="name a folder of processes")
    return settings_in(
        HERE,
        data=str(place.absolute()),
        database_url="",
        tls_certificate="",
        tls_key="",
        tenant="default",
        connections=str(place.absolute() / "connections.yaml"),
        processes=str(processes.absolute()) if processes is not None else None,
    )


async def _refuse_used(system: System) -> None:
    """The demo sets the clock back by years, so it begins with an empty database or not at all."""
    if await system.history.counts(system.tenant):
        data = system.settings.data
        raise Refused(
            "there are runs in it already, and the demo begins with an empty database",
            where=str(data),
            mend=f"name another directory, or look at what is there: CROSSDOCK_DATA={data} crossdock serve",
        )


def _addresses(sandbox: Partners) -> str:
    return "  ".join(f"{name} {url}" for name, url in sandbox.addresses().items())


def _say(json: bool, words: str) -> None:
    (errors if json else console).print(words, highlight=False)


class _Screen(contextlib.AbstractContextManager["_Screen"]):
    """A live table in a terminal, a line now and then elsewhere."""

    def __init__(self, tally: Tally, orders: list[DemoOrder], *, live: bool) -> None:
        self._tally = tally
        self._total = len(orders)
        self._shipments = len({script["shipment"] for order in orders for script in order.carrier_scripts})
        self._live = Live(console=console, refresh_per_second=8, transient=False) if live else None
        self._told = 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the last picture standing."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, now: datetime) -> None:
        """Draw where things stand."""
        tally = self._tally
        if self._live is not None:
            self._live.update(self._picture(now))
        elif time.monotonic() - self._told > 5:
            self._told = time.monotonic()
            errors.print(
                f"{now:%Y-%m-%d %H:%M}  orders {len(tally.orders)}  shipments {len(tally.shipped)}  "
                f"delivered {len(tally.delivered)}  invoiced {len(tally.invoiced)}  "
                f"open {len(tally.open_exceptions)}",
                highlight=False,
            )

    def _picture(self, now: datetime) -> Group:
        tally = self._tally
        grid = Table(box=None, pad_edge=False, show_header=False)
        grid.add_column(style="dim")
        grid.add_column(justify="right", style="bold")
        grid.add_column(width=32)
        done = len(tally.invoiced | tally.cancelled)
        for name, number, total in (
            ("orders in", len(tally.orders), self._total),
            ("picked and packed", len(tally.packed), self._total),
            ("shipments booked", len(tally.shipped), self._shipments),
            ("shipments delivered", len(tally.delivered), self._shipments),
            ("invoiced", len(tally.invoiced), self._total),
            ("cancelled", len(tally.cancelled), self._total),
        ):
            grid.add_row(name, str(number), ProgressBar(total=total, completed=min(number, total)))
        people = sum(count for who, count in tally.decided_by.items() if who != NAME)
        grid.add_row("exceptions open", str(len(tally.open_exceptions)), "")
        grid.add_row("decided by people", str(people), "")
        grid.add_row(f"decided by the {NAME}", str(tally.decided_by.get(NAME, 0)), "")
        head = Text(f"{now:%A} {now.day} {now:%B %Y, %H:%M} UTC on the demo's clock", style="bold cyan")
        foot = Text(f"{done} of {self._total} orders at their end", style="dim")
        return Group(head, grid, foot)


def _print(result: dict[str, Any]) -> None:
    orders, ledger = result["orders"], result["ledger"]
    console.print()
    table("Orders", list(orders), [list(orders.values())], empty="")
    table(
        "Exceptions by type",
        ["type", "raised"],
        list(result["exceptions"].items()),
        empty="No exceptions.",
    )
    cycle = result["cycle_time"]
    if cycle["count"]:
        console.print(
            f"Release to invoice: half within {cycle['p50_hours'] / 24:.1f} days, "
            f"nine in ten within {cycle['p90_hours'] / 24:.1f} days"
        )
    touches = result["manual_touches"]
    console.print(
        f"Manual touches: {touches['per_order']} an order ({touches['by_people']} by people, "
        f"{touches['by_stand_in']} by the {NAME}); {touches['orders_untouched']} orders untouched"
    )
    console.print(
        f"{result['events_decided']} events decided, {result['calls_answered']} calls answered "
        f"in {result['seconds']} s"
    )
    for away in result["outages"]:
        console.print(
            f"While {away['system']} was away, {away['unanswered']} calls were not answered and "
            f"{result['exceptions'].get('cut_off_missed', 0)} bookings missed their cut-off; none was lost"
        )
    if ledger["holds"]:
        console.print(
            f"[bold green]The partners' ledgers agree[/bold green]: {ledger['picked']} picks, "
            f"{ledger['booked']} bookings, {ledger['invoiced']} invoices, each once."
        )
    else:
        console.print("[bold red]The partners' ledgers do not agree:[/bold red]")
        for line in ledger["wrong"]:
            console.print(f"  {line}")
