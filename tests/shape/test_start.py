"""A command starts quickly: what it has no need of is not imported."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer.main

from crossdock.cli import _app, everything

# What takes long to import, and is for work on the installation here alone.
HEAVY = {
    *("asyncpg", "cedarpy", "cel_expr_python", "cryptography", "fastapi", "graphql", "holidays", "jinja2"),
    *("starlette", "strawberry", "uvicorn", "yaml"),
    *(
        f"crossdock.{room}"
        for room in ("access", "api", "assemble", "connect", "engine", "installed", "model")
    ),
    *(f"crossdock.{room}" for room in ("desk", "gateway", "process", "site", "store", "tower")),
}
ASKED = """
import sys
sys.argv = ["crossdock", *{arguments}]
from crossdock.cli import main
try:
    main()
except SystemExit as end:
    print(sorted({heavy} & set(sys.modules)), end.code, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "status", "also"),
    [
        (["--help"], 0, {"aiohttp"}),
        (["--version"], 0, {"aiohttp"}),
        (["runs", "--help"], 0, {"aiohttp"}),
        (["runs", "--url", "http://crossdock.example", "--key", "k"], 1, set()),
        (["tasks", "list", "--url", "http://crossdock.example", "--key", "k"], 1, set()),
    ],
)
def test_what_asks_elsewhere_or_nobody_imports_nothing_heavy(
    arguments: list[str], status: int, also: set[str]
) -> None:
    script = ASKED.format(arguments=arguments, heavy=HEAVY | also)
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stderr.splitlines()[-1] == f"[] {status}"


def test_the_list_of_commands_says_of_each_what_it_says_itself() -> None:
    listed = typer.main.get_command(_app).commands  # type: ignore[attr-defined]
    known = typer.main.get_command(everything()).commands  # type: ignore[attr-defined]
    assert set(listed) == set(known)
    for name, one in known.items():
        assert listed[name].help == one.help.splitlines()[0], name
