"""What may not be published: each refusal names file, line and column, step, and the mend."""

from __future__ import annotations

import copy
import random
from typing import Any

import jsonschema
import pytest
import yaml
from driver import CATALOGUE, PRELUDE, text_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdock.process import check, load
from crossdock.process.problems import NotAProcess
from crossdock.process.publish import reopen, shape_of
from crossdock.process.schema import SCHEMA
from crossdock.process.source import Source

FINE = "z: { set: { x: 1 } }"


def told(steps: str, top: str = "", prelude: str = PRELUDE) -> tuple[str, list[Any]]:
    text = text_of(steps, top=top, prelude=prelude)
    return text, check(text, CATALOGUE, file="p.yaml")[1]


REFUSED = [
    # steps, top, step, message, mend, text on its line
    ("a: { needs: b, set: { x: 1 } }\nbb: { set: { x: 1 } }", "", "a", "there is no step `b`", "did you mean `bb`?", "needs: b"),
    ("a: { needs: a, set: { x: 1 } }", "", "a", "it needs itself", "take it out", "needs: a"),
    ("a: { needs: b, set: { x: 1 } }\nb: { needs_any: a, set: { x: 1 } }", "", "b", "the needs go in a circle: a needs b needs a", "take one of these needs out", "b: {"),
    ('a: { each: "${ steps.b.events.map(e, e.item) }", run: child }\nb: { needs: a, await: case.scanned, within: 1h, late: skip }', "", "b", "in a circle", "take one", "b: {"),
    ("a: { call: erp.read, fails: b }\nb: { needs: a, set: { x: 1 } }", "", "b", "it can never start: it takes the place of a, and needs a to end well", "take what needs a out", "b: {"),
    ("a: { call: erp.read, fails: b }\nm: { needs: a, set: { x: 1 } }\nb: { needs: m, set: { x: 1 } }", "", "b", "it can never start", "take what needs a out", "b: {"),
    ("a: { if: \"${ case.nunber == 'x' }\", set: { x: 1 } }", "", "a", "nunber", "number", "nunber"),
    ('a: { if: "${ case.n + 1 }", set: { x: 1 } }', "", "a", "a bool is needed", "compare it", "case.n + 1"),
    ('a: { if: "${ case.n > }", set: { x: 1 } }', "", "a", "", "", "case.n >"),
    ('a: { if: "${ case.n > \'x\' }", set: { x: 1 } }', "", "a", "", "", "case.n >"),
    ("a: { if: case.flag, set: { x: 1 } }", "", "a", "'case.flag' is not an expression", "${ ... }", "if: case.flag"),
    ('a: { set: { x: "${ steps.b.output }" } }\nb: { wait: 1h }', "", "a", "output", "", "steps.b.output"),
    ('a: { set: { x: "${ steps.b }" } }\nb: { wait: 1h }', "", "a", "`steps.b` is not a value", "steps.b.output", "a: {"),
    ("a: { call: erp.doo, undo: none }", "", "a", "no connector declares the operation `erp.doo`", "did you mean `erp.do`?", "call: erp.doo"),
    ("a: { call: erp, undo: none }", "", "a", "'erp' is not an operation", "system.operation", "call: erp"),
    ("a: { call: erp.do, undo: erp.undoo }", "", "a", "erp.undoo", "did you mean `erp.undo`?", "undo: erp.undoo"),
    ("a: { call: erp.do, undo: nothing }", "", "a", "'nothing' is not an undo", "name an operation", "undo: nothing"),
    ("a: { call: erp.do }", "", "a", "erp.do changes another system and has no `undo`", "write `undo: erp.undo`", "a: {"),
    ("a: { call: wms.undo }", "", "a", "wms.undo changes another system and has no `undo`", "undo: none", "a: {"),
    ("a: { call: fit.it, with: { text: 5 }, undo: none }", "", "a", "fit.it cannot take this: text", "", "with:"),
    ("a: { call: fit.it, with: { txt: x }, undo: none }", "", "a", "fit.it cannot take this", "", "with:"),
    ("a: { call: fit.it, with: { text: x }, undo: fit.back }", "", "a", "fit.back needs `code`, which neither", "with: { code: ... }", "undo:"),
    ("a: { call: erp.do, undo: erp.do }", "", "a", "it would do it once more", "name the operation that takes it back", "undo: erp.do"),
    ("a: { await: case.scanned, undo: fit.back, within: 1h, late: skip }", "", "a", "fit.back needs `code`, which neither its output nor its input has", "with: { code: ... }", "undo:"),
    ("a: { call: erp.read, retry: { first: 1h, most: 1m } }", "", "a", "it is less than the first wait", "at least `first`", "most:"),
    ("a: { await: case.scaned, within: 1h, late: skip }", "", "a", "there is no event `case.scaned`", "did you mean `case.scanned`?", "await:"),
    ("a: { await: scanned, within: 1h, late: skip }", "", "a", "'scanned' is not an event type", "document.what_happened", "await:"),
    ("a: { await: case.scanned }", "", "a", "it waits without a deadline", "within: 2 business days", "a: {"),
    ("a: { await: case.scanned, within: 1h }", "", "a", "nothing happens when its deadline passes", "late: { raise", "within: 1h"),
    ("a: { await: case.scanned, late: skip }", "", "a", "`late` without a deadline", "within: 4 business hours", "late:"),
    ("a: { await: case.scanned, within: soon, late: skip }", "", "a", "'soon' is not a duration", "4 business hours", "within: soon"),
    ("a: { await: case.scanned, within: 1h 1 business hour, late: skip }", "", "a", "mixes business time", "", "within:"),
    ("a: { await: case.scanned, by: { before: 1h }, late: skip }", "", "a", "`by` names no time", "cut_off", "by:"),
    ("a: { await: case.scanned, by: { cut_off: x, before: 1 business hour }, late: skip }", "", "a", "cannot be counted back", "plain time", "before:"),
    ("a: { wait: 1h, within: 2h, late: skip }", "", "a", "a wait ends by itself", "take the deadline out", "within:"),
    ("a: { wait: { for: 1h, until: x } }", "", "a", "a wait has one of", "keep one", "wait:"),
    ("a: { approve: { role: boss }, refused: { cancel: x }, within: 1h, late: skip }", "", "a", "who asks for it could also approve it", 'not: ["${ run.started_by }"]', "approve:"),
    ("a: { approve: { role: boss, not: [x] }, within: 1h, late: skip }", "", "a", "it does not say what a no does", "refused:", "a: {"),
    ("a: { approve: { not: [x] }, refused: cancel, within: 1h, late: skip }", "", "a", "`role` is missing", "role:", "approve:"),
    ("a: { task: { role: x, form: { n: integer } }, within: 1h, late: skip }", "", "a", "unknown type 'integer'", "int", "form:"),
    ("a: { call: erp.do, undo: none, alias: { case: x } }", "", "a", "the alias case is written by the run's own key already", "write it in one place", "alias:"),
    ("a: { call: erp.do, undo: none, alias: { t: x } }\nb: { call: erp.do, undo: none, alias: { t: y } }", "", "b", "the alias t is written by a already", "one place", "b: {"),
    (FINE, "alias: { case: x }", "", "case is the run's own key already", "leave it out", "alias:"),
    ("a: { call: erp.do, undo: none, fails: { redo: a } }", "", "a", "the redo of a could repeat without a person or a limit", "most: 3", "fails:"),
    (FINE, "on: { case.noted: { redo: z } }", "", "the redo of z could repeat", "most: 3", "on:"),
    ("a: { call: erp.do, undo: none, fails: { redo: b, most: 3 } }", "", "a", "there is no step `b`", "", "fails:"),
    ("a: { call: erp.do, undo: none, fails: other }", "", "a", "there is no step `other`", "", "fails:"),
    ("a: { call: erp.do, undo: none, fails: a }", "", "a", "it would start itself", "redo", "fails:"),
    ("a: { call: erp.do, undo: none, fails: { raise: x, cancel: y } }", "", "a", "both raise and cancel", "write a list: `[{ raise: x }, { cancel: y }]`", "fails:"),
    ("a: { call: erp.do, undo: none, fails: { severity: low } }", "", "a", "nothing that is done", "give one of", "fails:"),
    ("a: { call: erp.do, undo: none, fails: { do: explode } }", "", "a", "'explode' is not a verb", "", "fails:"),
    ("a: { call: erp.do, undo: none, fails: { raise: trouble, severity: hihg } }", "", "a", "'hihg' is not a severity", "did you mean `high`?", "fails:"),
    ("a: { await: case.scanned, within: 1h, late: { raise: } }", "", "a", "here stands nothing", "", "late:"),
    ("a: { await: case.scanned, within: 1h, late: raise }", "", "a", "`raise` does not say what", "write `raise: ...`", "late:"),
    (FINE, "on: { case.noted: { skip: x } }", "", "`skip` skips a step, and here is none", "", "on:"),
    (FINE, "on: { case.notd: { cancel: x } }", "", "there is no event `case.notd`", "did you mean `case.noted`?", "on:"),
    (FINE, "on: { case.noted: { emit: nonsense } }", "", "'nonsense' is not an event type", "document.what", "on:"),
    (FINE, 'on: { case.noted: { if: "${ event.m > 1 }", cancel: x } }', "", "m", "", "on:"),
    ("a: { run: grandchild }", "", "a", "there is no process `grandchild`", "did you mean `child`?", "run:"),
    ('a: { each: "${ case.number }", run: child }', "", "a", "`each` needs a list, and this is string", "", "each:"),
    ('a: { run: child, item_key: "${ case.number }" }', "", "a", "`item_key` without `each`", "each", "item_key:"),
    ('a: { choose: { rules: [{ when: "${ true }" }] } }', "", "a", "a rule must `give` something", "give", "choose:"),
    ("a: { choose: { rules: [] } }", "", "a", "the table has no rules", "at least one", "choose:"),
    ("a: { choose: { hit: frist, rules: [{ give: 1 }] } }", "", "a", "'frist' is not one of first, collect", "did you mean `first`?", "hit:"),
    ("a: { emit: x, data: {} }", "", "a", "'x' is not an event type", "", "emit:"),
    ("a: { emit: case.noted, data: { n: x } }", "", "a", "case.noted cannot take this: n", "", "data:"),
    ("a: { title: nothing }", "", "a", "it does nothing", "give it one of call, await", "a: {"),
    ("a: { call: erp.read, wait: 1h }", "", "a", "it is both call and wait", "give it one of", "a: {"),
    ("a: { call: erp.read, emit: case.noted }", "", "a", "it is both call and emit", "give it one of", "a: {"),
    ('a: { call: erp.read, until: "${ true }" }', "", "a", "`until` means nothing for `call`", "it is for await", "until:"),
    ("a: { set: { x: 1 }, retry: none }", "", "a", "`retry` means nothing for `set`", "it is for call", "retry:"),
    ("a: { call: erp.read, retry: { attempts: 0 } }", "", "a", "0 is not a number of tries", "1 to 1000", "attempts:"),
    ("a: { call: erp.read, retry: { first: 1 business hour } }", "", "a", "tries are not made in business time", "plain time", "first:"),
    ("a: { call: erp.read, retry: { backof: fixed } }", "", "a", "unknown field `backof`", "did you mean `backoff`?", "backof:"),
    ("a: { call: erp.read, neds: b }", "", "a", "unknown field `neds`", "did you mean `needs`?", "neds:"),
    ("a: { call: erp.read, redo: { most: 0 } }", "", "a", "0 is not a number of times", "1 to 100", "redo:"),
    ("A-step: { set: { x: 1 } }", "", "A-step", "`A-step` cannot be named in an expression", "a-z, 0-9 and _", "A-step"),
    ("in: { set: { x: 1 } }", "", "in", "`in` cannot be named", "", "in: {"),
    (FINE, "measures: { m: { from: start, to: zz } }", "", "there is no step `zz`", "did you mean `z`?", "measures:"),
    (FINE, "measures: { m: { from: start, to: z, target: soon } }", "", "'soon' is not a duration", "", "measures:"),
    (FINE, "again: yes", "", "'yes' is not one of allow, refuse", "", "again: yes"),
    (FINE, "ownr: me", "", "unknown field `ownr`", "did you mean `owner`?", "ownr:"),
    (FINE, 'output: { x: "${ steps.zz.output }" }', "", "zz", "", "output:"),
    (FINE, 'output: { x: "${ steps }" }', "", "`steps` is not a value", "name one step", ""),
    # the form
    ("a: { set: [1] }", "", "a", "here stands [1], where fields are needed", "name: value", "set:"),
    ("a: 5", "", "a", "here stands 5, where fields are needed", "", "a: 5"),
    ("a: { call: [x] }", "", "a", "here stands ['x'], where a text is needed", "quotes", "call:"),
    ("a: { call: erp.read, retry: { attempts: many } }", "", "a", "here stands 'many', where a number is needed", "whole number", "attempts:"),
    ("a: { call: erp.read, needs: }", "", "a", "here stands nothing, where a list or a text is needed", "take it out", "needs:"),
]  # fmt: skip

