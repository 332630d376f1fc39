"""Processes drawn from a seed: three to eight steps of all kinds, with all that the language knows for them.

What `check` refuses is drawn again from the next seed, so that every seed gives a process.
"""

from __future__ import annotations

import random
from functools import cache

from driver import CATALOGUE, text_of

from crossdock.process import check

MEASURED = (
    "measures: { cycle: { from: start, to: s0, target: 3 business hours }, all: { from: start, to: end } }"
)
ON = (
    "case.ended: { do: cancel }",
    "case.ended: { redo: s0, most: 1 }",
    "case.ended: { do: raise, type: trouble }",
    'case.ended: [{ if: "${ case.n > 3 }", fail: over }, { emit: case.noted, data: { n: 9 } }]',
    "case.ended: { step: spare }",
    'case.changed: { if: "${ event.n > 4 }", do: redo, step: s0, most: 2 }',
    "case.changed: [{ do: nothing, reason: noted }, { escalate: boss }]",
)


@cache
def process_text(seed: int) -> str:
    """A process that may be published; the same for the same seed."""
    for attempt in range(1000):
        text = _drawn(random.Random(seed * 1000 + attempt))
        if check(text, CATALOGUE)[0] is not None:
            return text
    raise AssertionError(f"seed {seed} gives no process")


def _drawn(chance: random.Random) -> str:
    names = [f"s{n}" for n in range(chance.randrange(3, 8))]
    steps = [_step(chance, n, names) for n in range(len(names))]
    on = [one for one in ON if chance.random() < 0.15]
    on = list({one.split(":")[0]: one for one in on}.values())
    if any("spare" in step for step in (*steps, *on)):
        needs = f"needs: {chance.choice(names)}, " if chance.random() < 0.15 else ""
        steps.append(
            f"spare: {{ {needs}call: wms.do, with: {{ x: 1 }}, undo: wms.undo, fails: {chance.choice(['skip', 'raise', 'cancel'])} }}"
        )
    top = [f"on: {{ {', '.join(on)} }}"] if on else []
    top += [
        line
        for line in (MEASURED, "again: allow", "calendar: site", 'alias: { owner: "${ case.by }" }')
        if chance.random() < 0.3
    ]
    if chance.random() < 0.4:
        top.append('output: { n: "${ case.n }", s: "${ steps.s0.status }" }')
    return text_of("\n".join(steps), top="\n".join(top))


def _late(chance: random.Random) -> str:
    rungs = (
        "skip",
        "cancel",
        "fail",
        "{ raise: slow }",
        "{ raise: slow, severity: high, message: \"late by ${ case.n }\" }",
        "[{ raise: slow }, { after: 2h, escalate: boss }]",
        "[{ raise: slow }, { after: 1 business hour, emit: case.noted, data: { n: 2 } }, { after: 5h, skip: enough }]",
        "[{ escalate: boss }, { after: 30m, raise: slow }, { after: 90m, cancel: too late }]",
        '[{ if: "${ case.flag }", raise: slow }, { after: 1h, step: spare }]',
        "{ step: spare }",
        "{ redo: s0, most: 1 }",
        "[{ redo: s0, most: 2 }, { after: 10m, raise: trouble }]",
        "{ do: nothing, reason: so what }",
    )  # fmt: skip
    return chance.choice(rungs)


def _deadline(chance: random.Random) -> str:
    when = chance.choice(
        [
            "within: 1h",
            "within: 3h",
            "within: 2 business hours",
            'by: "${ case.due }", within: 2h',
            'by: { time: "${ case.due }", before: 30m }, within: 1 business day',
            "within: \"${ case.n > 3 ? '1h' : '2h' }\"",
        ]
    )
    return f"{when}, late: {_late(chance)}"


def _fails(chance: random.Random) -> str:
    return chance.choice(
        [
            "",
            "",
            "fails: skip",
            "fails: cancel",
            "fails: fail",
            "fails: spare",
            "fails: { redo: s0, most: 2 }",
            "fails: { raise: trouble }",
            'fails: [{ if: "${ case.n > 3 }", skip: few }, { emit: case.noted, data: { n: 3 } }]',
            "fails: [{ escalate: boss }, { step: spare }]",
        ]
    )


