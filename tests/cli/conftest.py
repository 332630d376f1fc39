"""The command line as its users have it: arguments in; words, JSON and an exit status out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hands import Command, Said

from crossdock.cli import main


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, where commands are given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("DATABASE_URL", "CROSSDOCK_DATA", "CROSSDOCK_PORT", "CROSSDOCK_URL", "CROSSDOCK_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def crossdock(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Gives a command in this process."""

    def command(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["crossdock", *arguments])
        capsys.readouterr()
        status: int = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        out, err = capsys.readouterr()
        return Said(status, out, err)

    return command
