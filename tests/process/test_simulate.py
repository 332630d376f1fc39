"""Processes run in memory: with nothing said, with scripts, and the same every time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import pytest

from crossdock.connect import catalogue
from crossdock.errors import Refused
from crossdock.process import Catalogue, Process, load
from crossdock.process.publish import check, shape_of
from crossdock.process.simulate import NotAScript, Simulation, declared, read_script
from crossdock.process.source import Source

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
PACK = resources.files("crossdock.packs").joinpath("distribution")
SCRIPTS = {
    file.name: file.read_text() for file in PACK.joinpath("tests").iterdir() if file.name.endswith(".yaml")
}
NAMES = [
    "carrier-claim",
    "deliver-shipment",
    "late-delivery",
    "order-to-cash",
    "return-to-credit",
    "take-over-count",
    "tender-shipment",
]


@pytest.fixture(scope="module")
def packaged() -> tuple[dict[str, Process], Catalogue]:
    known = catalogue()
    texts = {name: PACK.joinpath(f"{name}.yaml").read_text() for name in NAMES}
    for name in ("tender-shipment", "deliver-shipment", "order-to-cash"):
        process, _ = check(texts[name], known)
        assert process is not None
        known = known.including(processes={name: shape_of(process, known)})
    return {name: load(text, known) for name, text in texts.items()}, known


SCRIPT = ": let a script say what it tells (`--script`)"


def play(
    text: str,
    script: str = "[]",
    *,
    others: Mapping[str, Process] | None = None,
    document: Any = None,
    until: timedelta = timedelta(days=30),
) -> Simulation:
    """Play a process of its own text."""
    process = load(text, catalogue())
    library = {process.name: process, **(others or {})}
    known = declared(catalogue(), library)
    played = read_script(script, process, library, known, file="script.yaml")
    simulation = Simulation(library, None, START, catalogue=catalogue(), script=played)
    simulation.begin(process, simulation.document(process) if document is None else document)
    simulation.go_on(START + until)
    return simulation


def whats(simulation: Simulation) -> list[str]:
    return [
        f"{told.step} {told.what}".strip()
        for told in simulation.told
        if told.what not in ("measure", "alias.set")
    ]


SMALL = """
process: small
owner: desk
document: Order
key: ${ order.number }
steps:
  ask: { call: erp.check_credit, with: { customer: c, order: "${ order.number }", amount: "${ money('1.00', 'EUR') }" } }
