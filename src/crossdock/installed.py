"""What is installed: connectors (shipped, of other packages, from files), and what processes name by them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import TypeVar

from crossdock import translate
from crossdock.connect import Connector, Registry, catalogue, from_yaml
from crossdock.errors import Refused
from crossdock.process import Catalogue, Process, check
from crossdock.process.catalogue import ProcessShape
from crossdock.process.problems import NotAProcess, Problem
from crossdock.process.publish import name_in, named_in, reopen, shape_of
from crossdock.translate import PartnerMapping

_MOST = 1000  # readings that are kept
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A text that was found good, and what it was read against."""

    process: Process
    warnings: list[Problem]
    named: dict[str, ProcessShape]


@dataclass(slots=True)
class Installed:
    """Connectors, and the processes known by name: what the text of a process is checked against.

    Here, none are known but those of whoever works with files alone. The processes of a tenant are its own:
    `beside` knows them as well.
    """

    connectors: Registry
    catalogue: Catalogue = field(default_factory=Catalogue)
    # What was found good stays good while the processes that it names stay the same: reading takes a while.
    _good: dict[str, _Read] = field(default_factory=dict)
    _beside: dict[frozenset[str], Installed] = field(default_factory=dict)
    _mappings: dict[str, PartnerMapping] = field(default_factory=dict)
    _opened: dict[tuple[str, frozenset[str]], Process] = field(default_factory=dict)

    @classmethod
    def find(cls, *folders: Path) -> Installed:
        """What is installed here, with YAML connectors in these folders. Raises `Refused` for a bad one."""
        given = {file: text for folder in folders for file, text in texts_in(folder).items()}
        if not given:
            return replace(_shipped(), _beside={}, _mappings={}, _opened={})
        extra = [from_yaml(text, file=file) for file, text in given.items()]
        known = Registry.discover(extra=[*_shipped_in_yaml(), *extra])
        return cls(connectors=known, catalogue=catalogue(known.connectors.values()))

    def beside(self, *texts: str) -> Installed:
        """The same, where these processes are known by name: those of one tenant, and nobody else's.

        What they are known to give and take follows from their texts; one with mistakes may give anything.
        """
        key = frozenset(texts)
        found = self._beside.get(key)
        if found is None:
            found = Installed(self.connectors, self.catalogue, _good=self._good)
            found.learn({str(n): text for n, text in enumerate(sorted(key))}, also_wrong=True)
            _keep(self._beside, key, found)
        return found

    def learn(
        self, texts: Mapping[str, str], *, by: Iterable[str] | None = None, also_wrong: bool = False
    ) -> None:
        """Know processes by name, so that others may run them. Those that are none are left to `check`.

        `by`: read those alone that these texts may run; of the others the names are known, and no more.
        `also_wrong`: one with mistakes is known by name all the same: who runs it is not told of them.
        """
        named = {file: name for file, text in texts.items() if (name := name_in(text))}
        known = self.catalogue.processes
        # They may run each other: until it is known what one is, any document will do for it.
        self._know({name: ProcessShape(name=name) for name in named.values() if name not in known})
        if by is not None:
            run = {other for text in by for other in named_in(text, texts.values())}
            texts = {file: text for file, text in texts.items() if text in run}
            named = {file: name for file, name in named.items() if file in texts}
        good: dict[str, ProcessShape] = {}
        for _ in range(len(texts) + 1):
            before = good
            good = {}
            for file, text in texts.items():
                process, _problems = self.check(text, file)
                if process is not None:
                    shape, old = shape_of(process, self.catalogue), before.get(process.name)
                    good[process.name] = old if old is not None and _same(old, shape) else shape
            # what names one that is wrong is wrong as well
            wrong = set(named.values()) - good.keys() - known.keys()
            processes = {
                n: shape for n, shape in self.catalogue.processes.items() if also_wrong or n not in wrong
            }
            self.catalogue = replace(self.catalogue, processes={**processes, **good})
            if before == good:
                return

    def _know(self, shapes: Mapping[str, ProcessShape]) -> None:
        self.catalogue = self.catalogue.including(processes=shapes)

    def problems(self, texts: Mapping[str, str], others: Sequence[str] = ()) -> list[Problem]:
        """Why processes that may run each other, and these others, may not be published; no warnings."""
        found = replace(self.beside(*others))
        found.learn(texts)
        told = [problem for file, text in texts.items() for problem in found.check(text, file)[1]]
        return [problem for problem in told if problem.severity == "error"]

    def check(self, text: str, file: str = "") -> tuple[Process | None, list[Problem]]:
        """The process, if it may be published, and every problem."""
        read = self._good.get(text)
        if read is not None and read.named == self._named(text, read.process.name):
            return read.process, [replace(problem, file=file) for problem in read.warnings]
        process, problems = check(text, self.catalogue, file=file)
        if process is not None:
            good = _Read(process=process, warnings=problems, named=self._named(text, process.name))
            _keep(self._good, text, good)
        return process, problems

    def mapping(self, text: str, file: str = "") -> tuple[PartnerMapping | None, list[Problem]]:
        """The mapping, if it may be published, and every problem."""
        known = self._mappings.get(text)
        if known is not None:
            return known, []
        mapping, problems = translate.check(text, self.catalogue, file=file)
        if mapping is not None and not problems:
            _keep(self._mappings, text, mapping)
        return mapping, problems

    def load(self, text: str, file: str = "") -> Process:
        """The process, to publish it. Raises `NotAProcess`."""
        process, problems = self.check(text, file)
        if process is None:
            raise NotAProcess(problem for problem in problems if problem.severity == "error")
        return process

    def reopen(self, text: str, *others: str) -> Process:
        """A process that was published before, among those that it may run.

        Where one of these has changed since, so that it fits no more, what it gives may be anything.
        """
        among = frozenset(named_in(text, others))
        found = self.beside(*among) if among else self
        read = self._good.get(text)
        if read is not None and read.named == found._named(text, read.process.name):  # noqa: SLF001 - its own
            return read.process
        known = self._opened.get((text, among))
        if known is None:
            try:
                known = reopen(text, found.catalogue)
            except NotAProcess:
                if not among:
                    raise
                known = reopen(text, self.catalogue)
            _keep(self._opened, (text, among), known)
        return known

    def _named(self, text: str, own: str) -> dict[str, ProcessShape]:
        """The other processes whose names are in a text."""
        known = self.catalogue.processes.items()
        return {name: shape for name, shape in known if name in text and name != own}


