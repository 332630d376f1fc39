"""The tutorial is played block by block: files are written, commands run, what they print is compared."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from crossdock.cli.check import check
from crossdock.cli.try_ import try_

PAGE = Path(__file__).parents[2] / "docs" / "start" / "first-process.md"
BLOCK = re.compile(
    r"(?:^`([\w.-]+)`(, the steps? [^\n]*)?:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
STEP = re.compile(r"^  (\w+):\n(?:(?:    .*)?\n)*", re.MULTILINE)


def test_the_first_process_is_as_the_page_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    played = 0
    for file, steps, language, text in BLOCK.findall(PAGE.read_text()):
        if language == "yaml" and steps:
            replace_steps(tmp_path / file, re.findall(r"`(\w+)`", steps), text)
        elif language == "yaml":
            assert file, "a file has its name before it"
            (tmp_path / file).write_text(text)
        else:
            assert language == "console"
            for command, expected in commands(text):
                run(command)
                printed = capsys.readouterr().out
                compare(expected, printed)
                played += 1
    assert played == 7


def replace_steps(file: Path, names: list[str], text: str) -> None:
    """Put the block in the place of these steps, which stand one after the other."""
    whole = file.read_text()
    head, mark, rest = whole.partition("\nsteps:\n")
    found = [match for match in STEP.finditer(rest) if match.group(1) in names]
    assert [match.group(1) for match in found] == names
    file.write_text(head + mark + rest[: found[0].start()] + text + "\n" + rest[found[-1].end() :])


def commands(text: str) -> list[tuple[str, list[str]]]:
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(part.splitlines()[0], part.splitlines()[1:]) for part in parts]


def run(command: str) -> None:
    program, name, file, *options = shlex.split(command)
    assert program == "crossdock"
    try:
        if name == "check":
            check([Path(file)])
        else:
            assert options[::2] in ([], ["--script"])
            try_(Path(file), script=Path(options[1]) if options else None)
    except SystemExit as end:
        assert end.code == 1  # noqa: PT017 - the page shows a failing check
        assert name == "check"


def compare(expected: list[str], printed: str) -> None:
    """Every line of the page is printed, in order; `...` stands for lines that the page leaves out."""
    lines = [" ".join(line.split()) for line in printed.splitlines() if line.strip()]
    skipping = False
    for wanted in (" ".join(line.split()) for line in expected):
        if wanted == "...":
            skipping = True
            continue
        if skipping:
            assert wanted in lines, f"{wanted!r} is not in\n{printed}"
            lines = lines[lines.index(wanted) + 1 :]
            skipping = False
        else:
            assert lines, f"{wanted!r} is not printed"
            assert lines.pop(0) == wanted
    assert skipping or not lines, printed
