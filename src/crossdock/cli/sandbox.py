"""`crossdock sandbox`: partner systems to play against, alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer


def sandbox(
    port: Annotated[
        int, typer.Option(help="The first of seven ports; 0 takes free ones", min=0, max=65_000)
    ] = 9100,
    only: Annotated[
        str | None, typer.Option(help="Some of them: erp,wms,tms,quayline,farrow,oldbridge,postbox")
    ] = None,
    seed: Annotated[int, typer.Option(help="What luck is drawn from")] = 7,
    calm: Annotated[bool, typer.Option("--calm", help="No shorts, delays and damages by themselves")] = False,
    start: Annotated[str | None, typer.Option(help="A virtual clock that begins at this instant")] = None,
    speed: Annotated[float, typer.Option(help="How fast time passes, without a virtual clock")] = 1.0,
    replay: Annotated[
        Path | None,
        typer.Option(help="Play back this HAR file instead, at --port; see crossdock connections record"),
    ] = None,
) -> None:
    """Start an ERP, a warehouse, a transport planner, three carriers and a mailbox to play against.

    They print one line of JSON with their addresses and credentials. Their page: crossdock/sandbox/README.md.
    """
    if replay is not None:
        arguments = ["-m", "crossdock.sandbox.replay", str(replay), "--port", str(port)]
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606
    arguments = ["--port-base", str(port), "--seed", str(seed)]
    if only:
        arguments += ["--only", only]
    if calm:
        arguments.append("--calm")
    arguments += ["--start", start] if start else ["--real-time", "--speed", str(speed)]
    # A process of its own: it shares nothing with what it plays against.
    os.execv(sys.executable, [sys.executable, "-m", "crossdock.sandbox", *arguments])  # noqa: S606
