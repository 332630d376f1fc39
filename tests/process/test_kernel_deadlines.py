"""Deadlines: when they are due, ladders, estimates that move, business time, what lateness does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from driver import NINE, Run

from crossdock.process import new_state
from crossdock.process.calendar import Calendar

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Calendar.parse(
    {
        "name": "office",
        "zone": "Europe/Berlin",
        "hours": {"mon-fri": "08:00-17:00"},
        "cut_offs": {"carrier": "16:00"},
    }
)


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def test_within_counts_from_the_start_of_the_step():
    run = Run("""
    a: { call: erp.read }
    b: { needs: a, await: case.scanned, within: 2h, late: { raise: slow } }
    """)
    run.wait("1h").done("a")
    assert run.state.wake == NINE + timedelta(hours=3)


def test_lateness_does_not_end_the_wait_and_the_event_closes_what_it_opened():
    run = Run("a: { await: case.scanned, within: 2h, late: { raise: slow, severity: medium } }")
    run.wait("3h")
    assert (run.status("a"), run.open, run.status()) == ("waiting", ["slow"], "active")
    (told,) = run.told("exception.raised")
    assert (told["severity"], told["holds"]) == ("medium", False)
    run.event("case.scanned", {})
    assert (run.status(), run.open) == ("completed", [])
    assert run.told("exception.closed")[0]["note"] == "come late"


def test_each_rung_of_a_ladder_is_climbed_once_at_its_time():
    run = Run("""
    a:
      await: case.scanned
      within: 1h
      late:
        - { after: 1 day, cancel: much too late }
        - { raise: slow }
        - { after: +4h, escalate: chief }
    """)
    run.wait("1h")
    assert [r["rung"] for r in run.told("deadline.passed")] == [0]
    assert run.state.wake == NINE + timedelta(hours=5)
    run.wait("4h")
    assert run.told("escalated") == [{"to": "chief", "message": "a was due at 2026-03-02T10:00:00Z"}]
    run.wait("1 day")
    assert (run.status(), run.state.reason) == ("cancelled", "much too late")


def test_a_rung_may_raise_the_same_exception_as_graver_and_the_repeat_says_so():
    run = Run("""
    a:
      await: case.scanned
      within: 1h
      late:
        - { raise: slow, severity: low }
        - { after: 1h, raise: slow, severity: high }
        - { after: 2h, raise: slow }
    """).wait("4h")
    assert [r.get("severity") for r in run.told("exception.raised")] == ["low"]
    assert [(r["count"], r.get("severity")) for r in run.told("exception.repeated")] == [
        (2, "high"),
        (3, None),
    ]


def test_a_rung_that_says_no_severity_is_as_grave_as_its_type_is_declared():
    ladder = "[{ raise: trouble, severity: low }, { after: 1h, raise: trouble }]"
    run = Run(f"a: {{ await: case.scanned, within: 1h, late: {ladder} }}").wait("1h")
    assert run.wait("1h").told("exception.repeated")[-1]["severity"] == "high"


def test_late_may_emit_and_tell_who_is_asked_to_look():
    run = Run("""
    a:
      title: The scan
      await: case.scanned
      within: 1h
      late: [{ emit: case.noted, data: { reason: "${ case.number } is late" } }, { escalate: chief, message: "Look at ${ case.number }" }]
    """)
    run.wait("1h")
    assert run.emitted == [("case.noted", {"reason": "C-1 is late"})]
    assert run.told("escalated")[0]["message"] == "Look at C-1"


@pytest.mark.parametrize(
    ("late", "status", "run_status"),
    [
        ("skip", "skipped", "completed"),
        ("{ skip: too late }", "skipped", "completed"),
        ("cancel", "cancelled", "cancelled"),
        ("{ fail: too late }", "cancelled", "failed"),
        ("{ step: other }", "failed", "active"),
        ("other", "failed", "active"),
    ],
)
def test_lateness_ends_the_wait_where_it_says_so(late: str, status: str, run_status: str):
    run = Run(f"""
    a: {{ await: case.scanned, within: 1h, late: {late} }}
    {"other: { call: erp.read }" if "other" in late else ""}
    """)
    run.wait("1h")
    assert (run.status("a"), run.status()) == (status, run_status)
    if "other" in late:
        assert run.status("other") == "running"


def test_a_rung_with_a_condition_is_climbed_only_when_it_holds():
    run = Run(
        'a: { await: case.scanned, within: 1h, late: [{ if: "${ case.flag }", cancel: no }, { after: 1h, raise: slow }] }',
        {"number": "C", "flag": False},
    )
    run.wait("1h")
    assert run.status() == "active"
    run.wait("1h")
    assert run.open == ["slow"]


BY = 'a: { await: case.scanned, by: "${ case.due }", late: { raise: slow } }'


def due(hour: int, **more: object) -> dict[str, object]:
    return {"number": "C-1", "due": f"2026-03-02T{hour:02}:00:00Z", **more}


def test_by_is_a_time_and_moves_with_what_it_names():
    run = Run(BY, due(12))
    assert run.state.wake == datetime(2026, 3, 2, 12, tzinfo=UTC)
    run.wait("1h").event("case.changed", due(15))
    assert run.state.wake == datetime(2026, 3, 2, 15, tzinfo=UTC)
    assert run.told("deadline.moved") == [{"due": "2026-03-02T15:00:00Z"}]
    run.wait("4h")
    assert run.open == []
    run.wait("1h")
    assert run.open == ["slow"]


def test_a_time_that_moves_into_the_past_is_due_at_once():
    run = Run(BY, due(12)).wait("1h").event("case.changed", due(7))
    assert run.open == ["slow"]


def test_a_time_that_lies_in_the_past_at_the_start_is_due_at_once():
    assert Run(BY, due(7)).open == ["slow"]


def test_a_time_moved_into_the_past_waits_for_what_was_received_in_time():
    run = Run(BY, due(12)).wait("1h")
    run.now = NINE + timedelta(hours=3)  # decided late
    run.event(
        "case.changed",
        due(10, version=2),
        received=NINE + timedelta(minutes=50),
        time=NINE + timedelta(minutes=50),
    )
    assert run.open == []
    assert run.state.wake == NINE + timedelta(hours=1)
    run.event("case.scanned", {}, received=NINE + timedelta(minutes=59))
    assert (run.status(), run.open) == ("completed", [])


def test_a_rung_that_was_climbed_is_not_climbed_again_when_the_time_moves():
    run = Run(
        'a: { await: case.scanned, by: "${ case.due }", late: [{ raise: slow }, { after: 2h, escalate: chief }] }',
        due(10),
    )
    run.wait("1h").event("case.changed", due(15))
    run.wait("5h")
    assert len(run.told("deadline.passed")) == 1
    run.wait("2h")
    assert len(run.told("escalated")) == 1


def test_by_falls_back_to_within_while_it_is_not_known():
    run = Run('a: { await: case.scanned, by: "${ case.due }", within: 1h, late: { raise: slow } }')
    assert run.state.wake == NINE + timedelta(hours=1)
    run.event("case.changed", due(14), time=NINE + timedelta(minutes=1))
    assert run.state.wake == datetime(2026, 3, 2, 14, tzinfo=UTC)


def test_by_falls_back_to_within_where_it_cannot_be_worked_out():
    run = Run("""
    a: { call: erp.read }
    b: { await: case.scanned, by: "${ timestamp(steps.a.output.at) }", within: 1h, late: { raise: slow } }
    """)
    assert (run.open, run.state.wake) == (["decision_failed"], NINE + timedelta(hours=1))
    run.done("a", {"at": "2026-03-02T15:00:00Z"})
    assert run.state.wake == datetime(2026, 3, 2, 15, tzinfo=UTC)


def test_a_time_that_is_not_known_is_told():
    run = Run(BY)
    assert run.state.wake is None
    assert "deadline.unknown" in run.whats("a")
    run.event("case.changed", due(14), time=NINE + timedelta(minutes=1))
    assert run.state.wake == datetime(2026, 3, 2, 14, tzinfo=UTC)


def test_by_follows_the_steps_that_it_names():
    run = Run("""
    plan: { await: case.scanned, until: "${ steps.plan.events.exists(e, e.last == true) }", within: 1 day, late: { raise: slow } }
    a: { await: case.ended, by: "${ timestamp('2026-03-02T10:00:00Z') + hours(size(steps.plan.events)) }", late: { raise: slow } }
    """)
    assert run.told("deadline.set", "a") == [{"due": "2026-03-02T10:00:00Z"}]
    run.event("case.scanned", {"n": 1})
    assert run.told("deadline.moved", "a") == [{"due": "2026-03-02T11:00:00Z"}]


def test_an_event_received_at_the_due_time_beats_the_deadline():
    run = Run("a: { await: case.scanned, within: 1h, late: { raise: slow } }")
    run.now = NINE + timedelta(hours=1)
    run.event("case.scanned", {})
    assert run.status() == "completed"
    run.event("timer.due", {"due": (NINE + timedelta(hours=1)).isoformat()})
    assert run.told("deadline.passed") == []


def test_a_timer_fires_what_was_due_then_and_nothing_later():
    run = Run("""
    a: { await: case.scanned, within: 1h, late: { raise: slow } }
    b: { await: case.scanned, within: 2h, late: { raise: trouble } }
    """)
    run.now = NINE + timedelta(hours=5)
    run.event("timer.due", {"due": (NINE + timedelta(hours=1)).isoformat()})
    assert run.open == ["slow"]
    assert run.state.wake == NINE + timedelta(hours=2)


def test_a_timer_that_comes_too_early_or_twice_does_nothing():
    run = Run("a: { await: case.scanned, within: 1h, late: { raise: slow } }")
    run.event("timer.due", {"due": (NINE + timedelta(hours=1)).isoformat()})
    assert run.open == []
    run.wait("1h").event("timer.due", {"due": (NINE + timedelta(hours=1)).isoformat()})
    assert run.told("exception.repeated") == []


# -- business time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "within", "wanted"),
    [
        ("2026-03-06T15:00", "4 business hours", "2026-03-09T10:00"),  # over a weekend
        ("2026-03-27T16:00", "2 business hours", "2026-03-30T09:00"),  # over the change of the clocks
        ("2026-03-27T12:00", "1 business day", "2026-03-30T12:00"),
        ("2026-03-28T12:00", "24h", "2026-03-29T13:00"),  # 24 hours are 24 hours
        ("2026-03-28T12:00", "1 day", "2026-03-29T12:00"),  # a day is the same time on the next
    ],
)
def test_business_time_is_that_of_the_calendar_of_the_run(start: str, within: str, wanted: str):
    run = Run(
        f"a: {{ await: case.scanned, within: {within}, late: {{ raise: slow }} }}",
        top="calendar: office",
        calendars={"office": OFFICE},
        at=at(start),
    )
    assert run.state.wake == at(wanted)
    assert run.told("run.started")[0]["calendar"] == "office"


def test_a_step_may_have_a_calendar_of_its_own_by_word_or_expression():
    shop = Calendar.parse({"name": "shop", "zone": "America/New_York", "hours": {"mon-fri": "09:00-17:00"}})
    run = Run(
        """
        a: { await: case.scanned, within: 1 business hour, calendar: shop, late: { raise: slow } }
        b: { await: case.scanned, within: 1 business hour, calendar: "${ case.by }", late: { raise: slow } }
        c: { await: case.scanned, within: 1 business hour, late: { raise: slow } }
        """,
        {"number": "C-1", "by": "shop"},
        top='calendar: "${ tenant.settings.site }"',
        tenant={"id": "t", "name": "t", "settings": {"site": "office"}},
        calendars={"office": OFFICE, "shop": shop},
    )
    new_york = ZoneInfo("America/New_York")
    assert run.told("deadline.set", "a") == run.told("deadline.set", "b")
    assert run.state.steps["a"].due == at("2026-03-02T10:00", new_york)
    assert run.state.steps["c"].due == at("2026-03-02T11:00")


def test_a_cut_off_is_the_next_one_and_some_time_before_it():
    text = "a: { await: case.scanned, by: { cut_off: carrier, before: 30m }, late: { raise: slow } }"
    run = Run(text, top="calendar: office", calendars={"office": OFFICE})
    assert run.state.wake == at("2026-03-02T15:30")
    wait = Run("a: { wait: { cut_off: carrier } }", top="calendar: office", calendars={"office": OFFICE})
    assert wait.state.wake == at("2026-03-02T16:00")


def test_a_cut_off_less_some_time_that_has_passed_is_due_at_once():
    text = "a: { await: case.scanned, by: { cut_off: carrier, before: 30m }, late: { raise: slow } }"
    run = Run(text, top="calendar: office", calendars={"office": OFFICE}, at=at("2026-03-02T15:45"))
    assert run.open == ["slow"]


@pytest.mark.parametrize(
    ("before", "due"),
    [("1 day", "2026-03-28T12:00"), ("24h", "2026-03-28T11:00"), ("1 day 2h", "2026-03-28T10:00")],
)
def test_days_before_a_time_keep_the_local_time_when_the_clocks_change(before: str, due: str):
    berlin = ZoneInfo("Europe/Berlin")
    text = f"a: {{ await: case.scanned, by: {{ time: '${{ case.due }}', before: {before} }}, late: {{ raise: slow }} }}"
    case = {"number": "C-1", "due": "2026-03-29T12:00:00+02:00"}
    run = Run(text, case, top="calendar: office", calendars={"office": OFFICE})
    assert run.state.wake == at(due, berlin)


def test_a_cut_off_that_the_calendar_does_not_know_is_told():
    run = Run("a: { await: case.scanned, by: { cut_off: carrier }, late: { raise: slow } }")
    assert run.open == ["decision_failed"]
    assert "its deadline could not be worked out" in run.told("exception.raised")[0]["message"]
    assert run.status("a") == "waiting"


def test_a_length_may_come_from_the_settings_of_the_tenant():
    settings = {"id": "t", "name": "t", "settings": {"answer": "3 business hours"}}
    run = Run(
        'a: { await: case.scanned, within: "${ tenant.settings.answer }", late: { raise: slow } }',
        tenant=settings,
        top="calendar: office",
        calendars={"office": OFFICE},
    )
    assert run.state.wake == at("2026-03-02T13:00")
    wrong = {"id": "t", "name": "t", "settings": {"answer": "soon"}}
    assert Run(
        'a: { await: case.scanned, within: "${ tenant.settings.answer }", late: { raise: slow } }',
        tenant=wrong,
    ).open == ["decision_failed"]


def test_a_time_beyond_all_calendars_is_told_and_not_a_crash():
    run = Run(
        'a: { await: case.scanned, by: "${ case.due }", late: [{ raise: slow }, { after: 1 day, escalate: x }] }',
        {"number": "C-1", "due": "9999-12-31T23:59:59Z"},
    )
    assert run.status("a") == "waiting"
    run.event(
        "case.changed",
        {"number": "C-1", "due": "9999-12-31T23:59:59-05:00"},
        time=NINE + timedelta(seconds=1),
    )
    assert run.open == ["decision_failed"]


def test_rungs_are_counted_in_the_time_they_say():
    run = Run(
        "a: { await: case.scanned, within: 1 business hour, late: [{ raise: slow }, { after: 1 business day, escalate: chief }] }",
        top="calendar: office", calendars={"office": OFFICE}, at=at("2026-03-06T15:00"),
    )  # fmt: skip
    run.wait("2h")
    assert run.state.wake == at("2026-03-09T16:00")


def test_rungs_in_business_time_and_plain_time_are_each_climbed_at_their_own():
    """Friday 15:00: four business hours end on Monday, after the plain day that stands behind them."""
    run = Run(
        """
    a:
      await: case.scanned
      within: 0m
      late: [{ after: 4 business hours, escalate: chief }, { after: 1 day, escalate: guard }, { raise: slow }]
    """,
        top="calendar: office", calendars={"office": OFFICE}, at=at("2026-03-06T15:00"),
    )  # fmt: skip
    assert run.open == ["slow"]
    run.until(at("2026-03-07T15:00"))
    assert [told["to"] for told in run.told("escalated")] == ["guard"]
    assert run.state.wake == at("2026-03-09T10:00")
    run.until(at("2026-03-10T10:00"))
    assert [told["to"] for told in run.told("escalated")] == ["guard", "chief"]
    assert [told["rung"] for told in run.told("deadline.passed")] == [0, 1, 2]


def test_a_rung_that_comes_earlier_when_the_time_moves_is_climbed_once_and_none_is_left_out():
    """Due on a Friday, the day comes before the business hours; due on a Monday, behind them."""
    case = {"number": "C-1", "due": "2026-03-06T15:00:00+01:00"}
    run = Run(
        """
    a:
      await: case.scanned
      by: ${ case.due }
      late: [{ after: 4 business hours, escalate: chief }, { after: 1 day, escalate: guard }]
    """,
        case, top="calendar: office", calendars={"office": OFFICE}, at=at("2026-03-05T09:00"),
    )  # fmt: skip
    run.until(at("2026-03-07T16:00"))
    run.event("case.changed", case | {"due": "2026-03-09T09:00:00+01:00"})
    run.until(at("2026-03-12T09:00"))
    assert [told["to"] for told in run.told("escalated")] == ["guard", "chief"]


# -- measures -----------------------------------------------------------------------------------------------------


def test_measures_use_the_time_at_which_things_happened_where_the_source_is_trusted():
    top = "measures: { scan: { from: start, to: a, target: 2h } }"
    run = Run("a: { await: case.scanned, within: 1 day, late: { raise: slow } }", top=top)
    run.wait("3h").event("case.scanned", {}, time=NINE + timedelta(hours=1))
    assert run.told("measure") == [{"name": "scan", "seconds": 3600.0, "met": True}]
    run = Run("a: { await: case.scanned, within: 1 day, late: { raise: slow } }", top=top)
    run.wait("3h").event("case.scanned", {}, time=NINE + timedelta(hours=1), trusted=False)
    assert run.told("measure") == [{"name": "scan", "seconds": 10800.0, "met": False}]


@pytest.mark.parametrize("until", ["", 'until: "${ size(steps.b.events) >= 1 }", '])
def test_a_measure_counts_to_when_an_event_happened_that_came_before_its_wait(until: str):
    run = Run(
        f"""
    a: {{ call: erp.read }}
    b: {{ needs: a, await: case.scanned, {until}within: 1 day, late: {{ raise: slow }} }}
    """,
        top="measures: { scan: { from: start, to: b, target: 2h } }",
    )
    run.wait("1h").event("case.scanned", {}).wait("5h").done("a")
    assert run.told("measure") == [{"name": "scan", "seconds": 3600.0, "met": True}]


def test_a_measure_from_the_start_counts_from_when_the_start_happened():
    run = Run(
        "a: { await: case.scanned, within: 1 day, late: { raise: slow } }",
        top="measures: { scan: { from: start, to: a } }",
        begin=False,
    )
    event = run.make("case.opened", {"number": "C-1"}, time=NINE - timedelta(hours=2))
    run.first = run.state = new_state(run.process, tenant="t", key="C-1")
    run.take(event).event("case.scanned", {}, time=NINE - timedelta(hours=1))
    assert run.told("measure") == [{"name": "scan", "seconds": 3600.0}]


def test_an_impossible_order_of_times_is_kept_and_marked():
    run = Run(
        "a: { await: case.scanned, within: 1 day, late: { raise: slow } }",
        top="measures: { scan: { from: start, to: a, target: 1h } }",
    )
    run.event("case.scanned", {}, time=NINE - timedelta(hours=1))
    assert run.told("measure") == [{"name": "scan", "seconds": -3600.0, "impossible": True}]


def test_a_target_in_business_days_and_the_end_of_the_run():
    run = Run(
        """
        a: { await: case.scanned, within: 20 days, late: { raise: slow } }
        b: { needs: a, wait: 1h }
        """,
        top="calendar: office\nmeasures: { all: { from: a, to: end, target: 1 business day }, never: { from: a, to: b } }",
        calendars={"office": OFFICE},
        at=at("2026-03-06T15:00"),
    )  # a Friday
    run.event("case.scanned", {}).wait("1h")
    assert run.told("measure") == [
        {"name": "all", "seconds": 3600.0, "met": True},
        {"name": "never", "seconds": 3600.0},
    ]