"""


def small(steps: str, *, head: str = "") -> str:
    return f"process: small\nowner: desk\ndocument: Order\nkey: ${{ order.number }}\n{head}\nsteps:\n{steps}"


# -- the packaged processes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_packaged_process_runs_to_its_end_when_nothing_is_said(
    name: str, packaged: tuple[dict[str, Process], Catalogue]
) -> None:
    library, known = packaged
    simulation = Simulation(library, None, START, catalogue=known)
    simulation.begin(library[name], simulation.document(library[name]))
    simulation.go_on(START + timedelta(days=30))
    assert [
        (run.state.id, run.state.status) for run in simulation.runs if run.state.status != "completed"
    ] == []
    assert [run.raised for run in simulation.runs] == [[] for _ in simulation.runs]
    assert (simulation.faults, simulation.waits(), simulation.unclaimed) == ([], [], [])
    assert all(simulation.replayed(run) for run in simulation.runs)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_packaged_script_comes_as_it_expects(
    name: str, packaged: tuple[dict[str, Process], Catalogue]
) -> None:
    library, known = packaged
    process = library[Source(SCRIPTS[name]).value["process"]]
    script = read_script(SCRIPTS[name], process, library, known, file=name)
    assert any(item.kind == "expect" for item in script.items)
    simulation = Simulation(library, None, START, catalogue=known, script=script)
    simulation.begin(process, simulation.document(process))
    simulation.go_on(START + (script.until or timedelta(days=30)))
    assert [(outcome.line, outcome.wrong) for outcome in simulation.outcomes if outcome.wrong] == []
    assert simulation.faults == []
    assert all(simulation.replayed(run) for run in simulation.runs)


def test_the_same_simulation_twice_tells_the_same_and_leaves_the_same_states(
    packaged: tuple[dict[str, Process], Catalogue],
) -> None:
    library, known = packaged

    def once() -> Simulation:
        simulation = Simulation(library, None, START, catalogue=known)
        simulation.begin(library["order-to-cash"], simulation.document(library["order-to-cash"]))
        simulation.go_on(START + timedelta(days=30))
        return simulation

    one, other = once(), once()
    assert one.told == other.told
    assert [run.state for run in one.runs] == [run.state for run in other.runs]
    assert [run.events for run in one.runs] == [run.events for run in other.runs]


# -- calls --------------------------------------------------------------------------------------------------


def test_an_answer_that_nobody_gave_is_made_up_of_its_type_and_marked() -> None:
    simulation = play(SMALL)
    (done,) = [told for told in simulation.told if told.what == "step.succeeded"]
    assert done.assumed
    assert done.data["output"]["ok"] is True
    assert done.at == START + timedelta(seconds=2)


def test_an_answer_of_the_script_is_not_marked_and_comes_when_it_says() -> None:
    simulation = play(SMALL, "- { call: ask, gives: { ok: false }, after: 10m }")
    (done,) = [told for told in simulation.told if told.what == "step.succeeded"]
    assert not done.assumed
    assert (done.data["output"]["ok"], done.at) == (False, START + timedelta(minutes=10))


def test_a_partner_that_is_down_is_tried_again_after_the_time_it_names() -> None:
    simulation = play(SMALL, "- { call: erp.check_credit, unreachable: 2, retry_after: 5m }")
    tries = [told for told in simulation.told if told.what == "call.retried"]
    assert [told.data["at"] for told in tries] == ["2026-01-05T08:05:02Z", "2026-01-05T08:10:04Z"]
    assert simulation.runs[0].state.status == "completed"


def test_a_call_that_gave_no_answer_is_found_out_and_not_repeated_when_it_was_done() -> None:
    undone = small("  bill: { call: erp.release_invoice, with: { order: x }, undo: erp.credit_invoice }\n")
    simulation = play(undone, "- { call: bill, unknown: true, gives: { invoice: I-9 } }")
    run = simulation.runs[0]
    assert run.called == ["erp.release_invoice"]
    assert run.ends["bill"].output["invoice"] == "I-9"


def test_a_call_that_is_never_answered_leaves_the_run_waiting_for_it_by_name() -> None:
    simulation = play(SMALL, "- { call: ask, never: true }")
    (wait,) = simulation.waits()
    assert (wait.step, wait.what, wait.named) == ("ask", "waits for an answer of erp.check_credit", True)


def test_a_call_withdrawn_while_it_waits_for_another_try_was_never_done() -> None:
    script = """
    - { call: ask, unreachable: 1, retry_after: 2h }
    - { at: 1h, do: cancel, reason: enough }
    - expect: { run: cancelled, steps: { ask: cancelled } }
    """
    assert [outcome.wrong for outcome in play(SMALL, script).outcomes] == [()]


# -- people and events --------------------------------------------------------------------------------------

APPROVE = small(
    "  ok:\n    approve: { role: boss, not: ['${ order.created_by }'] }\n    refused: { cancel: no }\n"
    "    within: 2 days\n    late: { escalate: lead }\n"
)


def test_somebody_of_the_role_approves_when_nobody_is_named() -> None:
    run = play(APPROVE).runs[0]
    assert (run.state.status, run.ends["ok"].by) == ("completed", "somebody")


def test_who_has_not_the_role_is_refused_and_the_approval_stays_open() -> None:
    simulation = play(APPROVE, "- { at: 1h, decide: ok, as: bob, roles: [clerk] }", until=timedelta(hours=2))
    assert "ok decision.refused" in whats(simulation)
    assert simulation.waits()[0].what.startswith("waits for a decision of boss until")


def test_a_decision_before_anybody_is_asked_is_told() -> None:
    waits = small(
        "  first: { wait: 2h }\n  ok:\n    needs: first\n    approve: { role: boss, not: [x] }\n"
        "    refused: { cancel: no }\n    within: 2 days\n    late: { escalate: lead }\n"
    )
    simulation = play(waits, "- { at: 1h, decide: ok }")
    assert simulation.faults == ["line 1: ok is not open for a decision, it is pending"]


def test_with_answers_alone_nobody_decides_and_nothing_comes() -> None:
    simulation = play(APPROVE, "{ defaults: answers, happens: [] }")
    assert simulation.runs[0].state.status == "active"
    assert "ok escalated" in whats(simulation)


def test_with_nothing_made_up_a_call_stays_out() -> None:
    simulation = play(SMALL, "{ defaults: none, happens: [] }")
    assert [told.assumed for told in simulation.told if told.assumed] == []
    assert simulation.waits()[0].what == "waits for an answer of erp.check_credit"


WAIT = "    within: 5 days\n    late: { raise: pick_late, severity: medium }\n"
PACKED = small(
    "  packed:\n    await: warehouse.shipment_packed\n    until: ${ packed(steps.packed.events) >= order.quantity }\n"
    + WAIT
)


def test_an_awaited_event_brings_what_is_still_to_come_of_the_quantity() -> None:
    part = """
    - at: 1h
      event: warehouse.shipment_packed
      data: { quantity: { value: "3", unit: EA }, shipment: { quantity: { value: "3", unit: EA } } }
    """
    simulation = play(PACKED, part)
    (run,) = simulation.runs
    assert run.state.status == "completed"
    told = [
        event.data["quantity"]["value"] for event in run.events if event.type == "warehouse.shipment_packed"
    ]
    assert told == ["3", "7"]


def test_a_wait_that_no_made_up_event_satisfies_is_named() -> None:
    never = small(
        "  packed:\n    await: warehouse.shipment_packed\n    until: ${ order.number == 'X' }\n" + WAIT
    )
    simulation = play(never, until=timedelta(days=4))
    (wait,) = simulation.waits()
    assert wait.what == "no made-up warehouse.shipment_packed satisfies `until: order.number == 'X'`" + SCRIPT


def test_a_made_up_event_says_what_match_asks_for() -> None:
    text = small(
        "  packed:\n    await: warehouse.shipment_packed\n"
        "    match: ${ event.pick == order.number && size(event.order) > 0 }\n" + WAIT
    )
    (run,) = play(text).runs
    assert run.state.status == "completed"
    (packed,) = [event.data for event in run.events if event.type == "warehouse.shipment_packed"]
    assert packed["pick"] == run.state.key


def test_an_event_that_names_nobody_is_parked_until_a_run_claims_its_alias() -> None:
    text = small(
        "  first: { wait: 2h }\n"
        "  book:\n    needs: first\n    call: carrier.book\n    with: { shipment: { number: S-1 } }\n    undo: carrier.void\n"
        "    alias: { tracking: '${ output.tracking_number }' }\n"
        "  gone:\n    needs: book\n    await: shipment.picked_up\n" + WAIT
    )
    script = """
    - { at: 1h, event: shipment.picked_up, data: { tracking_number: T-9 } }
    - { call: book, gives: { tracking_number: T-9, booking: B-9 } }
    - expect: { run: completed }
    """
    simulation = play(text, script)
    assert [told.data["fate"] for told in simulation.told if told.what == "event"] == ["parked"]
    assert [outcome.wrong for outcome in simulation.outcomes] == [()]
    assert simulation.unclaimed == []


def test_an_alias_that_another_live_run_holds_is_refused() -> None:
    text = small(
        "  book:\n    call: carrier.book\n    with: { shipment: { number: S-1 } }\n    undo: carrier.void\n"
        "    alias: { tracking: '${ output.tracking_number }' }\n"
        "  gone:\n    needs: book\n    await: shipment.picked_up\n" + WAIT,
        head="start:\n  - on: order.released",
    )
    script = """
    - { at: 1h, event: order.released, data: { number: SO-2 } }
    - { call: book, gives: { tracking_number: T-9 }, times: 2 }
    - { never: shipment.picked_up }
    """
    simulation = play(text, script, until=timedelta(hours=2))
    assert [run.raised for run in simulation.runs] == [[], ["alias_conflict"]]


def test_a_second_start_goes_to_the_live_run_and_one_after_its_end_is_set_aside() -> None:
    text = small("  rest: { wait: 2h }\n", head="start:\n  - on: order.released")
    script = "[{ at: 1h, event: order.released, data: { number: ORDER-1 } }, { at: 3h, event: order.released, data: { number: ORDER-1 } }]"
    simulation = play(text, script)
    assert len(simulation.runs) == 1
    assert [told.data.get("fate") for told in simulation.told if told.what == "event"] == [
        None,
        None,
        "quarantined",
    ]
    again = play(text.replace("start:", "again: allow\nstart:"), script)
    assert [run.state.generation for run in again.runs] == [1, 2]


def test_an_emitted_event_starts_another_process() -> None:
    other = load(
        small("  rest: { wait: 1h }\n", head="start:\n  - on: invoice.created")
        .replace("small", "other")
        .replace("document: Order", "document: Invoice")
        .replace("order.number", "invoice.number"),
        catalogue(),
    )
    text = small("  tell: { emit: invoice.created, data: { number: I-1 }, about: { invoice: I-1 } }\n")
    simulation = play(text, others={"other": other})
    assert [(run.state.process, run.state.key, run.state.status) for run in simulation.runs] == [
        ("small", "ORDER-1", "completed"),
        ("other", "I-1", "completed"),
    ]


# -- children -----------------------------------------------------------------------------------------------


def test_a_child_may_be_answered_without_being_run(packaged: tuple[dict[str, Process], Catalogue]) -> None:
    library, known = packaged
    process = library["order-to-cash"]
    text = (
        "[{ child: deliver-shipment, fails: lost at sea }, { expect: { run: held, open: [child_failed] } }]"
    )
    script = read_script(text, process, library, known)
    simulation = Simulation(library, None, START, catalogue=known, script=script)
    simulation.begin(process, simulation.document(process))
    simulation.go_on(START + timedelta(days=30))
    assert [outcome.wrong for outcome in simulation.outcomes] == [()]
    assert len(simulation.runs) == 1


def test_time_is_counted_by_the_calendars_of_the_script() -> None:
    script = """
    calendars:
      hall: { zone: America/Chicago, hours: { mon-fri: 09:00-17:00 }, cut_offs: { gate: "16:00" } }
    happens: [{ at: 14h, expect: { run: active } }, { at: 14h 1m, expect: { run: completed } }]
    """
    simulation = play(small("  rest: { wait: { cut_off: gate } }\n", head="calendar: hall"), script)
    assert [outcome.wrong for outcome in simulation.outcomes] == [(), ()]


# -- scripts that are wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "place", "message", "mend"),
    [
        ("happens: 3", "1:1", "a script is a list of what happens", "write `- event: ...` lines"),
        (
            "- [1]",
            "1:3",
            "a happening has fields",
            "start it with one of event, call, child, decide, do, never, expect",
        ),
        ("- { evnt: a.b }", "1:3", "it does not say what happens", "did you mean `event`?"),
        (
            "- { event: order.canceled, at: 1h }",
            "1:5",
            "there is no event `order.canceled`",
            "did you mean `order.cancelled`?",
        ),
        (
            "- { event: order.cancelled }",
            "1:3",
            "it does not say when",
            "add `at: 2h`, or `when: pick succeeded`",
        ),
        ("- { event: order.cancelled, at: 2 fortnights }", "1:29", "'2 fortnights' is not a duration", None),
        (
            "- { event: order.cancelled, at: 2026-01-05T08:00:00 }",
            "1:29",
            "'2026-01-05T08:00:00' has no zone",
            None,
        ),
        (
            "- { event: order.cancelled, at: 1h, data: { ordr: x } }",
            "1:45",
            "order.cancelled: OrderNews has no field `ordr`",
            "did you mean `order`?",
        ),
        ("- { event: order.cancelled, when: ask done }", "1:29", "'done' is no status of a step", None),
        (
            "- { call: erp.check_credits }",
            "1:5",
            "there is no operation or step `erp.check_credits`",
            "did you mean `erp.check_credit`?",
        ),
        (
            "- { call: ask, gives: { ok: 3 } }",
            "1:16",
            "what erp.check_credit gives: ok: a bool is needed, not an int (3)",
            "",
        ),
        (
            "- { call: ask, gives: { ok: true }, refuses: no }",
            "1:3",
            "it answers in 2 ways",
            "keep one of them",
        ),
        (
            "- { call: ask, refuses: no, times: 0 }",
            "1:29",
            "`times` says how often: 0 is no count",
            "write 1 or more",
        ),
        ("- { call: ask, at: 1h }", "1:16", "unknown field `at`", None),
        ("- { decide: ask }", "1:5", "nobody decides ask: it is `call`", ""),
        ("- { decide: asks }", "1:5", "small has no step `asks`", "did you mean `ask`?"),
        ("- { do: skip, step: ask }", "1:3", "who skips a step says why", "add `reason: ...`"),
        ("- { do: jump }", "1:5", "'jump' is no repair", "one of cancel, retry, skip, supply, redo, close"),
        ("- { expect: { run: done } }", "1:15", "'done' is no status of a run", None),
        (
            "- { expect: { steps: { ask: succeded } } }",
            "1:24",
            "'succeded' is no status of a step",
            "did you mean `succeeded`?",
        ),
        ("- { expect: { for: smal } }", "1:15", "there is no process `smal`", "did you mean `small`?"),
        (
            "{ process: large, happens: [] }",
            "1:3",
            "this script is for large, not small",
            "try it with the file of large",
        ),
        ("{ calendars: { x: { zone: Mars } }, happens: [] }", "1:16", None, None),
        ("{ defaults: some, happens: [] }", "1:3", "'some' is no choice", "one of none, answers, all"),
        ("{ document: { total: 5 }, happens: [] }", "1:3", None, None),
    ],
)
def test_a_script_that_is_wrong_is_told_with_its_place_and_mend(
    script: str, place: str, message: str | None, mend: str | None
) -> None:
    process = load(SMALL, catalogue())
    with pytest.raises(NotAScript) as refused:
        read_script(script, process, {process.name: process}, catalogue(), file="s.yaml")
    problem = refused.value.problems[0]
    assert f"{problem.line}:{problem.column}" == place
    assert message is None or problem.message == message
    assert mend is None or problem.mend == mend


def test_a_script_that_is_not_yaml_is_told_so() -> None:
    process = load(SMALL, catalogue())
    with pytest.raises(NotAScript) as refused:
        read_script("- { a: 1", process, {process.name: process}, catalogue(), file="s.yaml")
    assert [problem.message.partition(":")[0] for problem in refused.value.problems] == ["this is not YAML"]


def test_parts_of_a_script_that_never_come_to_pass_are_told() -> None:
    script = """