FIT = PRELUDE.replace(
    "  exceptions:\n",
    "    fit.it: { input: { text: string }, output: { id: string } }\n    fit.back: { input: { code: string } }\n  exceptions:\n",
)


@pytest.mark.parametrize(("steps", "top", "step", "message", "mend", "line"), REFUSED)
def test_a_mistake_is_refused_with_its_place_and_mend(
    steps: str, top: str, step: str, message: str, mend: str, line: str
):
    text, problems = told(steps, top, FIT)
    process, _ = check(text, CATALOGUE, file="p.yaml")
    assert process is None
    found = [
        p
        for p in problems
        if p.severity == "error" and p.step == step and message in p.message and mend in p.mend
    ]
    assert found, "\n".join(map(str, problems))
    lines = text.splitlines()
    assert any(line in lines[p.line - 1] for p in found), (found, lines[found[0].line - 1])
    assert str(found[0]).startswith(f"p.yaml:{found[0].line}:{found[0].column}:")
    assert 1 <= found[0].column <= len(lines[found[0].line - 1]) + 1


REFUSED += [
    ("a: { call: erp.do, undo: erp.undo, fails: { redo: b, most: 2 } }\nb: { needs: a, set: { x: 1 } }", "", "a", "b has not begun then: it needs a to end well", "name a, or a step before it", "a:"),
    ("a: { run: child, undo: erp.undo }", "", "a", "what child runs did is undone by them", "take it out", "a:"),
    ('a: { await: case.scanned, until: "${ false }", within: 1h, late: skip }', "", "a", "`until` names nothing that changes", "name what comes", "a:"),
    ('a: { await: case.scanned, until: "${ tenant.settings.go }", within: 1h, late: skip }', "", "a", "`until` names nothing that changes", "steps.a.events", "a:"),
    ("""a: { await: case.scanned, until: "${ steps.c.status == 'succeeded' }", within: 1h, late: skip }
b: { needs: a, set: { x: 1 } }
c: { needs: b, set: { x: 1 } }""", "", "a", "`until` names c, which starts only after it", "name what comes", "a:"),
]  # fmt: skip
WARNED = [
    ('a: { set: { x: "${ steps.b.reason }" } }\nb: { wait: 1h }', "it reads b, which need not have ended"),
    ('a: { await: case.scanned, by: "${ case.due }", late: skip }', "case.due may be absent, and then there is no deadline yet"),
    ("a: { await: case.scanned, within: 1h, late: { raise: mystery } }", "`mystery` is no known type of exception"),
    ("a: { emit: case.unheard, data: {} }", "nobody declares the event `case.unheard`"),
    ("a: { await: case.scanned, within: 1h, late: { emit: case.unheard } }", "nobody declares the event `case.unheard`"),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "message"), WARNED)
