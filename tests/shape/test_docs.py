"""What the pages say is so: generated pages are fresh, links lead somewhere, marked commands run as shown.

A block ```` ```console run ```` is run. Files that a page shows under a name (`name`: and a block) are written
first; "the step `x`" puts the block in the place of that step, "after the step `x`" behind it. Dates and times
may differ; `...` stands for lines that the page leaves out; ports of 85.. are others here.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import io
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import asyncpg
import pytest
import typer

from crossdock.cli import _app, everything
from crossdock.connect import contracts
from crossdock.expressions.functions import FUNCTIONS
from crossdock.model import EVENTS, EXCEPTIONS
from crossdock.settings import Settings, defaults
from crossdock.store import EmbeddedServer

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])
SERIES = [
    ["README.md"],
    [
        "docs/how-to/connect-a-rest-system.md",
        "docs/how-to/stop-a-system.md",
        "docs/how-to/repair-many-runs.md",
        "docs/how-to/prove-a-change.md",
    ],
    ["docs/how-to/write-a-connector-package.md"],
    ["docs/how-to/calendars.md"],
    ["docs/how-to/take-in-events.md"],
    ["docs/how-to/map-a-partners-orders.md"],
    ["docs/how-to/use-the-api.md"],
]
BLOCK = re.compile(
    r"(?:^`([\w./-]+)`(?:, (the|after the) step `(\w+)`)?:\n\n)?^```([\w ]+)\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
NAME = re.compile(r"\b[a-z]+_[a-z2-7]{26}\b")
PATIENCE = 15.0  # seconds that a shown state may take to come about


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    return generator()


# -- what is generated -----------------------------------------------------------------------------------


def test_generated_pages_are_fresh(generate: ModuleType) -> None:
    stale = [name for name, text in generate.pages().items() if (DOCS / name).read_text() != text]
    assert stale == [], "run: .venv/bin/python docs/generate.py"


def test_every_record_of_the_history_is_described(generate: ModuleType) -> None:
    assert set(generate.recorded()) == set(generate.RECORDS)


def test_every_setting_has_its_line() -> None:
    names = {field.name for field in fields(Settings)}
    assert set(tomllib.loads(defaults())) == names
    assert missing("settings.md", names) == []
    for row in (DOCS / "reference/settings.md").read_text().splitlines():
        assert not row.startswith("| `") or (row.count("|") == 5 and row.split("|")[4].strip()), row


def test_every_command_and_option_has_its_line(generate: ModuleType) -> None:
    page = (DOCS / "reference/command-line.md").read_text()
    sections = dict(re.findall(r"^## (\w+(?: \w+)?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    known = generate.commands()
    assert set(sections) == set(known)
    assert {name.split()[0] for name in known} == set(typer.main.get_command(everything()).commands)  # type: ignore[attr-defined]
    for command, options in known.items():
        assert [one for one in options if f"`{one}`" not in sections[command]] == []
        assert [row for row in sections[command].splitlines() if row.endswith("|  |")] == []


def test_every_exception_event_operation_and_function_has_its_line() -> None:
    assert missing("exceptions.md", EXCEPTIONS) == []
    assert missing("events.md", EVENTS) == []
    assert missing("expressions.md", [function.name for function in FUNCTIONS]) == []
    page = (DOCS / "reference/systems.md").read_text()
    assert [name for name in contracts() if f"### {name}\n" not in page] == []


def missing(page: str, names: Any) -> list[str]:
    text = (DOCS / "reference" / page).read_text()
    return [name for name in names if f"`{name}`" not in text]


# -- how pages hang together -----------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_found_from_the_index() -> None:
    seen: set[Path] = set()
    queue = [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        if page not in seen and page.suffix == ".md" and page.exists():
            seen.add(page)
            queue += [
                (page.parent / target.partition("#")[0]).resolve()
                for target in LINK.findall(page.read_text())
            ]
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in seen] == []


def test_every_decision_says_what_why_and_how_it_is_held() -> None:
    wanted = ["What is decided", "Why", "What follows", "What else was weighed", "How it is held"]
    pages = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        assert re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE) == wanted, page.name
        assert re.search(r"^## What is decided\n\n> .+", page.read_text(), re.MULTILINE), page.name


def test_every_page_with_commands_to_run_is_run() -> None:
    marked = [str(page.relative_to(ROOT)) for page in PAGES if "```console run" in page.read_text()]
    assert sorted(marked) == sorted(page for series in SERIES for page in series)


# -- pages that run --------------------------------------------------------------------------------------


@pytest.mark.parametrize("pages", SERIES, ids=lambda pages: Path(pages[0]).stem)
def test_marked_commands_run_as_shown(
    pages: list[str],
    tmp_path: Path,
    server: EmbeddedServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    (tmp_path / "src").symlink_to(ROOT / "src")
    # The embedded server, which is not started here, would have made it.
    (tmp_path / "crossdock-data").mkdir()
    with database(server) as url, contextlib.ExitStack() as stack:
        monkeypatch.setenv("DATABASE_URL", url)
        reader = Reader(tmp_path, monkeypatch, capsys, stack)
        for page in pages:
            reader.read((ROOT / page).read_text())


@contextlib.contextmanager
def database(server: EmbeddedServer) -> Iterator[str]:
    async def sql(text: str) -> None:
        connection = await asyncpg.connect(server.url())
        await connection.execute(text)
        await connection.close()

    asyncio.run(sql("create database docs template template strategy file_copy"))
    try:
        yield server.url("docs")
    finally:
        asyncio.run(sql("drop database docs with (force)"))


class Reader:
    """Does what a page tells, as a reader would who follows it."""

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        stack: contextlib.ExitStack,
    ) -> None:
        self.folder, self.monkeypatch, self.capsys, self.stack = folder, monkeypatch, capsys, stack
        self.ports: dict[str, str] = {}

    def read(self, page: str) -> None:
        page = re.sub(r"\b85\d\d\b", lambda found: self.port(found.group()), page)
        for file, where, step, language, text in BLOCK.findall(page):
            if language == "console run":
                for command, expected in commands(text):
                    self.play(command, expected)
            elif file:
                self.write(self.folder / file, text, where, step)

    def port(self, written: str) -> str:
        if written not in self.ports:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.ports[written] = str(free.getsockname()[1])
        return self.ports[written]

    def write(self, path: Path, text: str, where: str, step: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if where:
            whole = path.read_text()
            found = re.search(rf"^  {step}:.*\n(?:(?:    .*)?\n)*", whole, re.MULTILINE)
            assert found is not None, f"{path.name} has no step {step}"
            before = whole[: found.end() if where == "after the" else found.start()]
            text = f"{before}{text}\n{whole[found.end() :]}"
        path.write_text(text)

    def play(self, command: str, expected: list[str]) -> None:
        if command.endswith(" &"):
            self.start(command.removesuffix(" &"))
            return
        until = time.monotonic() + PATIENCE
        while True:
            printed = self.run(command)
            problem = differs(expected, printed)
            if not problem:
                return
            # What only shows a state may be asked again, as a reader would.
            shows = re.match(r"crossdock (runs|events$|connections$|retry --progress)", command)
            assert shows and time.monotonic() < until, f"{command}\n{problem}\n{printed}"  # noqa: PT018
            time.sleep(0.1)

    def run(self, command: str) -> str:
        given, _, asked = command.rpartition(" | ")
        if not asked.startswith("crossdock "):
            done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr + done.stdout
            return done.stdout
        if given:
            text = subprocess.run(given, shell=True, capture_output=True, text=True, check=True).stdout
            self.monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        with contextlib.suppress(SystemExit):
            typer.main.get_command(_app).main(shlex.split(asked, comments=True)[1:], standalone_mode=False)
        return self.capsys.readouterr().out

    def start(self, command: str) -> None:
        running = self.stack.enter_context(
            subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        )
        self.stack.callback(running.terminate)
        settings = self.folder / "crossdock.toml"
        named = command + (settings.read_text() if command.startswith("crossdock serve") else "")
        (port,) = [port for port in self.ports.values() if port in named]
        wait_for(lambda: answers(int(port)) or running.poll() is not None)
        assert running.poll() is None, running.stdout.read().decode() if running.stdout else ""


def commands(text: str) -> list[tuple[str, list[str]]]:
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(part.splitlines()[0], part.splitlines()[1:]) for part in parts]


def differs(expected: list[str], printed: str) -> str:
    """The first line of the page that is not printed where it stands; "" when all are."""
    lines = [plain(line) for line in printed.splitlines() if line.strip()]
    skipping = False
    for wanted in (plain(line) for line in expected if line.strip()):
        if wanted == "...":
            skipping = True
        elif skipping:
            if wanted not in lines:
                return f"not printed: {wanted}"
            lines = lines[lines.index(wanted) + 1 :]
            skipping = False
        elif not lines or lines.pop(0) != wanted:
            return f"not printed here: {wanted}"
    return f"printed as well: {lines[0]}" if lines and not skipping else ""


def plain(line: str) -> str:
    return " ".join(NAME.sub("NAME", TIME.sub("TIME", line)).split())


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)