@functools.cache
def _shipped() -> Installed:
    """What is installed without files of one's own. It stays the same: reading it takes a while."""
    known = Registry.discover(extra=_shipped_in_yaml())
    return Installed(connectors=known, catalogue=catalogue(known.connectors.values()))


@functools.cache
def _shipped_in_yaml() -> tuple[Connector, ...]:
    files = {
        f"{folder.name}/connector.yaml": folder.joinpath("connector.yaml")
        for folder in resources.files("crossdock.connectors").iterdir()
    }
    return tuple(from_yaml(path.read_text(), file=file) for file, path in files.items() if path.is_file())


def _keep(what: dict[K, V], key: K, value: V) -> None:
    """Keep one more, and not more than so many: the oldest go."""
    while len(what) >= _MOST:
        what.pop(next(iter(what)))
    what[key] = value


def _same(one: ProcessShape, other: ProcessShape) -> bool:
    """Whether these say the same of a process whose text is the same; records are made with each reading."""
    return (str(one.document), str(one.output)) == (str(other.document), str(other.output))


def pack(name: str) -> dict[str, str]:
    """The processes of a pack: texts by file name. Raises `Refused` where there is none of that name."""
    folder = resources.files("crossdock.packs").joinpath(name)
    if not name.isidentifier() or not folder.is_dir():
        raise Refused(f"there is no pack `{name}`", mend="there is: distribution")
    return {
        file.name: file.read_text()
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".yaml")
    }


def texts_in(folder: Path) -> dict[str, str]:
    """The YAML files in a folder: texts by path. Raises `Refused` for one that cannot be read."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.y*ml")) if folder.is_dir() else ():
        found[str(path)] = read_text(path)
    return found


def neighbours_in(folder: Path) -> dict[str, str]:
    """The same, for what looks at one file among others: a neighbour that cannot be read is left out."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.y*ml")):
        with contextlib.suppress(Refused):
            found[str(path)] = read_text(path)
    return found


def read_text(path: Path) -> str:
    """A text file. Raises `Refused` where it is not there, not readable, or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Refused("there is no such file", where=str(path), mend="name one that is there") from None
    except UnicodeDecodeError:
        raise Refused("this is not a text in UTF-8", where=str(path), mend="save it as UTF-8") from None
    except OSError as error:
        raise Refused(
            f"it cannot be read: {error.strerror}", where=str(path), mend="see its rights"
        ) from None