def test_what_an_author_should_know_is_a_warning_and_may_be_published(steps: str, message: str):
    text, problems = told(steps)
    assert check(text, CATALOGUE)[0] is not None
    assert any(p.severity == "warning" and message in p.message for p in problems), problems


@pytest.mark.parametrize(
    ("condition", "absent"),
    [
        ("case.n > 3", ["case.n"]),
        ("case.n >= 3 && case.due < now", ["case.n", "case.due"]),
        ("case.amount <= case.amount", ["case.amount"]),
        ("case.items.exists(i, i.n > 3)", ["i.n"]),
        ("case.n > 3 || has(case.n)", ["case.n"]),
        ("has(case.n) ? true : case.n > 3", ["case.n"]),
        ("has(case.n) && case.n > 3", []),
        ("case.n > 3 && has(case.n)", []),
        ("case.n != null && case.n > 3", []),
        ("!has(case.n) || case.n > 3", []),
        ("case.n == null || case.n > 3", []),
        ("has(case.n) ? case.n > 3 : false", []),
        ("!(has(case.n) && has(case.due)) || (case.n > 3 && case.due < now)", []),
        ("default(case.n, 0) > 3", []),
        ("case.n == 3", []),
        ("case.items.filter(i, has(i.n)).all(j, j.n > 3)", []),
        ("case.items.exists(i, has(i.n) && i.n > 3)", []),
    ],
)
def test_a_comparison_of_what_may_be_absent_is_warned_of_where_nobody_asks_first(condition, absent):
    text, problems = told(f'x: {{ wait: 1h }}\na:\n  if: "${{ {condition} }}"\n  call: erp.read')
    expected = [f"`{name}` may be absent, and is compared all the same" for name in absent]
    assert [p.message for p in problems] == expected
    for problem, name in zip(problems, absent, strict=True):
        assert (problem.severity, problem.step) == ("warning", "a")
        assert f"has({name})" in problem.mend
        assert 'if: "${' in text.splitlines()[problem.line - 1]


