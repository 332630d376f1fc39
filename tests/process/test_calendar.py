"""Durations and calendars: what people write, and the instant it comes to."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crossdock.errors import Broken, NotFound, Refused
from crossdock.process.calendar import DEFAULT_CALENDAR, Calendar
from crossdock.process.durations import Duration

BERLIN, CHICAGO, LORD_HOWE = "Europe/Berlin", "America/Chicago", "Australia/Lord_Howe"


def calendar(zone="UTC", hours=None, **more):
    return Calendar.parse(
        {"name": "site", "zone": zone, "hours": hours or {"mon-fri": "09:00-17:00"}, **more}
    )


def local(zone, text, fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def after(cal, text, duration):
    """The local time that `duration` after the local time `text` comes to."""
    zone = ZoneInfo(cal.zone)
    end = cal.add(local(cal.zone, text), Duration.parse(duration))
    assert end.tzinfo is UTC
    return end.astimezone(zone).replace(tzinfo=None).isoformat(" ", "minutes")


# Durations


@pytest.mark.parametrize(
    ("text", "days", "time", "business", "canonical"),
    [
        ("5s", 0, timedelta(seconds=5), False, "5s"),
        ("250ms", 0, timedelta(milliseconds=250), False, "0.25s"),
        ("10m", 0, timedelta(minutes=10), False, "10m"),
        ("2h", 0, timedelta(hours=2), False, "2h"),
        ("90 minutes", 0, timedelta(minutes=90), False, "1h 30m"),
        ("1h 30m", 0, timedelta(minutes=90), False, "1h 30m"),
        ("1h30m", 0, timedelta(minutes=90), False, "1h 30m"),
        ("1.5 hours", 0, timedelta(minutes=90), False, "1h 30m"),
        ("24h", 0, timedelta(hours=24), False, "24h"),
        ("1 Day", 1, timedelta(0), False, "1 day"),
        ("3 days", 3, timedelta(0), False, "3 days"),
        ("1 week", 7, timedelta(0), False, "7 days"),
        ("1 week, 2 days 4h", 9, timedelta(hours=4), False, "9 days 4h"),
        ("4 business hours", 0, timedelta(hours=4), True, "4 business hours"),
        ("30 business minutes", 0, timedelta(minutes=30), True, "30 business minutes"),
        ("1 business day", 1, timedelta(0), True, "1 business day"),
        (
            "1 business day 2 business hours 30 business minutes",
            1,
            timedelta(minutes=150),
            True,
            "1 business day 2 business hours 30 business minutes",
        ),
        ("PT4H", 0, timedelta(hours=4), False, "4h"),
        ("P3D", 3, timedelta(0), False, "3 days"),
        ("P1W", 7, timedelta(0), False, "7 days"),
        ("P1DT12H30M", 1, timedelta(hours=12, minutes=30), False, "1 day 12h 30m"),
        ("0", 0, timedelta(0), False, "0s"),
        (0, 0, timedelta(0), False, "0s"),
    ],
)
def test_a_duration_is_read_as_people_and_iso_8601_write_it(text, days, time, business, canonical):
    duration = Duration.parse(text)
    assert duration == Duration(days=days, time=time, business=business)
    assert str(duration) == canonical
    assert Duration.parse(canonical) == duration


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not a duration"),
        ("soon", "not a duration"),
        ("4 ours", "not a duration"),
        ("4", "not a duration"),
        ("h", "not a duration"),
        ("1h and 30m", "not a duration"),
        ("P", "not a duration"),
        ("PT", "not a duration"),
        ("P1DT", "not a duration"),
        ("P1M", "not a duration"),
        ("٣ days", "not a duration"),
        ("1h " * 40, "not a duration"),
        (30, "has no unit"),
        (4.5, "has no unit"),
        (True, "has no unit"),
        (None, "has no unit"),
        ("-5m", "negative"),
        ("P-3D", "negative"),
        ("2 months", "differ in length"),
        ("1 year", "differ in length"),
        ("1h 2h", "one unit twice"),
        ("1 day 4 business hours", "mixes business time with plain time"),
        ("1 business day 4 hours", "mixes business time with plain time"),
        ("1 business week", "no fixed length"),
        ("0.5 days", "part of a day"),
        ("11 years", "differ in length"),
        ("4000 days", "ten years"),
        ("3653 days 1h", "ten years"),
        ("99999999999999999999999999 hours", "ten years"),
    ],
)
def test_what_is_no_duration_is_refused_with_the_place_and_the_forms(text, told):
    with pytest.raises(Refused) as refused:
        Duration.parse(text, where="order.yaml:12, step pick")
    assert told in refused.value.message
    assert refused.value.where == "order.yaml:12, step pick"
    assert refused.value.mend


def test_a_duration_built_by_hand_is_never_negative_nor_absurd():
    with pytest.raises(Refused, match="negative"):
        Duration(days=-1)
    with pytest.raises(Refused, match="ten years"):
        Duration(time=timedelta(days=4000))


def test_an_exact_length_needs_no_calendar_and_business_time_has_none():
    assert Duration.parse("1 day 2h").exact == timedelta(hours=26)
    with pytest.raises(Refused, match="depends on a calendar"):
        _ = Duration.parse("4 business hours").exact


@given(
    days=st.integers(0, 3000),
    time=st.timedeltas(timedelta(0), timedelta(days=600)),
    business=st.booleans(),
)
def test_the_canonical_text_reads_back_as_the_same_duration(days, time, business):
    duration = Duration(days=days, time=time, business=business)
    assert Duration.parse(str(duration)) == (duration if days or time else Duration())


# Calendar time, and clocks that change


@pytest.mark.parametrize(
    ("zone", "start", "duration", "end"),
    [
        (BERLIN, "2026-03-27 10:00", "3 days", "2026-03-30 10:00"),  # the clocks go forward on the 29th
        (BERLIN, "2026-03-28 10:00", "24h", "2026-03-29 11:00"),
        (BERLIN, "2026-03-28 02:30", "1 day", "2026-03-29 03:00"),  # 02:30 is skipped: when they jump
        (BERLIN, "2026-10-24 10:00", "1 day", "2026-10-25 10:00"),  # back on the 25th
        (BERLIN, "2026-10-24 10:00", "24h", "2026-10-25 09:00"),
        (BERLIN, "2026-10-18 10:00", "1 week", "2026-10-25 10:00"),
        (CHICAGO, "2026-03-07 12:00", "1 day", "2026-03-08 12:00"),
        (CHICAGO, "2026-03-07 12:00", "24h", "2026-03-08 13:00"),
        (CHICAGO, "2026-10-31 12:00", "1 day 1h", "2026-11-01 13:00"),
        (CHICAGO, "2026-10-31 12:00", "25h", "2026-11-01 12:00"),
        (LORD_HOWE, "2026-10-03 12:00", "24h", "2026-10-04 12:30"),  # half an hour forward
        (LORD_HOWE, "2026-10-03 02:15", "1 day", "2026-10-04 02:30"),
        (LORD_HOWE, "2026-04-04 12:00", "24h", "2026-04-05 11:30"),  # half an hour back
        (LORD_HOWE, "2026-04-04 12:00", "1 day", "2026-04-05 12:00"),
        ("Pacific/Apia", "2011-12-29 12:00", "1 day", "2011-12-31 00:00"),  # the 30th was left out
    ],
)
def test_days_keep_the_local_time_and_hours_are_exact_across_clock_changes(zone, start, duration, end):
    assert after(calendar(zone), start, duration) == end


def test_a_local_time_that_comes_twice_means_its_first_pass():
    end = calendar(BERLIN).add(local(BERLIN, "2026-10-24 02:30"), Duration.parse("1 day"))
    assert end == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (BERLIN, "2026-03-29", 23),
        (BERLIN, "2026-10-25", 25),
        (CHICAGO, "2026-03-08", 23),
        (CHICAGO, "2026-11-01", 25),
        (LORD_HOWE, "2026-10-04", 23.5),
        (LORD_HOWE, "2026-04-05", 24.5),
        (BERLIN, "2026-06-01", 24),
    ],
)
def test_a_day_around_the_clock_has_as_many_hours_as_its_clocks_give(zone, day, hours):
    cal = calendar(zone, "24/7")
    start = local(zone, day)
    end = cal.add(start, Duration.parse("1 business day"))
    assert end == local(zone, (date.fromisoformat(day) + timedelta(1)).isoformat())
    assert cal.between(start, end) == timedelta(hours=hours) == end - start


def test_a_night_shift_over_a_clock_change_counts_the_hours_worked():
    cal = calendar(BERLIN, {"sat": "22:00-06:00"})
    assert cal.between(local(BERLIN, "2026-03-28"), local(BERLIN, "2026-03-30")) == timedelta(hours=7)
    assert cal.between(local(BERLIN, "2026-10-24"), local(BERLIN, "2026-10-26")) == timedelta(hours=9)
    assert after(cal, "2026-03-28 22:00", "5 business hours") == "2026-03-29 04:00"


def test_hours_that_the_clocks_skip_are_not_open():
    cal = calendar(BERLIN, {"sun": "02:10-02:50", "mon": "09:00-10:00"})
    assert after(cal, "2026-03-28 12:00", "10 business minutes") == "2026-03-30 09:10"


# Business time


@pytest.mark.parametrize(
    ("start", "duration", "end"),
    [  # 2026-01-05 is a Monday
        ("2026-01-05 10:00", "4 business hours", "2026-01-05 14:00"),
        ("2026-01-05 15:00", "4 business hours", "2026-01-06 11:00"),
        ("2026-01-05 13:00", "4 business hours", "2026-01-05 17:00"),  # ends at closing
        ("2026-01-05 17:00", "1 business hour", "2026-01-06 10:00"),
        ("2026-01-09 16:00", "2 business hours", "2026-01-12 10:00"),
        ("2026-01-10 12:00", "30 business minutes", "2026-01-12 09:30"),
        ("2026-01-05 10:00", "40 business hours", "2026-01-12 10:00"),
        ("2026-01-05 10:00", "3 business days", "2026-01-08 10:00"),
        ("2026-01-08 10:00", "3 business days", "2026-01-13 10:00"),
        ("2026-01-05 07:00", "1 business day", "2026-01-06 09:00"),  # from the opening that comes next
        ("2026-01-10 12:00", "1 business day", "2026-01-13 09:00"),
        ("2026-01-05 10:00", "1 business day 8 business hours", "2026-01-07 10:00"),
        ("2026-01-05 10:00", "0 business hours", "2026-01-05 10:00"),
        ("2026-01-10 10:00", "0 business hours", "2026-01-12 09:00"),
    ],
)
def test_business_time_counts_only_what_is_open(start, duration, end):
    assert after(DEFAULT_CALENDAR, start, duration) == end


def test_the_default_calendar_works_monday_to_friday_nine_to_five_utc():
    assert DEFAULT_CALENDAR.zone == "UTC"
    week = DEFAULT_CALENDAR.between(local("UTC", "2026-12-21"), local("UTC", "2026-12-28"))
    assert week == timedelta(hours=40)  # it knows no Christmas


def test_a_break_is_not_open_and_a_business_day_that_falls_into_one_ends_after_it():
    cal = calendar(BERLIN, {"mon": "08:00-17:00", "tue": "08:00-12:00, 13:00-17:00", "wed": "10:00-12:00"})
    assert after(cal, "2026-01-06 11:00", "2 business hours") == "2026-01-06 14:00"
    assert after(cal, "2026-01-05 12:30", "1 business day") == "2026-01-06 13:00"
    assert after(cal, "2026-01-05 16:00", "2 business days") == "2026-01-07 12:00"  # its closing
    assert after(cal, "2026-01-05 08:30", "2 business days") == "2026-01-07 10:00"  # its opening


def test_a_night_shift_belongs_to_the_day_it_starts_on():
    cal = calendar(BERLIN, {"mon-fri": "22:00-06:00"}, closed=["2026-01-07"])
    assert cal.is_open(local(BERLIN, "2026-01-07 03:00"))  # Tuesday's shift runs into the closed Wednesday
    assert not cal.is_open(local(BERLIN, "2026-01-07 23:00"))
    assert not cal.is_open(local(BERLIN, "2026-01-08 03:00"))
    assert after(cal, "2026-01-06 02:00", "1 business day") == "2026-01-07 02:00"
    assert after(cal, "2026-01-07 02:00", "1 business day") == "2026-01-09 02:00"
    assert after(cal, "2026-01-05 22:30", "8 business hours") == "2026-01-06 22:30"


def test_a_shift_that_runs_into_the_next_days_hours_is_counted_once():
    cal = calendar(BERLIN, {"mon": "20:00-08:00", "tue": "06:00-14:00"})
    assert cal.between(local(BERLIN, "2026-01-05"), local(BERLIN, "2026-01-08")) == timedelta(hours=18)


def test_open_from_the_opening_until_before_the_closing():
    cal = calendar(CHICAGO)
    assert [cal.is_open(local(CHICAGO, f"2026-01-05 {t}")) for t in ("08:59", "09:00", "16:59", "17:00")] == [
        False,
        True,
        True,
        False,
    ]
    assert cal.next_open(local(CHICAGO, "2026-01-05 11:00")) == local(CHICAGO, "2026-01-05 11:00")
    assert cal.next_open(local(CHICAGO, "2026-01-09 17:00")) == local(CHICAGO, "2026-01-12 09:00")


def test_open_time_backwards_is_negative():
    a, b = local("UTC", "2026-01-05 10:00"), local("UTC", "2026-01-06 10:00")
    assert DEFAULT_CALENDAR.between(b, a) == -DEFAULT_CALENDAR.between(a, b) == -timedelta(hours=8)


# Holidays, closed days, half days, cut-offs


def test_holidays_come_from_rules_and_do_not_run_out():
    cal = calendar(BERLIN, holidays={"country": "DE", "subdivision": "HH"})
    assert not cal.is_open(local(BERLIN, "2026-10-03 10:00"))
    assert not cal.is_open(local(BERLIN, "2061-04-11 10:00"))  # Easter Monday
    assert after(cal, "2026-04-02 10:00", "1 business day") == "2026-04-07 10:00"  # over Easter
    # Reformation Day is one in Hamburg, not in Bavaria
    day = local(BERLIN, "2025-10-31 10:00")
    assert not cal.is_open(day)
    assert calendar(BERLIN, holidays={"country": "DE", "subdivision": "BY"}).is_open(day)


def test_rules_of_several_countries_add_up_and_names_can_be_excepted():
    both = calendar(holidays=["DE", {"country": "US", "except": ["Columbus Day"]}])
    assert [both.is_open(local("UTC", f"2026-{d} 10:00")) for d in ("05-01", "11-26", "10-12", "10-13")] == [
        False,
        False,
        True,
        True,
    ]
    without = calendar(holidays={"country": "US", "except": ["Independence Day"]})
    assert without.is_open(local("UTC", "2026-07-03 10:00"))  # observed that year


def test_a_date_by_name_stands_before_each_year_before_holidays_before_the_week():
    cal = calendar(
        BERLIN,
        {"mon-fri": "08:00-16:00"},
        holidays="DE",
        closed=["12-24", "2026-08-03 to 2026-08-14", date(2026, 1, 2)],
        open={"2026-12-24": "08:00-10:00", "2026-12-19": "09:00-13:00", "2026-05-01": "08:00-12:00"},
        half_days={"12-31": "08:00-12:00"},
    )

    def hours(day):
        start = local(BERLIN, day)
        return cal.between(start, start + timedelta(hours=24)) / timedelta(hours=1)

    assert hours("2025-12-24") == 0
    assert hours("2026-12-24") == 2
    assert hours("2026-01-02") == 0
    assert [hours("2026-08-03"), hours("2026-08-14"), hours("2026-08-17")] == [0, 0, 8]
    assert hours("2026-12-19") == 4  # a Saturday
    assert hours("2026-05-01") == 4  # a holiday
    assert hours("2026-12-31") == 4
    assert hours("2022-12-31") == 0  # a Saturday: a half day opens none
    assert hours("2026-12-25") == 0


def test_a_cut_off_is_the_next_on_a_day_that_is_open():
    cal = calendar(
        CHICAGO,
        holidays="US",
        half_days={"2026-12-24": "09:00-12:00"},
        cut_offs={"parcel": "15:30", "freight": {"mon-thu": "14:00", "fri": "11:00"}},
    )

    def due(name, text):
        return cal.cut_off(name, local(CHICAGO, text))

    assert due("parcel", "2026-01-05 15:30") == local(CHICAGO, "2026-01-05 15:30")
    assert due("parcel", "2026-01-05 15:31") == local(CHICAGO, "2026-01-06 15:30")
    assert due("parcel", "2026-01-09 16:00") == local(CHICAGO, "2026-01-12 15:30")
    assert due("parcel", "2026-11-25 16:00") == local(CHICAGO, "2026-11-27 15:30")  # over Thanksgiving
    assert due("parcel", "2026-12-24 08:00") == local(CHICAGO, "2026-12-24 12:00")  # closes before it
    assert due("freight", "2026-01-08 14:30") == local(CHICAGO, "2026-01-09 11:00")
    assert due("parcel", "2026-03-06 16:00") - due("parcel", "2026-03-06 15:00") == timedelta(hours=71)
    with pytest.raises(NotFound, match="freight, parcel"):
        due("air", "2026-01-05 10:00")


def test_a_calendar_without_hours_ahead_says_so():
    cal = calendar(hours={"mon": "closed"}, open={"2026-01-05": "09:00-10:00"}, cut_offs={"parcel": "09:30"})
    start = local("UTC", "2026-01-05 09:00")
    assert cal.add(start, Duration.parse("30 business minutes")) == local("UTC", "2026-01-05 09:30")
    for ask in (
        lambda: cal.add(start, Duration.parse("2 business hours")),
        lambda: cal.add(start, Duration.parse("1 business day")),
        lambda: cal.next_open(local("UTC", "2026-01-06")),
        lambda: cal.cut_off("parcel", local("UTC", "2026-01-06")),
    ):
        with pytest.raises(Refused, match="400 days") as refused:
            ask()
        assert refused.value.where == "calendar site"
        assert refused.value.mend
    assert cal.between(start, local("UTC", "2036-01-01")) == timedelta(hours=1)


def test_the_end_of_time_is_refused_and_instants_without_a_zone_are_ours():
    end = datetime(9999, 12, 30, 12, tzinfo=UTC)
    for text in ("3 days", "100h", "20 business hours", "3 business days"):
        with pytest.raises(Refused, match="9999"):
            DEFAULT_CALENDAR.add(end, Duration.parse(text))
    with pytest.raises(Broken, match="no zone"):
        DEFAULT_CALENDAR.is_open(datetime(2026, 1, 5, 10))  # noqa: DTZ001


# Reading


def test_every_problem_of_a_calendar_is_told_with_its_place():
    with pytest.raises(Refused) as refused:
        Calendar.parse(
            {
                "zone": "Europe/Berln",
                "hours": {"mon-fry": "09:00-17:00", "sat": "9-12", "sun": "08:00-12:00, 11:00-14:00"},
                "holidays": [
                    {"country": "Germany"},
                    {"country": False},
                    {"country": "DE", "subdivision": "XX"},
                ],
                "closed": ["2026-02-30", "2026-08-14 to 2026-08-03"],
                "open": {"2026-12-24": ""},
                "half_day": {},
                "cut_offs": {"parcel": 930, "freight": {"mo": "12:00"}},
            },
            where="calendars/site.yaml",
        )
    error = refused.value
    assert error.where == "calendars/site.yaml"
    head, *lines = error.message.splitlines()
    assert head == f"the calendar does not hold; its {len(lines)} problems:"
    told = {line.strip().split(": ")[0] for line in lines}
    assert told == {
        "name",
        "zone",
        "hours.mon-fry",
        "hours.sat",
        "hours.sun",
        "holidays[0].country",
        "holidays[1].country",
        "holidays[2].subdivision",
        "closed[0]",
        "closed[1]",
        "open.2026-12-24",
        "half_day",
        "cut_offs.parcel",
        "cut_offs.freight.mo",
        "cut_offs.freight",
    }
    assert "did you mean Europe/Berlin?" in error.message
    assert "did you mean half_days?" in error.message
    assert 'write "NO" in quotes' in error.message
    assert 'write it as "15:30", in quotes' in error.message


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "calendar: None is not a mapping"),
        ({"name": "x", "zone": "UTC"}, "hours: they are missing"),
        ({"name": "x", "zone": "UTC", "hours": {"mon": "closed"}}, "hours: it is never open"),
        (
            {"name": "x", "zone": "UTC", "hours": {"mon-wed": "09:00-10:00", "tue": "09:00-10:00"}},
            "tue is given twice",
        ),
        ({"name": "x", "zone": "../etc", "hours": "24/7"}, "there is no zone '../etc'"),
        ({"name": "x", "zone": "Europe", "hours": "24/7"}, "there is no zone 'Europe'"),
        ({"name": "x", "zone": "UTC", "hours": "09:00-09:00"}, "are not opening hours"),
        ({"name": "x", "zone": "UTC", "hours": "09:00-25:00"}, "are not opening hours"),
        (
            {"name": "x", "zone": "UTC", "hours": "24/7", "closed": ["12-24"], "open": {"12-24": "24/7"}},
            "keep one",
        ),
        (
            {
                "name": "x",
                "zone": "UTC",
                "hours": "24/7",
                "holidays": {"country": "US", "except": "Colombus Day"},
            },
            "did you mean Columbus Day?",
        ),
    ],
)
def test_a_calendar_that_does_not_hold_is_refused(data, told):
    with pytest.raises(Refused) as refused:
        Calendar.parse(data)
    assert told in refused.value.message


def test_the_version_names_the_content_whatever_its_order_and_spelling():
    one = Calendar.parse(
        {
            "name": "site",
            "zone": "UTC",
            "hours": {"mon-tue": "08:00-12:00, 13:00-17:00"},
            "closed": ["12-24", "2026-08-03 to 2026-08-04"],
            "holidays": "de",
        }
    )
    same = Calendar.parse(
        {
            "closed": [date(2026, 8, 4), "2026-08-03", "12-24"],
            "holidays": [{"country": "DE"}],
            "hours": {"tuesday": ["13:00-17:00", "08:00-12:00"], "mon": "08:00-12:00,13:00-17:00"},
            "zone": "UTC",
            "name": "site",
        }
    )
    assert one.version == same.version
    assert one == same
    assert hash(one) == hash(same)
    assert one.rules.startswith("holidays ")
    assert DEFAULT_CALENDAR.rules == ""
    assert calendar(hours={"mon": "08:00-12:00"}).version != calendar(hours={"mon": "08:00-12:30"}).version


# Properties

CALENDARS = [
    DEFAULT_CALENDAR,
    calendar(
        BERLIN, {"mon-thu": "08:00-12:00, 13:00-17:00", "fri": "08:00-14:00"}, holidays="DE", closed=["12-24"]
    ),
    calendar(CHICAGO, {"sun-thu": "22:00-06:00"}, holidays="US"),
    calendar(LORD_HOWE, "24/7", half_days={"10-04": "01:00-03:00"}),
    calendar(BERLIN, {"sat-sun": "01:30-02:30, 23:00-02:45", "wed": "00:00-24:00"}),
]
calendars = st.sampled_from(CALENDARS)
instants = st.datetimes(
    datetime.fromisoformat("2024-01-01"), datetime.fromisoformat("2029-01-01"), timezones=st.just(UTC)
) | st.builds(  # close to where clocks change
    lambda base, off: base + off,
    st.sampled_from(
        [
            datetime(2026, 3, 29, 1, tzinfo=UTC),
            datetime(2026, 10, 25, 1, tzinfo=UTC),
            datetime(2026, 3, 8, 8, tzinfo=UTC),
            datetime(2026, 11, 1, 7, tzinfo=UTC),
            datetime(2026, 4, 4, 15, tzinfo=UTC),
            datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
        ]
    ),
    st.timedeltas(-timedelta(days=3), timedelta(days=3)),
)
durations = st.builds(
    Duration,
    days=st.integers(0, 12),
    time=st.timedeltas(timedelta(0), timedelta(hours=60)),
    business=st.booleans(),
)


@given(cal=calendars, a=instants, gap=st.timedeltas(timedelta(0), timedelta(days=2)), duration=durations)
def test_later_starts_never_end_earlier(cal, a, gap, duration):
    """Except that from the second pass of a repeated hour, the same local time comes again."""
    b = a + gap
    if duration.days:
        zone = ZoneInfo(cal.zone)
        assume(a.astimezone(zone).fold == b.astimezone(zone).fold == 0)
    assert cal.add(a, duration) <= cal.add(b, duration)


@given(cal=calendars, start=instants, one=durations, more=st.timedeltas(timedelta(0), timedelta(hours=9)))
def test_longer_durations_never_end_earlier(cal, start, one, more):
    longer = Duration(days=one.days, time=one.time + more, business=one.business)
    assert start <= cal.add(start, one) <= cal.add(start, longer)


@given(cal=calendars, start=instants, time=st.timedeltas(timedelta(0), timedelta(hours=100)))
def test_between_gives_back_the_business_hours_that_were_added(cal, start, time):
    end = cal.add(start, Duration(time=time, business=True))
    assert cal.between(start, end) == time
    if time:
        assert cal.is_open(end - timedelta(microseconds=1))


@given(cal=calendars, a=instants, b=instants, c=instants)
def test_open_time_adds_up(cal, a, b, c):
    assert cal.between(a, b) + cal.between(b, c) == cal.between(a, c)


@given(cal=calendars, t=instants)
def test_the_next_opening_is_open_and_nothing_is_before_it(cal, t):
    opening = cal.next_open(t)
    assert opening >= t
    assert cal.is_open(opening)
    assert cal.between(t, opening) == timedelta(0)
    assert cal.is_open(t) == (opening == t)


@settings(max_examples=20)
@given(starts=st.lists(instants, min_size=2, max_size=20), duration=durations, seed=st.integers(0, 99))
def test_the_order_in_which_questions_come_does_not_change_an_answer(starts, duration, seed):
    data = {"name": "x", "zone": BERLIN, "hours": {"mon-fri": "20:00-04:00"}, "holidays": "DE"}
    one, other = Calendar.parse(data), Calendar.parse(data)
    answers = {start: one.add(start, duration) for start in starts}
    random.Random(seed).shuffle(starts)
    assert {start: other.add(start, duration) for start in starts} == answers
