"""What a newcomer writes wrong, and what is told about it: one message, at its place, with its mend."""

from __future__ import annotations

import time

import pytest
from driver import CATALOGUE, text_of

from crossdock.process import check
from crossdock.process.problems import Problem

GOOD = """
process: parcels
owner: team
document: Parcel
key: ${ parcel.number }
start: { on: parcel.opened }
declare:
  documents:
    Parcel: { number: string, amount: money, "eta?": timestamp, slot: timestamp, "n?": int, names: [string], by: string }
  events:
    parcel.opened: { data: Parcel }
    parcel.scanned: { data: { parcel: string, "n?": int } }
  operations:
    erp.do: { input: { number: string }, output: { id: string, "extra?": string }, undo: erp.undo }
    erp.undo: { input: { id: string } }
  exceptions: { slow: { severity: low } }
steps:
  a:
    call: erp.do
    with: { number: "${ parcel.number }" }
    undo: erp.undo
  b:
    needs: a
    await: parcel.scanned
    within: 1h
    late: { raise: slow }
  c:
    needs: b
    approve: { role: boss, not: "${ parcel.by }" }
    refused: { cancel: no }
    within: 1 day
    late: { escalate: chief }
""".lstrip()


def told(*changes: tuple[str, str], text: str = GOOD) -> list[Problem]:
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    process, problems = check(text, CATALOGUE, file="p.yaml")
    assert (process is None) == any(p.severity == "error" for p in problems)
    return problems


def test_what_is_right_is_told_nothing():
    assert told() == []