def test_what_the_key_is_made_of_and_what_each_of_several_needs_is_there_for_certain():
    text = """
process: customs-hold
title: A parcel stands at the border
owner: customs-desk
document: ExceptionCase
key: ${ exception.id }
start: { on: exception.raised, if: "${ exception.type in ['delay_customs', 'held'] }" }
on: { exception.closed: { cancel: it moves again } }
declare:
  events:
    broker.answered: { data: { case: string, papers: [string] }, about: { exception: case } }
  operations:
    broker.ask: { input: { case: string }, output: { ref: string } }
    broker.send: { input: { ref: string, papers: [string] } }
steps:
  ask: { call: broker.ask, with: { case: "${ exception.id }" }, undo: none }
  answered:
    needs: ask
    await: broker.answered
    within: 1 business day
    late: [{ escalate: customs-lead }, { after: 2 business days, step: by_hand }]
  by_hand:
    task: { role: customs-desk, form: { papers: [string] } }
    within: 1 business day
    late: { escalate: customs-lead }
  papers:
    needs_any: [answered, by_hand]
    call: broker.send
    with:
      ref: ${ steps.ask.output.ref }
      papers: "${ steps.answered.status == 'succeeded' ? steps.answered.output.papers : ['by hand'] }"
    undo: none
  settle: { needs: papers, emit: exception.close, data: { action: retry } }
"""
    assert check(text, CATALOGUE)[1] == []


