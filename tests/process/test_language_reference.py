"""The reference of the language cannot lie: its examples are checked, and its lists are compared with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from driver import CATALOGUE, text_of

from crossdock import process
from crossdock.expressions.functions import FUNCTIONS
from crossdock.process import check
from crossdock.process.schema import SCHEMA, STEP_KINDS, VERBS, fields_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "process-language.md"
TEXT = PAGE.read_text()
BLOCKS = re.findall(r"^```yaml (process|steps|top)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
NAMED = set(re.findall(r"`([a-z_.]+)`", TEXT))
CODE = "\n".join(path.read_text() for path in Path(process.__file__).parent.glob("*.py"))


def test_every_block_says_what_it_is():
    assert len(BLOCKS) == TEXT.count("\n```yaml") >= 14


@pytest.mark.parametrize(("kind", "block"), BLOCKS)
def test_every_example_may_be_published(kind: str, block: str):
    first = "first: { await: case.scanned, within: 1h, late: { raise: slow } }"
    text = block if kind == "process" else text_of(block) if kind == "steps" else text_of(first, top=block)
    if "\nstart:" in text.replace("\nstart: [{ on: case.opened }]", ""):
        text = text.replace("\nstart: [{ on: case.opened }]", "")
    found, problems = check(text, CATALOGUE, file=PAGE.name)
    assert found is not None, "\n".join(map(str, problems))


@pytest.mark.parametrize(
    "part",
    [
        "process",
        "step",
        "action",
        "rung",
        "start",
        "approve",
        "task",
        "by",
        "undo",
        "retry",
        "choose",
        "rule",
        "measure",
        "declare",
        "wait",
        "redo",
    ],
)
def test_every_field_stands_in_the_reference(part: str):
    words = set(re.findall(r"[a-z_]+", TEXT))
    assert fields_of(part) <= words, fields_of(part) - words


def test_every_kind_verb_and_function_stands_in_the_reference():
    assert set(STEP_KINDS) <= NAMED
    assert {*VERBS, "nothing"} <= NAMED
    assert {function.name for function in FUNCTIONS} <= NAMED


def test_the_list_of_records_is_the_one_that_the_kernel_writes():
    written = set(re.findall(r'\.record\(\s*"([a-z_.]+)"', CODE))
    written |= set(re.findall(r'\.end\([^)]*"(step\.[a-z_]+)"', CODE))
    written |= {"run.completed", "run.cancelled", "run.failed", "redo.refused", "cancel.refused"}
    written |= set(re.findall(r'"((?:step|child)\.(?:supply_refused|skip_refused|supplied|skipped))"', CODE))
    section = TEXT.split("## Records")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`([a-z_.]+)`", row)}
    assert listed == written


def test_the_types_of_exceptions_that_the_kernel_opens_stand_in_the_reference():
    opened = set(re.findall(r'\.(?:open|hold)\(\s*(?:name, )?"([a-z_]+)"', CODE))
    opened |= {"refused_by_partner", "partner_down", "unknown_outcome", "child_failed"}
    section = TEXT.split("## Exceptions of the kernel")[1].split("\n## ")[0]
    assert opened <= set(re.findall(r"`([a-z_]+)`", section)), opened


def test_the_address_of_the_schema_is_told():
    assert SCHEMA["$id"] in TEXT