NUMBER = '"${ parcel.number }" }'
TABLE = "  k: { choose: { rules: [{ when: '${ parcel.by == \"x\" }', give: yes }], otherwise: no } }\n"
MISTAKES = [
    (("within: 1h", "withn: 1h"), "unknown field `withn`", "did you mean `within`?", 24),
    (("await: parcel", "awiat: parcel"), "unknown field `awiat`", "did you mean `await`?", 23),
    (("{ raise: slow }", "{ rise: slow }"), "unknown field `rise`", "did you mean `raise`?", 25),
    (("{ on: parcel", "{ one: parcel"), "unknown field `one`", "did you mean `on`?", 5),
    (("{ raise: slow }", "{ raise: slow, escalate: x }"), "here stands both raise and escalate", "write a list: `[{ raise: slow }, { escalate: x }]`", 25),
    (("{ raise: slow }", "nothing"), "there is no step `nothing`", "write `do: nothing`", 25),
    (("    needs: a", "\tneeds: a"), "a line begins with a tab", "indent with spaces", 22),
    (("    needs: a", "\u00a0\u00a0\u00a0\u00a0needs: a"), "a line begins with a space that is none", "plain spaces", 23),
    (("within: 1h", "within: 1h\n    within: 2h"), "`within` is given twice", "keep one of them", 25),
    ((NUMBER, "${ parcel.number } }"), "this is not YAML", "put an expression in quotes", 19),
    ((NUMBER, "\u201c${ parcel.number }\u201d }"), "this is not YAML", "plain quotes", 19),
    (("needs: a", "needs: *a"), "no anchor has this name", "in quotes", 22),
    (("needs: a", "needs: !!binary aGk="), "the tag tag:yaml.org,2002:binary is not used here", "without a tag", 22),
    (("needs: a", "needs: []"), "nothing stands in it", "name at least one", 22),
    (("boss", "bo\0ss"), "control characters are not allowed", "take the character out", 28),
    (("needs: a", "needs: a\n    if: true"), "here stands True, where a text is needed", "write it as `${ ... }`", 23),
    (("needs: a", "needs: a\n    if: ${ parcel.names }"), "a bool is needed, this is a list of string", "compare it with something", 23),
    (("within: 1h", "by: tomorrow"), "'tomorrow' is not a time", "an instant with its zone", 24),
    (("within: 1h", "by: ${ parcel.number }"), "a timestamp is needed, this is a string", "an instant with its zone", 24),
    (("{ on: parcel.opened }", "{ on: parcel.scanned }"), "what parcel.scanned says is not Parcel: number: missing", "document:", 5),
    (("{ on: parcel.opened }", '{ on: parcel.scanned, document: "${ event.parcel }" }'), "what parcel.scanned says is not Parcel", "document:", 5),
    (("key: ${ parcel.number }", "key: ${ parcel.n }"), "a string is needed, this is an int", "text(x)", 4),
    (("key: ${ parcel.number }\n", ""), "`key` is missing", "key: ${ order.number }", 1),
    (("process: parcels", "process: My Parcels"), "'My Parcels' is not a name of a-z, 0-9 and -", "as order-to-cash", 1),
    (("document: Parcel", "document: Parcle"), "there is no document `Parcle`", "did you mean `Parcel`?", 3),
    (("scanned: { data: { parcel: string, \"n?\": int } }", "scanned: { data: { parcel: string }, about: { parcel: nr } }"), "its data has no field `nr`", "", 11),
    (("Parcel: { number", "Weight: quantity\n    Parcel: { number"), "Weight has no fields: it is quantity", "write `name: type` lines", 8),
    (('{ number: "${ parcel.number }" }', "{ }"), "erp.do cannot take this: number: missing", "give it: `number: ...`", 19),
    (("slow: { severity: low }", "slow: { severity: low, colour: red }"), "unknown field `colour`", "known: meaning, owner, severity", 15),
    (("{ raise: slow }", "{ raise: slow, most: 2 }"), "`most` means nothing for `raise`", "it is for `redo`", 25),
    (("{ raise: slow }", "{ emit: parcel.scanned, data: { n: 1 } }"), "parcel.scanned cannot take this: parcel: missing", "say it in `data:`", 25),
    (("declare:", "measures: { m: { from: start, to: start } }\ndeclare:"), "nothing is measured `to: start`", "`to: end` or a step", 6),
    (("declare:", "again: true\ndeclare:"), "here stands True", "write one of allow, refuse", 6),
    (("declare:", "calendar: ${ parcel.n }\ndeclare:"), "a string is needed, this is an int", "text(x)", 6),
    (("  b:\n", '  k: { set: { x: 1, y: "${ steps.k.output.x }" } }\n  b:\n'), "it reads its own output before it has any", "name another step", 21),
    (("  b:\n", "  k: { wait: 2026-04-01T00:00:00Z }\n  b:\n"), "is a time", "write `wait: { until: 2026-04-01T00:00:00Z }`", 21),
    (("  b:\n", '  k: { each: "${ parcel.names.map(n, {\'label\': n}) }", run: child }\n  b:\n'), "an item of `each` has no key of its own: it has label", "`item_key: ${ item.label }`", 21),
    (("  b:\n", '  k: { needs: b, each: "${ steps.b.events }", run: child }\n  b:\n'), "it has parcel, n", "`item_key: ${ item }`", 21),
    (('"eta?": timestamp', "eta: timestamp?"), "eta: unknown type 'timestamp?'", '`"name?": timestamp`', 8),
    (("needs: a", "needs: a\n    if: ${ days_between(now, parcel.slot) > 3 }"), "unknown function 'days_between'", "(a - b).getHours() / 24", 23),
    (("needs: a", "needs: a\n    if: ${ workdays(now) > 3 }"), "unknown function 'workdays'", "days, ", 23),
    (("number: string, amount", "number: str, amount"), "number: unknown type 'str'", "write string", 8),
    (("declare:", "measures: { m: { from: start } }\ndeclare:"), "it has no `from` or no `to`", "from: start", 6),
    (("  b:\n", '  k: { each: "${ parcel.number }", run: child }\n  b:\n'), "`each` needs a list", "name a list", 21),
    (("  b:\n", '  k: { choose: { rules: [{ when: "${ true }" }] } }\n  b:\n'), "a rule must `give` something", "give:", 21),
    (('"${ parcel.by }"', '""'), "who asks for it could also approve it", "run.started_by", 28),
    ((NUMBER, '"${ 1e400 > 1.0 ? \'a\' : \'b\' }" }'), "a number here is too large", "smaller", 19),
    (("{ raise: slow }", "raise slow"), "'raise slow' is no name of a step", "write `{ raise: slow }`", 25),
    (("{ raise: slow }", "slow"), "there is no step `slow`", "to raise it, write `{ raise: slow }`", 25),
    (("{ raise: slow }", "{ do: notify, to: x }"), "'notify' is not a verb", "known: cancel, emit, escalate", 25),
    (("{ on: parcel.opened }", "parcel.opened"), "here stands 'parcel.opened', where a list or fields is needed", "write `{ on: parcel.opened }`", 5),
    (("within: 1h", "within: ${ parcel.n }"), "a duration is needed, this is an int", "`${ hours(x) }`", 24),
    (("within: 1h", "by: { cut_off: pickup, time: '${ parcel.slot }' }"), "`by` names two times", "keep one of them", 24),
    (("{ number: string, amount", "{ number: number, amount"), "number: unknown type 'number'", "write int, decimal or double", 8),
    (("needs: a", "needs: a\n    if: ${ steps.a.status == 'done' }"), "the status of a step is never `done`", "one of pending, running, waiting, succeeded", 23),
    (("needs: a", "needs: a\n    if: ${ len(parcel.names) > 1 }"), "unknown function 'len'", "write size(x)", 23),
    (("needs: a", "needs: a\n    if: ${ parcel.names.any(n, n == 'x') }"), "unknown name 'n'", "x.exists(i, ...)", 23),
    (("needs: a", "needs: a\n    if: ${ not parcel.flag }"), "'parcel' does not belong here", "write !", 23),
    (("needs: a", "needs: a\n    if: ${ now > parcel.slot - 2h }"), "'h' does not belong here", "hours(2)", 23),
    (("needs: a", "needs: a\n    if: ${ parcel.n > 1 ? true : false }"), "this is not YAML", "that has a colon in it in quotes", 23),
    (("needs: b", "needs: a, b"), "there is no step `a, b`", "write a list: `needs: [a, b]`", 27),
    (("needs: b", "needs: bb"), "there is no step `bb`", "did you mean `b`?", 27),
    (("    within: 1h\n", ""), "`late` without a deadline", "`within: 4 business hours`", 24),
    (("{ raise: slow }", '{ emit: parcel.scanned, data: { parcel: "${ parcel.nr }" } }'), "unknown field 'nr' of Parcel", "there is:", 25),
    (("needs: a", "needs: a\n    if: ${ 'x' in steps.a }"), "cannot look for a string in a Step_a", "name a list", 23),
    (("needs: a", "needs: a\n    if: ${ parcel.amount > money('1,50', 'EUR') }"), "'1,50' is not a decimal", "write it as 12.50", 23),
    (("within: 1h", "by: 3 business days"), "'3 business days' is not a time", "write `within: 3 business days`", 24),
    (("{ severity: low }", "{ severity: fatal }"), "'fatal' is not one of low", "known: critical, high, low", 15),
    (("amount: money", "amount: euro"), "amount: unknown type 'euro'", "write money", 8),
    (("with: { number", "with: { numbr"), "number: missing", "write `number` instead of `numbr`", 19),
    (("declare:", "on: { parcel.scanned: { if: \"${ steps.a.status == 'ended' }\", do: cancel } }\ndeclare:"), "is never `ended`", "succeeded", 6),
    (("  b:\n", "  k: { emit: parcel.scanned, with: { parcel: x } }\n  b:\n"), "`with` means nothing for `emit`", "it is for call", 21),
    (("  b:\n", "  k: { wait: { cutoff: gate } }\n  b:\n"), "unknown field `cutoff`", "did you mean `cut_off`?", 21),
    (("  b:\n", "  k: { choose: { hit: all, rules: [{ give: x }] } }\n  l: { needs: k, if: \"${ 'x' in steps.k.output }\", wait: 1h }\n  b:\n"), "'all' is not one of", "collect", 21),
    (("  b:\n", "  k: { run: parcels, with: { number: '1' } }\n  b:\n"), "parcels cannot take this: amount: missing", "give it", 21),
    (("  b:\n", "  k: { run: parcels, with: { number: '${ parcel.nr }' } }\n  b:\n"), "unknown field 'nr' of Parcel", "there is:", 21),
    (("undo: erp.undo\n  b", "undo: { impossble: gone }\n  b"), "unknown field `impossble`", "did you mean `impossible`?", 20),
    (("  b:\n", "  k: { each: '${ parcel.names }', run: child, fails: { raise: slow, message: '${ steps.k.count.open }' } }\n  b:\n"), "unknown field 'count'", "write counts", 21),
    (("  b:\n", "  k: { choose: { rules: [{ when: '${ parcel.nr == 1 }', give: x }], otherwise: y } }\n  b:\n"), "unknown field 'nr'", "there is:", 21),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message", "mend", "line"), MISTAKES, ids=[m[1][:40] for m in MISTAKES])
def test_one_mistake_is_told_once(change: tuple[str, str], message: str, mend: str, line: int):
    problems = told(change)
    assert len(problems) == 1, "\n".join(map(str, problems))
    assert message in problems[0].message
    assert mend in problems[0].mend
    assert problems[0].line in (line, line + 1 if "given twice" in message else line)


def test_an_operation_that_needs_no_undo_is_told_so_where_it_is_called():
    operation = ("    erp.undo: {", "    erp.tell: { input: { x: int }, undo: none }\n    erp.undo: {")
    call = ("  b:\n", "  k: { call: erp.tell, with: { x: 1 } }\n  b:\n")
    (problem,) = told(operation, call)
    assert problem.mend.startswith("write `undo: none` here as well, or `undo: impossible`")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((NUMBER, '"{{ parcel.number }}" }'), "is taken as a text"),
        ((NUMBER, '"{ parcel.number }" }'), "is taken as a text"),
        ((NUMBER, '"no {{ parcel.number }}, please" }'), "'{{ parcel.number }}' is taken as a text"),
        (
            ("  c:\n    needs: b", "    fails: h\n  h: { set: { x: 1 } }\n  c:\n    needs: [b, h]"),
            "it needs b to end well, and never starts after h took its place",
        ),
        (("key: ${ parcel.number }", "key: parcel"), "it is the same for every document"),
        (('"${ parcel.by }"', "somebody"), "who asks for it could also approve it"),
        (("within: 1h", "by: ${ parcel.eta }"), "parcel.eta may be absent"),
        (
            ("declare:", "calendar: Europe/Paris\ndeclare:"),
            "`Europe/Paris` is a time zone, and a calendar is named",
        ),
        (("within: 1h", "within: 1h\n    calendar: UTC"), "`UTC` is a time zone, and a calendar is named"),
        ((NUMBER, "null }"), "erp.do may be given nothing: number"),
        (
            ("  b:\n", "  k: { choose: { rules: [{ give: 1 }, { when: '${ true }', give: 2 }] } }\n  b:\n"),
            "this rule is never looked at",
        ),
        (
            ("  b:\n", "  k: { choose: { hit: collect, rules: [{ give: 1 }], otherwise: 2 } }\n  b:\n"),
            "it is never given",
        ),
        ((NUMBER, '"${ parcel.names[0] + default(steps.c.by, steps.b.reason) }" }'), "it reads b"),
        ((NUMBER, "parcel.number }"), "'parcel.number' is taken as a text"),
        (('"${ parcel.by }"', "parcel.by"), "'parcel.by' is taken as a text"),
        (("key: ${ parcel.number }", "key: parcel.number"), "'parcel.number' is taken as a text"),
        (
            ("{ data: { parcel: string,", "{ data: { box: string,"),
            "nothing in parcel.scanned says for which run it is, and b waits for it",
        ),
        (
            ('"n?": int } }', '"n?": int }, about: { scanner: parcel } }'),
            "parcel.scanned is about `scanner`, by which no run of this process is found, and b waits for it",
        ),
        (
            ("needs: b", "needs: b\n    if: ${ steps.b.status == 'running' }"),
            "b is `await`, whose status is never `running`",
        ),
        (
            ("  b:\n", "  k: { if: \"${ steps.a.status == 'waiting' }\", wait: 1h }\n  b:\n"),
            "a is `call`, whose status is never `waiting`",
        ),
        (
            (
                "  b:\n",
                TABLE + "  l: { needs: k, if: \"${ steps.k.output == 'maybe' }\", wait: 1h }\n  b:\n",
            ),
            "k never gives `maybe`",
        ),
        (
            ("{ cancel: no }", '[{ if: "${ parcel.n == 1 }", skip: few }, { raise: slow }]'),
            "`raise` holds the step that `skip` lets go",
        ),
    ],
)
def test_what_may_be_meant_is_warned_of(change: tuple[str, str], message: str):
    problems = told(change)
    assert [p.severity for p in problems] == ["warning"], "\n".join(map(str, problems))
    assert message in problems[0].message