def test_what_is_fine_has_no_problems():
    assert told('a: { call: erp.read }\nb: { needs: a, set: { x: "${ steps.a.status }" } }')[1] == []


def test_of_a_text_that_is_wrong_throughout_only_so_much_is_told():
    """To look for the nearest word takes its time for each."""
    _, problems = told(FINE, top="\n".join(f"k{n}: 1" for n in range(30_000)))
    assert len(problems) == 101
    assert "there is more, which is not told" in problems[-1].message


def test_anchors_that_make_much_of_little_are_refused():
    text = 'a: &a "' + "x" * 250_000 + '"\nb: [' + ",".join(["*a"] * 1000) + "]\n"
    (problem,) = check(text, CATALOGUE)[1]
    assert "too large" in problem.message
    (problem,) = check("a: &a [*a]", CATALOGUE)[1]
    assert "nested too deeply" in problem.message


@pytest.mark.parametrize("number", ["9" * 101, "9" * 5000, "-" + "9" * 5000, "9" * 400 + ".0"])
def test_a_number_of_many_digits_is_refused_at_its_place(number: str):
    text = text_of(FINE) + f"\nmost: {number}"
    (problem,) = check(text, CATALOGUE)[1]
    assert problem.message == "this number has too many digits"
    assert problem.line == len(text.splitlines())