def _step(chance: random.Random, index: int, names: list[str]) -> str:
    name, earlier = names[index], names[:index]
    parts = []
    if earlier and chance.random() < 0.7:
        few = chance.sample(earlier, min(len(earlier), chance.choice([1, 1, 2])))
        parts.append(f"{chance.choice(['needs', 'needs', 'needs_any'])}: [{', '.join(few)}]")
    if chance.random() < 0.2:
        parts.append('if: "${ case.n > ' + str(chance.randrange(5)) + ' }"')
    if chance.random() < 0.1:
        parts.append("redo: { most: 2 }")
    read = chance.choice(earlier) if earlier else ""
    reads = f'"${{ default(steps.{read}.output, 0) }}"' if read else "1"
    undo = chance.choice(
        [
            "erp.undo",
            "erp.undo",
            "erp.undo",
            "none",
            '{ call: erp.undo, with: { id: "${ output.id }" } }',
            "{ impossible: it is gone }" if chance.random() < 0.3 else "erp.undo",
        ]
    )
    retry = chance.choice(["{ attempts: 2 }", "none", "{ attempts: 3, backoff: fixed, first: 1m }"])
    refused = chance.choice(
        [
            "{ cancel: no }",
            "{ raise: trouble }",
            "{ redo: s0 }",
            "{ step: spare }",
            "{ skip: no }",
            '[{ if: "${ case.n > 3 }", redo: s0, most: 1 }, { fail: no }]',
        ]
    )
    kinds = {
        "call": f'call: erp.do, with: {{ n: "${{ case.n }}", before: {reads} }}, undo: {undo}, retry: {retry}',
        "slow call": f"call: erp.do, with: {{ n: 1 }}, undo: {undo}, {_deadline(chance)}",
        "named call": 'call: erp.more, via: "${ \'erp-\' + case.by }", with: { n: 1 }, undo: erp.undo_more, alias: { ' + name + ': "${ output.id }" }',
        "read": f"call: erp.read, with: {{ x: {reads} }}",
        "await": f"await: case.scanned, {_deadline(chance)}",
        "one of": f'await: [case.scanned, case.noted], match: "${{ event.n > 0 }}", {_deadline(chance)}',
        "until": f'await: case.noted, until: "${{ size(steps.{name}.events) >= 2 }}", {_deadline(chance)}',
        "until n": f'await: case.scanned, until: "${{ size(steps.{name}.events) >= case.n }}", {_deadline(chance)}',
        "approve": f'approve: {{ role: boss, not: ["${{ case.by }}"] }}, with: {{ n: "${{ case.n }}" }}, refused: {refused}, {_deadline(chance)}',
        "task": f'task: {{ role: boss, candidates: ["bob", "${{ case.by }}"] }}, {_deadline(chance)}',
        "wait": f"wait: {chance.choice(['2h', '1 business hour', '5s'])}",
        "wait until": 'wait: { until: "${ case.due }" }',
        "run": "run: child, with: { x: 1 }",
        "slow run": f'each: "${{ case.items }}", run: child, {_deadline(chance)}',
        "each": 'each: "${ case.items }", run: child',
        "grows": f'each: "${{ steps.{read}.events }}", item_key: "${{ string(default(item.n, 0)) }}", run: child' if read else "run: child",
        "set": f'set: {{ x: "${{ case.n }}", y: {reads} }}',
        "choose": 'choose: { rules: [{ when: "${ case.n > 2 }", give: 1 }], otherwise: 2 }',
        "collect": 'choose: { hit: collect, rules: [{ when: "${ case.flag }", give: a }, { give: b }] }',
        "no rule": 'choose: { rules: [{ when: "${ case.n > 4 }", give: 1 }] }',
        "cannot": 'set: { x: "${ int(case.number) }" }',
        "emit": 'emit: case.noted, data: { n: "${ case.n }" }, about: { case: "${ case.number }" }',
    }  # fmt: skip
    weights = [6 if kind == "call" else 1 if kind == "cannot" else 2 for kind in kinds]
    kind = chance.choices(list(kinds), weights)[0]
    parts.append(kinds[kind])
    fails = _fails(chance)
    if fails and kind in {
        "call",
        "slow call",
        "named call",
        "run",
        "slow run",
        "each",
        "grows",
        "no rule",
        "cannot",
    }:
        parts.append(fails)
    return f"{name}: {{ {', '.join(parts)} }}"
