"""A run goes on under another version of its process: what moves, what is asked for then, and what stands against it."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import msgspec
from driver import CATALOGUE, Run, process_of, text_of
from hypothesis import given
from test_kernel_properties import DOCUMENT, PROCESSES, SETTINGS, process_text, seeds, somebody_knows, walk

from crossdock.process import check, encode_state
from crossdock.process.messages import Call, Claim, StartChild
from crossdock.process.state import ENDED_RUN, State


def asked(run: Run) -> list[object]:
    """What the last decision asked for, but for news of exceptions."""
    return [
        c
        for c in run.asked
        if not getattr(c, "type", "").startswith("exception.") and getattr(c, "kind", "") != "exception"
    ]


def sent(run: Run) -> list[str]:
    """The calls that the last decision asked for."""
    return [c.id for c in run.asked if isinstance(c, Call)]


# -- properties --------------------------------------------------------------------------------------------


def _but_for_the_version(state: State) -> bytes:
    return encode_state(msgspec.structs.replace(state, version="", seq=0, seen=[]))


@SETTINGS
@given(seeds, seeds)
def test_a_move_to_the_same_process_under_another_name_changes_nothing(process: int, way: int):
    text = process_text(process % PROCESSES)
    if text is None:
        return
    run, chance = Run(text=text, document=DOCUMENT), random.Random(way)
    for number in range(3):
        walk(run, chance, chance.randrange(10))
        if run.status() in ENDED_RUN:
            return
        before = _but_for_the_version(run.state)
        run.move(to=replace(run.process, version=f"version{number}"))
        assert run.obstacles == []
        assert run.asked == []
        assert [r.what for r in run.last] == ["run.moved"]
        assert _but_for_the_version(run.state) == before
        assert run.state.version == f"version{number}"
    walk(run, chance, 10)
    run.replayed()


@SETTINGS
@given(seeds, seeds)
def test_a_move_to_a_process_with_an_independent_step_makes_its_call_exactly_once(process: int, way: int):
    text = process_text(process % PROCESSES)
    if text is None:
        return
    run, chance = Run(text=text, document=DOCUMENT), random.Random(way)
    walk(run, chance, chance.randrange(16))
    if run.status() in ENDED_RUN:
        return
    to, _ = check(f"{text}\n  besides: {{ call: erp.more, undo: none }}\n", CATALOGUE)
    assert to is not None
    ending = run.state.unwind is not None and run.state.unwind.end
    others = dict(run.state.steps)
    run.move(to=to)
    assert run.obstacles == []
    assert sent(run) == asked_ids(run) == ([] if ending else ["besides"])
    assert {name: run.state.steps[name] for name in others} == others
    walk(run, chance, 15)
    if run.status() not in ENDED_RUN:
        run.move(to=replace(to, version="again"))
        assert (run.obstacles, asked(run)) == ([], [])
    run.replayed()


def asked_ids(run: Run) -> list[str]:
    return [getattr(c, "id", "") for c in asked(run)]


@SETTINGS
@given(seeds, seeds, seeds)
def test_whatever_version_a_run_is_asked_to_move_to_it_goes_on_or_stays_and_replays(
    process: int, other: int, way: int
):
    text, changed = process_text(process % PROCESSES), process_text(other % PROCESSES)
    if text is None or changed is None:
        return
    run, chance = Run(text=text, document=DOCUMENT), random.Random(way)
    walk(run, chance, chance.randrange(12))
    if run.status() in ENDED_RUN or text == changed:
        return
    out, before = dict(run.calls), run.state
    run.move(to=process_of(changed))
    if run.obstacles:
        assert asked(run) == []
        assert run.state.version == before.version
        assert run.state.steps == before.steps
    else:
        assert run.state.version == run.process.version
        assert all(
            run.calls[id_].id == id_ and run.calls[id_].input == call.input for id_, call in out.items()
        )
    if run.status() not in ENDED_RUN:
        somebody_knows(run)
        walk(run, chance, 10)
    run.replayed()


@cache
def changed(seed: int, other: int) -> str | None:
    """The process of a seed with one step as another seed has it, if that may be published."""
    text, theirs = process_text(seed), process_text(other)
    if text is None or theirs is None:
        return None
    head, mark, steps = text.partition("\nsteps:\n")
    lines, others = steps.splitlines(), theirs.partition("\nsteps:\n")[2].splitlines()
    place = (seed + other) % len(lines)
    name = lines[place].split(":")[0]
    found = [line for line in others if line.split(":")[0] == name]
    if not found or found[0] == lines[place]:
        return None
    lines[place] = found[0]
    whole = head + mark + "\n".join(lines) + "\n"
    return whole if check(whole, CATALOGUE)[0] is not None else None


@SETTINGS
@given(seeds, seeds, seeds)
def test_what_was_done_is_never_called_again_by_a_version_with_another_step(
    process: int, other: int, way: int
):
    text, to = process_text(process % PROCESSES), changed(process % PROCESSES, other % PROCESSES)
    if text is None or to is None:
        return
    run, chance = Run(text=text, document=DOCUMENT), random.Random(way)
    walk(run, chance, chance.randrange(12))
    if run.status() in ENDED_RUN:
        return
    done = _done(run)
    run.move(to=process_of(to))
    if not run.obstacles and run.status() not in ENDED_RUN:
        assert not [c.id for c in run.asked if isinstance(c, Call) and c.id in done]
        somebody_knows(run)
        asked = len(run.commands)
        walk(run, chance, 12)
        assert not [c.id for c in run.commands[asked:] if isinstance(c, Call) and c.id in done]
        if run.status() not in ENDED_RUN:  # and back again, or not
            done = _done(run)
            run.move(to=run.origin)
            assert not [c.id for c in run.asked if isinstance(c, Call) and c.id in done]
    run.replayed()


def _done(run: Run) -> set[str]:
    """The ids of calls that were answered as done."""
    ended = [e.data for e in run.events if e.type == "call.ended"]
    return {data["command"] for data in ended if data["outcome"] == "done"}


# -- what was held goes on ---------------------------------------------------------------------------------

BROKEN = """
a: { call: erp.do, with: { n: 1 }, undo: none }
b: { needs: a, call: erp.more, with: { n: "${ steps.a.output.count + 1 }" }, undo: none }
"""
MENDED = """
a: { call: erp.do, with: { n: 1 }, undo: none }
b: { needs: a, call: erp.more, with: { n: "${ steps.a.output.n + 1 }" }, undo: none }
"""


def test_a_step_that_an_expression_held_begins_and_its_exception_is_closed():
    run = Run(BROKEN).done("a", {"n": 4})
    assert (run.status(), run.open) == ("held", ["decision_failed"])
    run.move(MENDED)
    assert (run.status(), run.open, sent(run)) == ("active", [], ["b"])
    assert run.input("b") == {"n": 5}
    closed = run.told("exception.closed")[-1]
    assert closed["by"] == "ann"
    assert closed["note"].startswith("mended in version")
    assert run.told("run.moved")[0]["version"] == run.process.version
    assert run.told("run.moved")[0]["before"] == run.origin.version
    run.done("b")
    assert run.status() == "completed"


def test_what_is_still_wrong_stays_held_under_the_same_exception():
    run = Run(BROKEN).done("a", {"n": 4})
    before = dict(run.state.exceptions)
    run.move(BROKEN.replace("count", "counts"))
    assert run.told("run.moved")
    assert (run.status(), run.state.exceptions, asked(run)) == ("held", before, [])


def test_people_s_repairs_of_what_the_new_version_mends_stand():
    run = Run(BROKEN + "c: { needs: b, wait: 30 days }").done("a", {"n": 4})
    run.repair("step.retry", "b")
    run.repair("step.supply", "b", output={"by": "hand"})
    assert run.status("c") == "waiting"
    run.move(MENDED + "c: { needs: b, wait: 30 days }")
    assert (run.obstacles, sent(run), run.status("b")) == ([], [], "succeeded")


def test_a_refused_call_with_other_content_is_made_again_under_a_key_of_its_own():
    steps = 'a: {{ call: erp.do, with: {{ n: "{}" }}, undo: none }}'
    run = Run(steps.format("one")).refused("a")
    run.move(steps.format("two"))
    assert (sent(run), run.input("a#1"), run.open) == (["a#1"], {"n": "two"}, [])
    run.done("a#1")
    assert run.status() == "completed"


def test_a_refused_call_with_the_same_content_stays_with_its_person():
    steps = "a: {{ call: erp.do, with: {{ n: 1 }}, undo: none }}\nz: {{ wait: {} }}"
    run = Run(steps.format("1 day")).refused("a")
    run.move(steps.format("2 days"))
    assert (sent(run), run.open, run.status("a")) == ([], ["refused_by_partner"], "held")
    run.repair("step.retry", "a")
    assert sent(run) == ["a"]


def test_a_call_in_doubt_keeps_its_key_and_its_content():
    steps = 'a: {{ call: erp.do, with: {{ n: "{}" }}, undo: none }}'
    run = Run(steps.format("one")).unknown("a", resolvable=False)
    run.move(steps.format("two"))
    assert run.obstacles == [
        ("a", "erp.do may have been done with other content; find out first: supply it, or skip it")
    ]
    assert (run.status("a"), run.open) == ("held", ["unknown_outcome"])


def test_a_call_whose_tries_were_too_few_is_tried_on_with_the_same_key_and_what_is_in_doubt_is_found_first():
    steps = "a: {{ call: erp.do, with: {{ n: 1 }}, undo: none, retry: {{ attempts: {} }} }}"
    run = Run(steps.format(2)).unknown("a")
    run.unreachable("a")
    assert run.open == ["unknown_outcome"]
    run.move(steps.format(5))
    assert (run.open, sent(run), run.call("a").doubt) == ([], ["a"], True)


def test_a_missing_need_is_mended():
    run = Run(
        """
        a: { call: erp.do, with: { n: 1 }, undo: none }
        b: { call: erp.more, with: { n: "${ steps.a.output.n + 1 }" }, undo: none }
        """
    )
    assert run.open == ["decision_failed"]
    run.move(
        """
        a: { call: erp.do, with: { n: 1 }, undo: none }
        b: { needs: a, call: erp.more, with: { n: "${ steps.a.output.n + 1 }" }, undo: none }
        """
    )
    assert (run.open, sent(run), run.status()) == ([], [], "active")
    run.done("a", {"n": 3})
    assert run.input("b") == {"n": 4}


def test_a_held_step_that_the_new_version_has_not_any_more_is_gone_and_the_run_may_complete():
    run = Run(BROKEN).done("a", {"n": 4})
    run.move("a: { call: erp.do, with: { n: 1 }, undo: none }")
    assert (run.status(), run.open) == ("completed", [])


def test_a_table_without_a_hit_gets_one():
    steps = """
    a: {{ choose: {{ rules: [{{ when: "${{ case.n > {} }}", give: 1 }}] }} }}
    b: {{ needs: a, call: erp.do, with: {{ n: "${{ steps.a.output }}" }}, undo: none }}
    """
    run = Run(steps.format(5), {"number": "C-1", "n": 3})
    assert run.open == ["decision_failed"]
    run.move(steps.format(2))
    assert (run.open, run.input("b")) == ([], {"n": 1})


def test_an_event_that_match_could_not_take_is_taken_and_what_follows_begins_with_the_move():
    steps = """
    a: {{ await: case.scanned, match: "${{ {} }}", within: 5h, late: {{ raise: slow }} }}
    b: {{ needs: a, call: erp.do, undo: none }}
    """
    run = Run(steps.format("case.n > 1")).event("case.scanned", {"n": 2})
    assert (run.open, run.status("a")) == (["decision_failed"], "waiting")
    run.wait("1h").move(steps.format("event.n > 1"))
    assert (run.open, run.status("a"), sent(run)) == ([], "succeeded", ["b"])
    assert run.state.steps["b"].started == run.now


# -- what the new version does besides ---------------------------------------------------------------------


def test_a_new_step_in_a_place_already_passed_begins_now_and_its_deadline_counts_from_now():
    run = Run("a: { call: erp.do, undo: none }\nz: { needs: a, wait: 30 days }").done("a").wait("5 days")
    run.move(
        """
        a: { call: erp.do, undo: none }
        y: { needs: a, await: case.scanned, within: 1h, late: { raise: slow } }
        x: { needs: a, approve: { role: boss, not: ["${ run.started_by }"] }, refused: { raise: trouble }, within: 1h, late: { raise: slow } }
        w: { needs: a, wait: 1h }
        z: { needs: a, wait: 30 days }
        """
    )
    assert run.obstacles == []
    assert (run.open, run.status("y"), run.status("x"), run.status("w")) == (
        [],
        "waiting",
        "waiting",
        "waiting",
    )
    assert {str(run.state.steps[n].due - run.now) for n in "wxy"} == {"1:00:00"}
    run.wait("2h")
    assert (run.open, run.status("w")) == (["slow", "slow"], "succeeded")


def test_a_new_wait_whose_event_has_come_already_has_it():
    run = Run(
        "a: { await: [case.scanned, case.noted], within: 5h, late: { raise: slow } }\nz: { needs: a, wait: 30 days }"
    ).event("case.scanned", {"n": 2})
    run.event("case.noted", {"n": 3})
    run.move(
        """
        a: { await: [case.scanned, case.noted], within: 5h, late: { raise: slow } }
        y: { needs: a, await: case.noted, within: 1h, late: { raise: slow } }
        z: { needs: a, wait: 30 days }
        """
    )
    assert (run.obstacles, run.status("y")) == ([], "succeeded")


def test_new_children_events_and_aliases_are_asked_for_once():
    steps = """
    a: {{ call: erp.do, undo: none{} }}
    b: {{ needs: a, each: "${{ case.items{} }}", run: child }}
    {}
    """
    run = Run(
        steps.format("", ".filter(i, i.id != 'k')", ""), {**DOCUMENT, "items": [{"id": "i"}, {"id": "k"}]}
    )
    run.done("a", {"id": "T-1"})
    run.move(
        steps.format(
            ', alias: { tracking: "${ output.id }" }', "", "c: { needs: a, emit: case.ended, data: { n: 1 } }"
        )
    )
    assert run.obstacles == []
    assert [c.item for c in run.asked if isinstance(c, StartChild)] == ["k"]
    assert [c.value for c in run.asked if isinstance(c, Claim)] == ["T-1"]
    assert run.emitted == [("case.ended", {"n": 1})]
    run.move(to=replace(run.process, version="same"))
    assert asked(run) == []
    run.child("b", "i").child("b", "k")
    assert run.status() == "completed"


def test_an_open_approval_is_asked_again_where_it_is_asked_otherwise_and_withdrawn_where_it_is_gone():
    steps = """
    a: {{ approve: {{ role: {}, not: ["${{ run.started_by }}"] }}, refused: {{ raise: trouble }}, within: 30h, late: {{ raise: slow }} }}
    """
    run = Run(steps.format("boss"))
    task = run.state.steps["a"].task
    run.move(steps.format("chief"))
    assert [(r.what, r.data["task"], r.data["role"]) for r in run.last if r.what.startswith("task.")] == [
        ("task.opened", task, "chief")
    ]
    run.decide("a", roles=("boss",))
    assert run.status("a") == "waiting"
    run.move("z: { wait: 1 day }")
    assert [(r.what, r.data["task"]) for r in run.last if r.what.startswith("task.")] == [
        ("task.withdrawn", task)
    ]


def test_deadlines_of_steps_that_are_under_way_are_those_of_the_new_version_counted_from_their_start():
    steps = "a: {{ await: case.scanned, within: {}, late: {{ raise: slow }} }}"
    run = Run(steps.format("2h")).wait("3h")
    assert run.open == ["slow"]
    run.move(steps.format("4h"))
    assert run.open == []
    run.wait("2h")
    assert run.open == ["slow"]


# -- what stands against it --------------------------------------------------------------------------------


def test_a_call_that_was_done_is_neither_lost_nor_made_with_other_content():
    run = Run("a: { call: erp.do, with: { n: 1 }, undo: none }\nz: { wait: 1 day }").done("a")
    run.move("z: { wait: 1 day }")
    assert run.obstacles == [("a", "erp.do was called, and would not have been")]
    run.move("a: { call: erp.do, with: { n: 2 }, undo: none }\nz: { wait: 1 day }")
    assert run.obstacles == [("a", "erp.do was done, and would have been called with other content")]
    run.move("a: { call: erp.more, with: { n: 1 }, undo: none }\nz: { wait: 1 day }")
    assert run.obstacles == [("a", "erp.do was done, and would have been called with other content")]
    assert run.state.version == run.origin.version
    run.until(run.state.wake)
    assert run.status() == "completed"


def test_what_was_done_before_a_new_step_that_it_needs_stands_against_the_move():
    run = Run(MENDED).done("a", {"n": 1}).done("b")
    assert run.status() == "completed"
    run = Run(MENDED + "z: { wait: 1 day }").done("a", {"n": 1}).done("b")
    run.move(
        """
        a: { call: erp.do, with: { n: 1 }, undo: none }
        new: { needs: a, call: wms.do, undo: wms.undo }
        b: { needs: [a, new], call: erp.more, with: { n: "${ steps.a.output.n + 1 }" }, undo: none }
        z: { wait: 1 day }
        """
    )
    assert run.obstacles == [("b", "erp.more was called, and would not have been")]
    assert "wms.do" not in [f"{c.system}.{c.operation}" for c in run.sent(Call)]


def test_a_call_under_way_goes_on_and_with_other_content_stands_against_the_move():
    run = Run("a: { call: erp.do, with: { n: 1 }, undo: none }")
    run.move("a: { call: erp.do, with: { n: 2 }, undo: none }")
    assert run.obstacles == [("a", "erp.do is under way with other content; it can move when that has ended")]
    run.move("b: { wait: 1 day }")
    assert run.obstacles == [("a", "erp.do is under way, and would not have been called")]
    run.move("a: { call: erp.do, with: { n: 1 }, undo: none }\nb: { needs: a, call: erp.more, undo: none }")
    assert (run.obstacles, sent(run)) == ([], [])
    run.done("a")
    assert sent(run) == ["b"]


def test_children_events_and_aliases_that_would_not_have_been_stand_against_the_move():
    run = Run("a: { run: child, with: { n: 1 } }")
    run.move("a: { run: child, with: { n: 2 } }")
    assert run.obstacles == [("a", "its run goes on with another document")]
    run.move("b: { wait: 1 day }")
    assert run.obstacles == [("a", "its run goes on, and would not have been started")]
    run = Run("a: { emit: case.ended, data: { n: 1 } }\nz: { wait: 1 day }")
    run.move("a: { emit: case.ended, data: { n: 2 } }\nz: { wait: 1 day }")
    assert run.obstacles == [("a", "case.ended was sent to others, and would not have been like that")]
    steps = (
        'a: {{ call: erp.do, undo: none, alias: {{ tracking: "${{ output.{} }}" }} }}\nz: {{ wait: 1 day }}'
    )
    run = Run(steps.format("id")).done("a", {"id": "T-1", "number": "T-2"})
    run.move(steps.format("number"))
    assert run.obstacles == [("", "it has claimed the alias tracking T-1, and would not have")]


def test_what_a_person_decided_stands_or_the_run_does_not_move():
    steps = """
    a: {{ approve: {{ role: boss, not: ["${{ run.started_by }}"{}] }}, with: {{ n: {} }}, refused: {{ raise: trouble }}, within: 30h, late: {{ raise: slow }} }}
    z: {{ wait: 1 day }}
    """
    run = Run(steps.format("", 1), {"number": "C-1", "by": "bob"}).decide("a")
    run.move(steps.format(', "${ case.by }"', 1))
    ((step, reason),) = run.obstacles
    assert step == "a"
    assert reason.startswith("what bob decided would not be taken: bob is excluded here")
    run.move(steps.format("", 2))
    assert run.obstacles == [("a", "bob decided it on other content")]
    run.move(steps.format("", 1) + "y: { wait: 2 days }")
    assert (run.obstacles, run.status("a")) == ([], "succeeded")


def test_a_version_that_would_have_cancelled_the_run_stands_against_the_move():
    run = Run("a: { call: erp.do, undo: none }").event("case.ended", {})
    run.move("a: { call: erp.do, undo: none }", top="on: { case.ended: { do: cancel } }")
    ((step, reason),) = run.obstacles
    assert (step, reason.startswith("it would have been cancelled at 2026")) == ("", True)


def test_a_run_moves_to_another_version_of_its_own_process_only_and_only_while_it_lives():
    run = Run("a: { call: erp.do, undo: none }")
    run.move(to=run.process)
    assert run.obstacles == [("", "it goes under that version already")]
    run.move(to=replace(run.process, name="other", version="x"))
    assert run.obstacles == [("", "it is a run of p, not of other")]
    other = process_of(
        text_of("a: { call: erp.do, undo: none }").replace("${ case.number }", "x${ case.number }")
    )
    run.move(to=other)
    assert run.obstacles == [("", "its key would be xC-1")]
    run.done("a")
    run.move(to=replace(run.process, version="x"))
    assert run.obstacles == [("", "the run is completed")]


# -- taking back, and moving twice -------------------------------------------------------------------------


def test_an_undo_that_could_not_be_worked_out_is_tried_again():
    steps = 'a: {{ call: erp.do, undo: {{ call: erp.undo, with: {{ id: "${{ output.{} }}" }} }} }}\nz: {{ wait: 1 day }}'
    run = Run(steps.format("number")).done("a", {"id": 7}).cancel()
    assert (run.status(), run.open) == ("cancelling", ["undo_failed"])
    run.move(steps.format("id"))
    assert (run.obstacles, sent(run), run.input("a!undo"), run.open) == ([], ["a!undo"], {"id": 7}, [])
    run.done("a!undo")
    assert run.status() == "cancelled"


def test_a_run_that_has_moved_moves_again():
    run = Run(BROKEN + 'c: { needs: b, call: wms.do, with: { n: "${ steps.b.output.m }" }, undo: none }')
    run.done("a", {"n": 4})
    again = MENDED + 'c: { needs: b, call: wms.do, with: { n: "${ steps.b.output.m }" }, undo: none }'
    run.move(again + "\nnew: { needs: a, await: case.scanned, within: 1h, late: { raise: slow } }")
    run.wait("2h").refused("b")
    run.move(
        again.replace("output.n + 1", "output.n + 2")
        + "\nnew: { needs: a, await: case.scanned, within: 1h, late: { raise: slow } }"
    )
    assert (run.obstacles, sent(run), run.input("b#1")) == ([], ["b#1"], {"n": 6})
    assert run.open == ["slow"]
    run.done("b#1", {"n": 1})
    assert run.open == ["slow", "decision_failed"]
    run.move(
        again.replace("output.n + 1", "output.n + 2").replace("output.m", "output.n")
        + "\nnew: { needs: a, await: case.scanned, within: 1h, late: { raise: slow } }"
    )
    assert (run.obstacles, sent(run), run.open) == ([], ["c"], ["slow"])
    run.event("case.scanned", {}).done("c")
    assert (run.status(), run.open) == ("completed", [])


def test_a_move_that_comes_twice_is_one():
    run = Run(BROKEN).done("a", {"n": 4}).move(MENDED)
    run.take(run.events[-1])
    assert [r.what for r in run.last] == ["event.repeated"]