def test_events_of_two_steps_that_await_the_same_type_are_one_list():
    process, problems = check(
        text_of("""
a: { await: case.scanned, match: "${ event.n == 1 }", within: 1h, late: skip }
b: { await: [case.scanned], within: 1h, late: skip }
c: { needs_any: [a, b], each: "${ (steps.a.events + steps.b.events).map(e, {'id': e.meta.id, 'n': e.n}) }", run: child }
"""),
        CATALOGUE,
    )
    assert (process is not None, problems) == (True, [])


@pytest.mark.parametrize("field", ["process", "owner", "document", "key", "steps"])
def test_what_every_process_has_is_asked_for(field: str):
    text = "\n".join(line for line in text_of(FINE).splitlines() if not line.startswith(f"{field}:"))
    process, problems = check(text if field != "steps" else PRELUDE, CATALOGUE)
    assert process is None
    assert any(f"`{field}` is missing" in p.message for p in problems)


def test_an_unknown_document_is_told_with_the_nearest():
    text = text_of(FINE).replace("document: Case", "document: Odrer").replace("case.number", "odrer.number")
    assert any(
        "there is no document `Odrer`" in p.message and "`Order`" in p.mend for p in check(text, CATALOGUE)[1]
    )


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "fields"),
        ("- a\n- b", 1, "fields"),
        ("just words", 1, "fields"),
        ("a: b: c", 1, "not YAML"),
        ("a: [1, 2", 1, "not YAML"),
        ("a: 1\na: 2", 2, "`a` is given twice"),
        ("a: &x [1]\nb: *y", 2, "not YAML"),
        ("a: &x { b: 1 }\nc: { <<: *x }", 2, "merge keys"),
        ("? [a, b]\n: c", 1, "a key must be a word"),
        ("a: &x [*x]", 1, ""),
        ("\tprocess: x", 1, "not YAML"),
        ("process: x\n\0", 1, "not YAML"),
        ("a: !!python/object:os.system x", 1, ""),
        ("--- a\n--- b", 1, "not YAML"),
        ("a: " + "[" * 100 + "]" * 100, 1, ""),
        ("a: " + "[" * 5000 + "]" * 5000, 1, ""),
        ("a: " + "x" * 600_000, 1, "larger than"),
        ("a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ne: [*d, *d, *d, *d, *d, *d, *d, *d, *d]", 1, "too large"),
    ],
)  # fmt: skip
def test_what_is_not_even_a_process_is_told_and_never_a_traceback(text: str, line: int, message: str):
    process, problems = check(text, CATALOGUE, file="x.yaml")
    assert process is None
    assert problems
    assert any(message in p.message for p in problems), problems
    assert problems[0].line >= min(line, 1)


def test_yaml_is_read_as_people_mean_it():
    source = Source("on: off\nat: 1:30\nyes: no\nn: 010\nv: 1.10\nb: true\ne:\n")
    assert source.value == {
        "on": "off",
        "at": "1:30",
        "yes": "no",
        "n": "010",
        "v": 1.1,
        "b": True,
        "e": None,
    }