@pytest.mark.parametrize(
    "change",
    [
        ("within: 1h", "by: ${ default(parcel.eta, parcel.slot) }"),
        ("start: { on: parcel.opened }", "start: [{ on: parcel.opened }]"),
        ("  b:\n", '  k: { needs: a, if: "${ has(steps.a.output.extra) }", call: erp.do, undo: none, with: { number: "${ steps.a.output.extra }" } }\n  b:\n'),
        ("  b:\n", '  k: { needs: a, if: "${ steps.d.status == \'succeeded\' }", call: erp.do, undo: none, with: { number: "${ steps.d.output.id }" } }\n  d: { needs: a, if: "${ parcel.n == 1 }", call: erp.do, undo: none, with: { number: "x" } }\n  b:\n'),
        # a redo of a step does not mean that its output may be missing
        ("declare:", "on: { parcel.scanned: { do: redo, step: a, most: 2 } }\ndeclare:"),
        # what takes the place of a step knows what that step knew
        ("late: { raise: slow }", 'late: { step: d }\n  d:\n    call: erp.do\n    with: { number: "${ steps.a.output.id }" }\n    undo: none'),
        ("  b:\n", '  x: { needs: a, call: erp.do, with: { number: "${ steps.a.output.id }" }, undo: none, fails: y }\n  y: { set: { id: "${ steps.a.output.id }" } }\n  b:\n'),
        ("declare:", "on: { parcel.scanned: { step: e } }\ndeclare:"),
        # what an action asks for first is there
        ("{ raise: slow }", '{ if: "${ has(parcel.n) }", emit: parcel.scanned, data: { parcel: "no. ${ parcel.n }" } }'),
    ],
)  # fmt: skip
def test_what_is_meant_well_is_warned_of_nothing(change: tuple[str, str]):
    more = '  e: { set: { x: "${ default(steps.b.output.n, 0) }" } }\n' if "step: e" in change[1] else ""
    assert told(change, text=GOOD + more) == []


