"""What deciding costs, in memory: no database, no network, one core.

decisions_per_s_KIND      a process of ten steps of that kind, one after the other, from start to end. Steps
                          that wait (call, await, approve, task, wait, run) take a decision each; the others
                          are decided together: for those also `steps_per_s_KIND`
stored_decisions_per_s    call steps again, with what the engine does to each decision besides: event, records
                          and state to JSON; `kept` is without
compile_us, evaluate_us   an expression of a check, a filter over 10 lines, and a sum of money over them
child_ended_us            the decision that one of 1,000 children has ended; `of_10` where there are 10
children_begun_ms         the decision that begins 1,000 children
state_bytes_1000          the state while 1,000 children run
"""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from benchmarks import Figure
from benchmarks._ground import order, say, scaled
from crossdock.expressions import Environment, parse_type
from crossdock.process import Event, Process, State, advance, canonical, encode_state, load, new_state
from crossdock.process.catalogue import OperationShape, ProcessShape
from crossdock.process.messages import Actor, Call, StartChild

STEPS = 10
SECONDS = 1.0  # for each kind
CHILDREN = 1_000
_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_BOSS = Actor(id="ann", roles=("boss",))

KINDS = {
    "call": "call: erp.do, with: { order: '${ order.number }' }, undo: none",
    "await": "await: shipment.delivered, match: '${ event.shipment == \"S-#\" }', within: 3 days, late: skip",
    "approve": "approve: { role: boss, not: [bob] }, refused: { cancel: no }, within: 1 day, late: skip",
    "task": "task: { role: boss, form: { fine: bool } }, within: 1 day, late: skip",
    "wait": "wait: 2h",
    "choose": "choose: { rules: [{ when: '${ size(order.lines) > 5 }', give: many }], otherwise: few }",
    "emit": "emit: order.noted, data: { number: '${ order.number }' }",
    "set": "set: { number: '${ order.number }', lines: '${ size(order.lines) }' }",
    "run": "run: child, with: { number: '${ order.number }' }",
}
AT_ONCE = ("choose", "emit", "set")  # all ten in one decision
EXPRESSIONS = {
    "check": "order.number.startsWith('A') && size(order.lines) > 2",
    "filter": "order.lines.filter(l, l.quantity > quantity('3', 'EA')).map(l, l.item)",
    "money": "sum(order.lines.map(l, l.price)) > money('100.00', 'EUR')",
}
_CATALOGUE = canonical().including(
    operations={"erp.do": OperationShape(name="erp.do")},
    processes={"child": ProcessShape(name="child")},
)


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """Each kind, then expressions, then many children."""
    for kind in KINDS:
        say(f"kernel: {kind}")
        decided, took = _played(_process(kind), SECONDS * scale)
        runs = decided.count(0)
        yield Figure(figure=f"decisions_per_s_{kind}", unit="decisions/s", ours=len(decided) / took)
        if kind in AT_ONCE:
            yield Figure(figure=f"steps_per_s_{kind}", unit="steps/s", ours=runs * STEPS / took)
    kept, took = _played(_process("call"), SECONDS * scale)
    stored, with_json = _played(_process("call"), SECONDS * scale, _store)
    yield Figure(
        figure="stored_decisions_per_s",
        unit="decisions/s",
        ours=len(stored) / with_json,
        peers={"kept": len(kept) / took},
    )
    say("kernel: expressions")
    for name, text in EXPRESSIONS.items():
        compiling, evaluating = _expression(text, scale)
        yield Figure(figure=f"compile_us_{name}", unit="us", ours=compiling)
        yield Figure(figure=f"evaluate_us_{name}", unit="us", ours=evaluating)
    say("kernel: children")
    few, many = _children(10), _children(scaled(CHILDREN, scale, 20))
    yield Figure(figure="child_ended_us", unit="us", ours=many[1], peers={"of_10": few[1]})
    yield Figure(figure="children_begun_ms", unit="ms", ours=many[0], peers={"of_10": few[0]})
    yield Figure(figure="state_bytes_1000", unit="bytes", ours=many[2], peers={"of_10": few[2]})


def _process(kind: str) -> Process:
    lines = ["process: p", "owner: benchmarks", "document: Order", "key: ${ order.number }"]
    lines += ["start: [{ on: order.released }]", "steps:"]
    for n in range(STEPS):
        needs = f"needs: s{n - 1}, " if n else ""
        lines.append(f"  s{n}: {{ {needs}{KINDS[kind].replace('#', str(n))} }}")
    return load("\n".join(lines), _CATALOGUE)