def test_load_refuses_with_all_problems_in_the_order_of_the_file():
    with pytest.raises(NotAProcess) as refused:
        load(
            text_of("a: { call: erp.doo, undo: none }\nb: { await: case.scanned }"), CATALOGUE, file="p.yaml"
        )
    assert [p.step for p in refused.value.problems] == ["a", "b"]
    assert str(refused.value).startswith("2 problems\np.yaml:")


def test_a_process_that_was_published_is_read_again_without_the_rules():
    text = text_of("a: { await: case.scanned }")
    assert check(text, CATALOGUE)[0] is None
    assert reopen(text, CATALOGUE).name == "p"
    with pytest.raises(NotAProcess):
        reopen(text_of("a: { call: erp.doo, undo: none }"), CATALOGUE)
    with pytest.raises(NotAProcess):
        reopen(text_of("a: 5"), CATALOGUE)


def test_the_shape_of_a_process_is_its_document_and_output():
    process = load(text_of(FINE, top='output: { n: "${ case.number }" }'), CATALOGUE)
    shape = shape_of(process, CATALOGUE.including(documents={}))
    assert (shape.name, str(shape.output)) == ("p", "{n: string}")


def test_a_version_is_named_by_its_content():
    one, two = load(text_of(FINE), CATALOGUE), load(text_of("z: { set: { x: 2 } }"), CATALOGUE)
    assert (one.version, len(one.version)) == (load(text_of(FINE), CATALOGUE).version, 16)
    assert one.version != two.version


@pytest.mark.parametrize("document", ["Package", "Return", "Import", "Event", "Run", "Item", "Order"])
def test_a_document_is_named_in_expressions_even_where_its_name_is_taken(document: str):
    text = f"""
process: p
owner: team
document: {document}
key: ${{ {document.lower() if document == "Order" else document.lower() + "_"}.number }}
declare: {{ documents: {{ {document}: {{ number: string }} }} }}
steps: {{ a: {{ set: {{ x: 1 }} }} }}
"""
    process, problems = check(text, CATALOGUE)
    assert process is not None, problems
    assert process.kind == document.lower()


# -- the schema ---------------------------------------------------------------------------------------------------


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_refuses_unknown_fields_everywhere():
    validator = jsonschema.Draft202012Validator(SCHEMA)
    good = Source(
        text_of("a: { call: erp.do, undo: none, retry: { attempts: 2 }, fails: { raise: trouble } }")
    ).value
    validator.validate(good)
    for path in ((), ("steps", "a"), ("steps", "a", "retry"), ("steps", "a", "fails"), ("declare",)):
        bad = copy.deepcopy(good)
        part = bad
        for key in path:
            part = part[key]
        part["unknown_field"] = 1
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(bad)


# -- never a traceback ----------------------------------------------------------------------------------------


