"""`crossdock connector new`: what it writes passes the suite for connectors, and is known where it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossdock.cli.connector import connector
from crossdock.installed import Installed


def new(into: Path, *arguments: str) -> str:
    done = CliRunner().invoke(connector, ["new", *arguments, "--into", str(into)])
    assert done.exit_code == 0, done.output
    return done.output


def passes(folder: Path, test: str) -> str:
    """What pytest says of it, in a process of its own, with nothing but the folder and what is installed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_new_package_passes_the_suite(tmp_path: Path) -> None:
    said = new(tmp_path, "depot", "--title", "The depot")
    package = tmp_path / "depot-connector"
    assert "depot-connector" in said
    assert "18 passed" in passes(package, "tests/test_depot.py")
    assert '"The depot"' in (package / "depot_connector" / "__init__.py").read_text()
    assert "@" not in "".join(path.read_text() for path in package.rglob("*.py"))


def test_a_new_file_passes_the_suite_and_is_found(tmp_path: Path) -> None:
    new(tmp_path, "cross_yard", "--yaml")
    assert "18 passed" in passes(tmp_path, "tests/test_cross_yard.py")
    found = Installed.find(tmp_path / "connectors").connectors.connector("cross_yard")
    assert (found.title, found.serves) == ("Cross yard", ("cross_yard",))


def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    new(tmp_path, "depot")
    mine = tmp_path / "depot-connector" / "README.md"
    mine.write_text("mine")
    done = CliRunner().invoke(connector, ["new", "depot", "--into", str(tmp_path)])
    assert done.exit_code == 1
    assert "already" in done.output
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("name", ["Depot", "1st", "a", "a-b", "a/../b", "x" * 41])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    done = CliRunner().invoke(connector, ["new", name, "--into", str(tmp_path)])
    assert done.exit_code != 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(connector, ["new", "depot", "--into", str(tmp_path / "file")])
    assert done.exit_code == 1
    assert "cannot be written" in done.output