def _event(number: int, type_: str, data: Any, now: datetime) -> Event:
    return Event(
        id=str(number), source="bench", type=type_, time=now, received=now, now=now, data=data, actor=_BOSS
    )


def _answer(state: State, commands: list[Any], now: datetime) -> tuple[str, Any, datetime]:
    """What comes next for a run that waits: type and data of the event, and the time."""
    for command in commands:
        if isinstance(command, Call):
            return "call.ended", {"command": command.id, "outcome": "done", "output": {"ok": True}}, now
        if isinstance(command, StartChild):
            ended = {"step": command.step, "item": command.item, "redo": 0, "status": "completed"}
            return "child.ended", ended, now
    task = next((s.task for s in state.steps.values() if s.status == "waiting" and s.task), "")
    if task:
        return "task.decided", {"task": task, "decision": "approved", "form": {"fine": True}}, now
    if state.wake is not None and state.wake < now + timedelta(hours=3):
        return "timer.due", {"due": state.wake.isoformat()}, state.wake
    ended = sum(step.status == "succeeded" for step in state.steps.values())
    return "shipment.delivered", {"shipment": f"S-{ended}"}, now


def _played(
    process: Process, seconds: float, after: Callable[[Event, Any], object] | None = None
) -> tuple[list[int], float]:
    """Play runs for so long; the number of each decision within its run, and the time taken."""
    document = order("A-1")
    decided: list[int] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or not decided:
        state, now = new_state(process, tenant="t", key="A-1"), _NOON
        event = _event(0, "order.released", document, now)
        for number in range(3 * STEPS):
            decision = advance(process, state, event)
            decided.append(number)
            if after is not None:
                after(event, decision)
            state = decision.state
            if state.ended is not None:
                break
            type_, data, now = _answer(state, decision.commands, now)
            event = _event(number + 1, type_, data, now)
        if state.status != "completed":
            raise RuntimeError(f"a run of {process.name} is {state.status} and does not end")
    return decided, time.perf_counter() - began


def _store(event: Event, decision: Any) -> None:
    _to_json(event)
    _to_json(decision.records)
    encode_state(decision.state)


_to_json = msgspec.json.Encoder().encode


def _expression(text: str, scale: float) -> tuple[float, float]:
    """Microseconds to compile it and to evaluate it."""
    line = {"item": "string", "quantity": "quantity", "price": "money"}
    environment = Environment({"order": parse_type({"number": "string", "lines": [line]})})
    lines = [
        {
            "item": f"SKU-{n}",
            "quantity": {"value": str(n), "unit": "EA"},
            "price": {"amount": "12.50", "currency": "EUR"},
        }
        for n in range(10)
    ]
    values = {"order": {"number": "A-1", "lines": lines}}
    environment.compile(text)
    compiling = _each_us(lambda: environment.compile(text), scaled(100, scale, 3))
    expression = environment.compile(text)
    return compiling, _each_us(lambda: expression.evaluate(values), scaled(10_000, scale, 10))


def _each_us(what: Callable[[], object], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        what()
    return (time.perf_counter() - began) / times * 1e6


def _children(number: int) -> tuple[float, float, float]:
    """Begin so many children (ms), let each end (us, the median), bytes of the state while they run."""
    text = """
process: p
owner: benchmarks
document: Order
key: ${ order.number }
start: [{ on: order.released }]
steps:
  all:
    each: ${ order.lines }
    item_key: ${ item.item }
    run: child
"""
    process = load(text, _CATALOGUE)
    line = order("A-1")["lines"][0]
    document = order("A-1") | {"lines": [line | {"line": n + 1, "item": f"SKU-{n}"} for n in range(number)]}
    began = time.perf_counter()
    decision = advance(
        process, new_state(process, tenant="t", key="A-1"), _event(0, "order.released", document, _NOON)
    )
    begun = (time.perf_counter() - began) * 1000
    state, size = decision.state, len(encode_state(decision.state))
    took: list[float] = []
    for n, child in enumerate(c for c in decision.commands if isinstance(c, StartChild)):
        ended = {"step": "all", "item": child.item, "redo": 0, "status": "completed"}
        event = _event(n + 1, "child.ended", ended, _NOON)
        began = time.perf_counter()
        state = advance(process, state, event).state
        took.append(time.perf_counter() - began)
    if state.status != "completed" or len(took) != number:
        raise RuntimeError(f"{len(took)} of {number} children were begun, the run is {state.status}")
    return begun, statistics.median(took) * 1e6, size