EVERYTHING = text_of(
    """
    a: { call: erp.do, via: "${ case.by }", with: { n: 1 }, undo: { call: erp.undo, with: { x: "${ output.x }" } }, retry: { attempts: 3, first: 5s }, alias: { t: "${ output.t }" }, fails: [{ emit: case.noted }, { redo: a, most: 2 }] }
    b: { needs: a, await: [case.scanned, case.noted], match: "${ event.n > 1 }", until: "${ size(steps.b.events) > 1 }", by: { time: "${ case.due }", before: 1h }, within: 2h, late: [{ after: 1h, raise: slow, severity: low, message: "late ${ case.number }" }, { step: h }] }
    c: { needs_any: [a, b], approve: { role: boss, not: ["${ case.by }"], candidates: [x], form: { n: int } }, with: { n: 1 }, refused: { cancel: no }, within: 1 business day, calendar: x, late: { escalate: chief } }
    d: { choose: { hit: collect, rules: [{ when: "${ case.flag }", give: 1 }, { give: 2 }], otherwise: 3 } }
    e: { emit: case.noted, data: { n: 1 }, about: { case: "${ case.number }" } }
    f: { each: "${ case.items }", item_key: "${ item.id }", run: child, with: { i: "${ item.id }" } }
    g: { wait: { until: "${ case.due }", calendar: x }, redo: { most: 2 } }
    h: { task: { role: clerk, form: { x: string } }, by: "${ case.due }", within: 1h, late: skip, if: "${ case.flag }", title: T }
    i: { set: { x: "${ case.n }" } }
    """,
    top='on: { case.noted: [{ if: "${ event.n > 1 }", do: raise, type: slow }] }\nagain: allow\ncalendar: x\nalias: { q: "${ case.by }" }\noutput: { x: 1 }\nmeasures: { m: { from: start, to: g, target: 2h, title: T } }',
)
_JUNK: list[Any] = [
    None, "", [], {}, 0, -1, 1.5, True, "x", "${", "${}", "${ x }", "${ case.nope }", "a.b", "step", "raise", "skip", {"a": 1},
    [1], ["a", {"b": 2}], {"raise": None}, {"redo": "a"}, "none", "4 business hours", "9" * 50, [[[]]], {"do": "raise"},
    {"do": 7}, {"call": 3}, {"when": 1}, "\N{SUPERSCRIPT TWO}h", "P1D", "${ steps }", "${ steps.a }", "a", "case.noted",
]  # fmt: skip
_FIELDS = ["late", "fails", "undo", "alias", "redo", "each", "by", "wait", "emit", "set", "choose", "until", "match", "needs", "about", "data", "form", "7", "approve", "call", "run"]  # fmt: skip


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(p for key, one in inner for p in _paths(one, (*path, key)))]


def _part(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def mutated(seed: int) -> str:
    """A process with one or two things in it that were written wrong."""
    chance = random.Random(seed)
    value = copy.deepcopy(Source(EVERYTHING).value)
    for _ in range(chance.choice([1, 1, 2])):
        path = chance.choice([p for p in _paths(value) if p])
        owner, kind = _part(value, path[:-1]), chance.random()
        if kind < 0.55:
            owner[path[-1]] = copy.deepcopy(chance.choice(_JUNK))
        elif kind < 0.7:
            del owner[path[-1]]
        elif kind < 0.85 and isinstance(owner, dict):
            owner[chance.choice(_FIELDS)] = copy.deepcopy(chance.choice(_JUNK))
        else:
            owner[path[-1]] = copy.deepcopy(_part(value, chance.choice(_paths(value))))
    return yaml.safe_dump(value, sort_keys=False)


def test_the_whole_language_is_accepted_and_fits_the_schema():
    process, problems = check(EVERYTHING, CATALOGUE)
    assert process is not None, problems
    jsonschema.Draft202012Validator(SCHEMA).validate(Source(EVERYTHING).value)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.integers(0, 10**9))
def test_whatever_is_written_wrong_is_told_or_makes_no_difference(seed: int):
    text = mutated(seed)
    process, problems = check(text, CATALOGUE, file="m.yaml")
    assert process is not None or any(p.severity == "error" for p in problems)
    for problem in problems:
        assert problem.line >= 1
        assert problem.message
    if process is not None:  # what the reader takes, the schema takes
        jsonschema.Draft202012Validator(SCHEMA).validate(Source(text).value)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, len(EVERYTHING) - 1), st.sampled_from(list("{}[]:,\"'&*!|>%@`#-? \n\t\0x")))
def test_a_slip_of_one_character_is_told_or_makes_no_difference(place: int, character: str):
    text = EVERYTHING[:place] + character + EVERYTHING[place + 1 :]
    process, problems = check(text, CATALOGUE, file="m.yaml")
    assert process is not None or any(p.severity == "error" for p in problems)


@pytest.mark.timeout(20)  # it once took minutes
@pytest.mark.parametrize(
    "deep", ["[" * 200_000, "{a: " * 50_000, "".join(f"{' ' * n}a:\n" for n in range(900))]
)
def test_what_is_nested_without_end_is_refused_where_it_gets_too_deep(deep: str):
    process, (problem,) = check(f"process: x\nsteps:\n {deep}", CATALOGUE, file="m.yaml")
    assert process is None
    assert problem.message == "this is nested too deeply or too large"
    assert problem.line >= 3
