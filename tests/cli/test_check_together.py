"""Processes of one folder are checked together: they may run each other, in a circle too."""

from __future__ import annotations

from pathlib import Path

from crossdock.installed import Installed


def process(name: str, child: str, number: str = "thing.id") -> str:
    return f"""
process: {name}
owner: team
document: Thing
key: ${{ thing.id }}
declare: {{ documents: {{ Thing: {{ id: string }} }} }}
steps:
  s: {{ run: {child}, with: {{ id: "${{ {number} }}" }} }}
"""


def told(texts: dict[str, str], *, also_wrong: bool = False) -> dict[str, list[str]]:
    installed = Installed.find(Path("nowhere"))
    installed.learn(texts, also_wrong=also_wrong)
    checked = {file: installed.check(text, file)[1] for file, text in texts.items()}
    return {file: [p.message for p in problems] for file, problems in checked.items() if problems}


def test_a_long_chain_of_processes_and_a_circle_of_them_are_known_in_any_order():
    names = ["p1", "p2", "p3", "p4", "p5", "p6"]
    circle = {n: process(n, names[(i + 1) % len(names)]) for i, n in enumerate(names)}
    assert told(circle) == {}
    assert told(dict(reversed(circle.items()))) == {}


def test_a_mistake_is_told_where_it_is_and_not_of_who_runs_it():
    texts = {"a": process("a", "b"), "b": process("b", "b", "thing.idd")}
    (message,) = told(texts, also_wrong=True)["b"]
    assert "unknown field 'idd' of Thing" in message
    assert set(told(texts, also_wrong=True)) == {"b"}
    assert told(texts)["a"] == ["there is no process `b`"], "what cannot be published cannot be run"


def test_what_does_not_fit_the_document_of_the_child_is_told():
    texts = {"a": process("a", "b", "thing.id + 'x'"), "b": process("b", "c"), "c": process("c", "c")}
    assert told(texts) == {}
    texts["c"] = texts["c"].replace("id: string", "id: string, weight: decimal")
    texts["c"] = texts["c"].replace('"${ thing.id }" }', '"${ thing.id }", weight: "${ thing.weight }" }')
    assert told(texts) == {
        "b": ["c cannot take this: weight: missing; a decimal is needed"],
        "a": ["there is no process `b`"],
    }
