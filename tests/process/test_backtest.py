"""A new version proved on cases of the past: what is the same, what would differ, and what nobody can know."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

from driver import Run, process_of, text_of
from hypothesis import given
from test_kernel_properties import DOCUMENT, PROCESSES, SETTINGS, move, moves, process_text, seeds

from crossdock.process.backtest import Case, backtest
from crossdock.process.state import ENDED_RUN


def proved(run: Run, steps: str = "", *, top: str = "", assume: bool = False) -> Case:
    """The run's case under another version, as things stand."""
    return backtest(process_of(text_of(steps, top=top)), run.course(), until=run.now, assume=assume)


def told(case: Case) -> list[str]:
    """Every difference in one line."""
    return [f"{one.kind} {one.step or '-'}: {one.what}" for one, _ in case.differences]


def details(case: Case) -> list[str]:
    return [detail for _, detail in case.differences]


def question(case: Case) -> str:
    assert case.undecided is not None
    one, detail = case.undecided
    return f"{one.step}: {one.what}" + (f" ({detail})" if detail else "")


def walk(run: Run, chance: random.Random, steps: int) -> None:
    """So many things happen, and deadlines pass when they are due, as the engine lets them."""
    for _ in range(steps):
        run.until(run.now + timedelta(seconds=chance.randrange(120)))
        possible = [one for one in moves(run) if _comes(run, one)]
        if run.status() in ENDED_RUN or not possible:
            return
        if chance.random() < 0.08:
            possible = [("redo", name) for name in run.state.steps]
        move(run, chance.choice(possible))


def _comes(run: Run, one: tuple[Any, ...]) -> bool:
    """Leave out what no engine does: an answer before the try that it answers, one of a child that never was."""
    waits = one[0] == "answer" and one[2] != "withdrawn" and run.due.get(one[1], run.now) > run.now
    return one[0] not in ("time", "undone") and not waits


@SETTINGS
@given(seeds, seeds)
def test_the_version_that_a_case_ran_under_gives_what_it_gave(process: int, way: int):
    text = process_text(process % PROCESSES)
    if text is None:
        return
    run = Run(text=text, document=DOCUMENT)
    walk(run, random.Random(way), 25)
    case = backtest(replace(run.process, version="again"), run.course(), until=run.now)
    assert (case.verdict, told(case), case.undecided) == ("same", [], None)


@SETTINGS
@given(seeds, seeds, seeds)
def test_whatever_the_version_it_comes_to_a_verdict(process: int, other: int, way: int):
    text, changed = process_text(process % PROCESSES), process_text(other % PROCESSES)
    if text is None or changed is None:
        return
    run = Run(text=text, document=DOCUMENT)
    walk(run, random.Random(way), 25)
    for assume in (False, True):
        case = backtest(process_of(changed), run.course(), until=run.now, assume=assume)
        assert case.verdict in ("same", "different", "undecided")
        assert (case.verdict == "undecided") == (case.undecided is not None)


# -- what a person is told ---------------------------------------------------------------------------------

ORDERS = """
check: { call: erp.read, with: { n: "${ case.n }" } }
agree:
  needs: check
  if: ${ case.n > 5 }
  approve: { role: boss, not: ["${ run.started_by }"] }
  with: { n: "${ case.n }" }
  refused: { cancel: refused }
  within: 1 day
  late: { raise: slow }
pick: { needs: agree, call: wms.do, with: { n: "${ case.n }" }, undo: wms.undo }
packed:
  needs: pick
  await: case.scanned
  within: 2 days
  late: { raise: slow }
"""


def packed(n: int, after: str = "1 day") -> Run:
    """A case that came through: asked for above 5."""
    run = Run(ORDERS, {"number": f"C-{n}", "n": n})
    run.wait("1m").done("check")
    if n > 5:
        run.wait("1h").decide("agree")
    run.wait("1m").done("pick")
    run.wait(after).event("case.scanned", {"n": 1})
    assert run.status() == "completed"
    return run


def test_what_is_the_same_is_said_to_be_the_same():
    for n in (3, 7):
        assert proved(packed(n), ORDERS) == Case(verdict="same")