def test_what_follows_from_a_mistake_is_not_told_as_well():
    text = GOOD.replace("    call: erp.do\n", "    call: [erp.do]\n")
    assert [p.line for p in told(text=text)] == [18]
    unreadable = GOOD.replace('"${ parcel.number }" }', '"${ parcel.numbr }" }')
    assert [(p.line, p.step) for p in told(text=unreadable)] == [(19, "a")]


def test_a_long_process_is_checked_in_no_time():
    """Time grows with the number of steps, not with its square; needs upon needs do not make it explode."""
    steps = ["s0: { call: erp.do, with: { n: 1 }, undo: none }"]
    for n in range(1, 120):
        before = ", ".join(f"s{m}" for m in range(n))
        steps.append(
            f's{n}: {{ needs: [{before}], call: erp.do, with: {{ n: "${{ steps.s{n - 1}.output }}" }}, undo: none }}'
        )
    began = time.process_time()
    process, problems = check(text_of("\n".join(steps)), CATALOGUE)
    assert process is not None, problems[:3]
    assert time.process_time() - began < 8
    steps += [f"t{n}: {{ wait: 1h }}" for n in range(81)]
    process, problems = check(text_of("\n".join(steps)), CATALOGUE)
    assert [p.message for p in problems] == ["here stand 201, and 200 may"]


