"""The tree tells the architecture, and keeps telling it."""

from __future__ import annotations

import ast
import configparser
import importlib
import pkgutil
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import crossdock

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "crossdock"
MOST_LINES = 700
MODULES = sorted(SOURCE.rglob("*.py"))
PACKAGES = sorted(
    module.name
    for module in pkgutil.iter_modules(crossdock.__path__)
    if module.ispkg and module.name != "packs"
)


def contract_layers() -> list[str]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    lines = parser["importlinter:contract:layers"]["layers"].split("\n")
    names = [line.strip().replace("crossdock.", "") for line in lines if line.strip()]
    return list(reversed(names))


def test_the_package_lists_the_layers_that_the_contract_holds() -> None:
    text = " ".join((crossdock.__doc__ or "").split())
    listed = text.partition("each imports only those before it: ")[2].partition(". The sandbox")[0]
    assert [part.strip() for part in listed.split(",")] == contract_layers()


def test_whatever_calls_out_says_which_addresses_it_may() -> None:
    """`Wire()` alone would call private addresses for any tenant."""
    bare = [path.name for path in MODULES if re.search(r"\b(Wire|Oidc|Identity|probe)\(\)", path.read_text())]
    assert bare == []
    made = [path.name for path in MODULES if re.search(r"\bWire\((?!.*outbound=)", path.read_text())]
    assert made == []


def test_every_package_has_its_layer() -> None:
    layered = {name for layer in contract_layers() for name in layer.split(" | ")}
    top = {
        path.stem if path.suffix else path.name for path in SOURCE.iterdir() if not path.name.startswith("_")
    }
    rooms = {name for name in top if (SOURCE / name).is_dir() or (SOURCE / f"{name}.py").exists()}
    assert rooms - layered == {"packs", "sandbox", "settings"}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_exports_what_it_says(name: str) -> None:
    package = importlib.import_module(f"crossdock.{name}")
    exported = getattr(package, "__all__", [])
    assert sorted(exported, key=str.lower) == sorted(set(exported), key=str.lower)
    for one in exported:
        assert hasattr(package, one), f"crossdock.{name} says it has {one}"


def test_no_module_is_longer_than_one_can_hold() -> None:
    long = {str(path.relative_to(ROOT)): count(path) for path in MODULES if count(path) > MOST_LINES}
    assert long == {}


def count(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_folders_are_named_for_what_is_done_there() -> None:
    technique = {"utils", "helpers", "common", "core", "services", "adapters", "domain", "kit", "misc"}
    named = {part for path in MODULES for part in path.relative_to(SOURCE).with_suffix("").parts}
    assert named & technique == set()


def test_modules_of_the_tests_have_names_of_their_own() -> None:
    """They are imported by their names alone: of two with one name, one would be taken for the other."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py"))
    shared = {"__init__.py", "conftest.py"}
    assert {name for name, times in names.items() if times > 1} - shared == set()


def test_nothing_is_promised_and_not_done() -> None:
    marks = re.compile(r"# *(TODO|FIXME|XXX|HACK)\b")
    found = [f"{path.relative_to(ROOT)}" for path in MODULES if marks.search(path.read_text())]
    assert found == []


def test_no_registry_and_no_place_of_a_machine_is_named() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    hosts = (r"pypi\.org", r"pythonhosted", r"registry\.npmjs", r"deb\.debian")
    homes = [f"/{name}/" for name in ("root", "work")]
    places = re.compile("|".join((*hosts, *homes)))
    found = []
    for name in tracked.split("\n"):
        path = ROOT / name
        if not name or not path.is_file() or path == Path(__file__) or path.suffix in {".gz", ".png"}:
            continue
        if places.search(path.read_text(errors="ignore")):
            found.append(name)
    assert found == []


def test_public_functions_say_what_they_mean() -> None:
    silent = []
    for path in MODULES:
        if "sandbox" in path.parts:
            continue
        for node in ast.parse(path.read_text()).body:
            public = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if public and not node.name.startswith("_") and not ast.get_docstring(node):
                silent.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert silent == []


def test_no_two_modules_of_tests_have_one_name():
    found = Counter(path.name for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert [name for name, number in found.items() if number > 1] == []