def test_a_limit_that_is_raised_asks_nobody_any_more():
    lenient = ORDERS.replace("case.n > 5", "case.n > 9")
    case = proved(packed(7), lenient)
    assert case.verdict == "different"
    assert told(case) == [
        "step agree: it is skipped, was succeeded",
        "person agree: boss is not asked",
        "time packed: it is due earlier",
    ]
    assert details(case)[2] == "2026-03-04T09:02:00Z, was 2026-03-04T10:02:00Z"
    assert proved(packed(3), lenient).verdict == "same"


def test_who_was_never_asked_has_decided_nothing():
    strict = ORDERS.replace("case.n > 5", "case.n > 2")
    case = proved(packed(3), strict)
    assert case.verdict == "undecided"
    assert question(case) == "agree: asks boss, who was not asked"
    assert told(case) == []
    case = proved(packed(3), strict, assume=True)
    assert (case.verdict, dict(case.assumed)) == ("different", {"approval of boss at agree: as given": 1})
    assert told(case) == ["step agree: it is succeeded, was skipped", "person agree: boss is asked"]


def test_a_deadline_that_is_moved_shows_who_would_have_been_late():
    strict = ORDERS.replace("within: 2 days", "within: 12h")
    case = proved(packed(3), strict)
    assert told(case) == [
        "time packed: it is late",
        "exception packed: slow is opened",
        "time packed: it is due earlier",
    ]
    assert proved(packed(3, after="2h"), strict).verdict == "different", "it is due earlier all the same"
    assert "exception packed: slow is opened" not in told(proved(packed(3, after="2h"), strict))


def test_a_call_with_other_content_is_not_answered_by_guess():
    other = ORDERS.replace('wms.do, with: { n: "${ case.n }"', 'wms.do, with: { n: "${ case.n }", gift: true')
    case = proved(packed(3), other)
    assert question(case) == "pick: calls wms.do with other content (gift)"
    case = proved(packed(3), other, assume=True)
    assert told(case) == ["call pick: wms.do is called, so was not", "call pick: wms.do is not called so"]
    assert dict(case.assumed) == {"wms.do: as it was answered with other content": 1}


def test_a_step_of_another_name_takes_the_answer_to_the_same_call():
    renamed = ORDERS.replace("pick", "collect")
    case = proved(packed(3), renamed)
    assert told(case) == ["step collect: it is new, and is succeeded", "step pick: it is gone, was succeeded"]


def test_a_call_besides_has_no_answer_and_one_that_is_dropped_is_told():
    besides = ORDERS + "told: { needs: packed, call: erp.do, undo: erp.undo }\n"
    assert question(proved(packed(3), besides)) == "told: calls erp.do, which was not called"
    case = proved(packed(3), besides, assume=True)
    assert "call told: erp.do is called, so was not" in told(case)
    assert dict(case.assumed) == {"erp.do: as done": 1}
    needs = besides + 'note: { needs: told, set: { id: "${ steps.told.output.id }" } }\n'
    assert question(proved(packed(3), needs, assume=True)).startswith("note: needs what erp.do gives")
    without = ORDERS.replace("pick: { needs: agree", "pick: { needs: agree, if: '${ case.n > 4 }'")
    case = proved(packed(3, after="1m"), without)
    assert "call pick: wms.do is not called so" in told(case)
    assert "step pick: it is skipped, was succeeded" in told(case)


def test_what_no_version_has_listened_to_is_not_known():
    other = ORDERS.replace("await: case.scanned", "await: case.noted")
    assert "waits for case.noted, which no version" in question(proved(packed(3), other))


def test_a_case_that_stood_held_and_was_mended_by_hand_would_not_have_been():
    steps = "check: { call: erp.read, retry: { attempts: 1 } }\npick: { needs: check, call: wms.do, undo: none }\n"
    run = Run(steps)
    run.refused("check")
    assert run.status("check") == "held"
    run.wait("1h").repair("step.skip", "check", note="by telephone")
    run.wait("1m").done("pick")
    assert run.status() == "completed"
    case = proved(run, steps.replace("attempts: 1 }", "attempts: 1 }, fails: skip"))
    assert told(case) == ["time -: it ends earlier", "exception check: refused_by_partner is not opened"]


