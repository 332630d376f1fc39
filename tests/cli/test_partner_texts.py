"""What partners write is shown as they wrote it: it colours nothing, moves no cursor, and breaks no table."""

from __future__ import annotations

import pytest
from rich.markup import escape

from crossdock.cli.output import Marked, console, fields, status, table, tell
from crossdock.errors import Refused

TEXTS = {
    "[red]x[/blue]": "[red]x[/blue]",
    "[link=https://evil.example]x[/link]": "[link=https://evil.example]x[/link]",
    "a\x1b[2Jb": "a\\x1b[2Jb",
    "a\x1b]0;title\x07b": "a\\x1b]0;title\\x07b",
    "a\x9b31mb": "a\\x9b31mb",
    "a\rb": "a\\x0db",
    "a\u202eb": "a\\u202eb",
    "a\ud800b": "a\\ud800b",
    "a\\[b]": "a\\[b]",
}


@pytest.mark.parametrize("text", TEXTS)
def test_in_a_table(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    table("Runs", ["key", "status"], [(text, status("held")), ("SO-1", status(text))], empty="")
    shown = capsys.readouterr().out.splitlines()
    assert [line.split() for line in shown[2:]] == [[TEXTS[text], "held"], ["SO-1", TEXTS[text]]]


@pytest.mark.parametrize("text", TEXTS)
def test_in_words_fields_and_errors(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.print(f"[bold]{escape(text)}[/bold]", highlight=False)
    fields([("key", text)])
    tell(Refused(text, where=text, mend=text))
    said = capsys.readouterr()
    assert said.out.splitlines() == [TEXTS[text], f"  key:        {TEXTS[text]}"]
    assert said.err.splitlines() == [TEXTS[text], f"  where: {TEXTS[text]}", f"  mend:  {TEXTS[text]}"]


def test_what_is_marked_is_ours(capsys: pytest.CaptureFixture[str]) -> None:
    table("Its", ["state"], [(Marked("[green]open[/green]"),)], empty="")
    assert capsys.readouterr().out.split() == ["Its", "state", "open"]