- { when: ask failed, event: order.cancelled }
- { call: ask, gives: { ok: true }, times: 2 }
- { at: 60d, do: cancel }
- { expect: { run: failed, calls: [] } }
"""
    simulation = play(SMALL, script)
    assert simulation.faults == [
        "line 2: the moment never came: ask of small was never failed",
        "line 3: ask was not called again (1 of 2 answers used)",
        "line 4: its time lies beyond the end of the simulation",
    ]
    assert [outcome.wrong for outcome in simulation.outcomes] == [
        ("the run is completed, not failed", "it called erp.check_credit, not none")
    ]


def test_a_document_that_does_not_fit_is_refused() -> None:
    with pytest.raises(Refused, match=r"the document is no Order: number: missing; a string is needed"):
        play(SMALL, document={"total": None})


# -- what is declared by the process itself -----------------------------------------------------------------


def test_documents_events_and_operations_that_a_process_declares_are_made_up_too() -> None:
    text = """
process: repair
owner: workshop
document: Repair
key: ${ repair.number }
declare:
  documents:
    Repair: { number: string, device: string, "price?": money }
  events:
    repair.paid: { data: { repair: string, amount: money }, about: { repair: repair } }
  operations:
    workshop.diagnose: { input: { device: string }, output: { fault: string, cost: money }, changes: false }
steps:
  diagnose: { call: workshop.diagnose, with: { device: "${ repair.device }" } }
  paid: { needs: diagnose, await: repair.paid, match: "${ event.amount >= steps.diagnose.output.cost }", within: 3 days, late: { cancel: not paid } }
"""
    run = play(text).runs[0]
    assert run.state.status == "completed"
    assert run.state.document == {"number": "REPAIR-1", "device": "DEVICE-1"}
    assert run.ends["paid"].output["repair"] == "REPAIR-1"


def test_a_wait_whose_match_no_made_up_event_meets_names_the_match_not_the_until() -> None:
    steps = PACKED.replace(WAIT, "    match: ${ order.number == 'X' }\n" + WAIT)
    simulation = play(steps)
    (wait,) = simulation.waits()
    assert wait.what == "no made-up warehouse.shipment_packed satisfies `match: order.number == 'X'`" + SCRIPT