def test_what_a_no_does_may_name_the_decision_itself():
    no = 'refused: { cancel: "no: ${ steps.c.output.note } of ${ steps.c.output.by }" }'
    assert told(("refused: { cancel: no }", no)) == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("    needs: a\n", "    depends_on: a\n"),
        ("    within: 1h\n", "    timeout: 1h\n"),
        ("    with: {", "    input: {"),
        ("    undo: erp.undo\n", "    undo: erp.undo\n    on_error: skip\n"),
        ("    undo: erp.undo\n", "    compensate: erp.undo\n"),
        ("role: boss, not:", "role: boss, exclude:"),
        ("    needs: a\n", "    needs: a\n    when: \"${ parcel.number == '1' }\"\n"),
        ("    needs: a\n", "    needs: a\n    foreach: ${ parcel.names }\n"),
    ],
)
def test_a_word_of_another_language_of_workflows_is_told_ours(ours: str, theirs: str):
    words = {"depends_on": "needs", "timeout": "within", "input": "with", "on_error": "fails"}
    words |= {"compensate": "undo", "exclude": "not", "when": "if", "foreach": "each"}
    (found,) = (p for p in told((ours, theirs)) if p.severity == "error")
    word = found.message.removeprefix("unknown field `").removesuffix("`")
    assert found.mend == f"did you mean `{words[word]}`?"


def test_a_rule_in_the_words_of_another_language_is_told_once_for_each_word():
    table = "  d: { choose: { rules: [{ if: \"${ parcel.number == '1' }\", then: { n: 1 } }], else: { n: 2 } } }\n"
    found = [(p.message, p.mend) for p in told(text=GOOD + table)]
    assert found == [
        ("unknown field `if`", "did you mean `when`?"),
        ("unknown field `then`", "did you mean `give`?"),
        ("unknown field `else`", "did you mean `otherwise`?"),
    ]


def test_an_alias_that_would_be_a_second_key_is_told_what_to_call_it():
    (found,) = (
        p for p in told(("start:", 'alias: { parcel: "${ parcel.by }" }\nstart:')) if p.severity == "error"
    )
    assert found.message == "parcel is the run's own key already"
    assert "call that otherwise than parcel, here and in `about:` of the events" in found.mend