TWICE = """
pick: { call: wms.do, undo: wms.undo, retry: { attempts: 3, backoff: fixed, first: 10m } }
check: { call: erp.read, fails: cancel }
"""


def test_a_call_that_is_taken_back_while_it_waits_for_its_next_try_is_answered_as_it_was():
    for tries in (["unreachable"], ["unknown"], ["unknown", "unreachable"], ["unreachable", "unknown"]):
        run = Run(TWICE)
        for outcome in tries:
            run.wait("11m").answer("pick", outcome)
        run.wait("1m").refused("check")
        assert run.withdrawn == {"pick"}
        run.wait("20m").done("pick")
        run.wait("1m").done("pick!undo")
        assert (run.status(), run.status("pick")) == ("cancelled", "undone")
        assert proved(run, TWICE) == Case(verdict="same"), tries


def test_a_call_in_doubt_that_only_the_new_version_takes_back_is_not_said_to_be_undone():
    kept = TWICE.replace("fails: cancel", "fails: skip")
    run = Run(kept)
    run.wait("1m").unknown("pick")
    run.wait("1m").refused("check")
    run.wait("20m").done("pick")
    assert run.status() == "completed"
    case = proved(run, TWICE)
    assert question(case) == "pick: calls wms.undo, which was not called", "it was done, and is to be undone"
    run = Run(kept)
    run.wait("1m").unreachable("pick")
    run.wait("1m").refused("check")
    run.wait("20m").done("pick")
    assert "step pick: it is cancelled, was succeeded" in told(proved(run, TWICE)), "it was not done by then"


def test_a_call_that_somebody_has_tried_at_once_is_the_same_try():
    for wait in ("1m", "30m"):  # while it waits for its next try, and while that is under way
        run = Run(TWICE)
        run.wait("1m").done("check")
        run.wait("1m").unreachable("pick")
        run.wait(wait).repair("step.retry", "pick")
        assert run.told("call.hurried", "pick")
        run.wait("5m").unreachable("pick")
        run.wait("15m").done("pick")
        assert run.status() == "completed"
        assert proved(run, TWICE) == Case(verdict="same"), wait


def test_a_case_that_ended_with_a_deadline_is_played_to_it():
    steps = "look: { await: case.scanned, within: 2h, late: cancel }\npause: { await: case.noted, within: 1 day, late: { raise: slow } }\n"
    run = Run(steps)
    run.wait("3h")
    assert run.status() == "cancelled"
    assert proved(run, steps) == Case(verdict="same")


def test_an_end_that_is_another_and_a_start_that_is_none():
    run = Run("check: { call: erp.read, fails: skip }\npick: { needs: check, call: wms.do, undo: none }\n")
    run.refused("check").wait("1m").done("pick")
    case = proved(run, "check: { call: erp.read, fails: { cancel: no } }\n")
    assert "end -: it is cancelled, was completed" in told(case)
    held = proved(run, "check: { call: erp.read }\npick: { needs: check, call: wms.do, undo: none }\n")
    assert "end -: it is held, was completed" in told(held)
    assert "no" in details(held)[0]
    few = text_of("a: { set: { n: 1 } }").replace(
        "{ on: case.opened }", '{ on: case.opened, if: "${ case.n > 9 }" }'
    )
    case = backtest(process_of(few), packed(3).course(), until=run.now)
    assert told(case) == ["end -: it would not have begun"]


@SETTINGS
@given(seeds, seeds)
def test_a_case_that_went_on_under_another_name_of_its_version_is_the_same(process: int, way: int):
    text = process_text(process % PROCESSES)
    if text is None:
        return
    run, chance = Run(text=text, document=DOCUMENT), random.Random(way)
    walk(run, chance, 8)
    if run.status() in ENDED_RUN:
        return
    run.move(to=replace(run.process, version="other"))
    walk(run, chance, 12)
    case = backtest(replace(run.process, version="again"), run.course(), until=run.now)
    assert (case.verdict, told(case), case.undecided) == ("same", [], None)
