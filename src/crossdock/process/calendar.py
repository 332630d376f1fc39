"""Business time: when a site, a carrier or a customer works, and what `4 business hours` from now comes to.

Elapsed time is counted in UTC, days in the calendar's zone: clocks that change neither gain nor lose an hour.

1. `h`, `m`, `s` add exact time. `days` and `weeks` keep the local time of day.
2. A local time that the clocks skip means the instant they jump; one that comes twice means its first pass.
3. Business hours count open time. They end with the open time that fills them: Friday 16:00 plus one hour is
   Friday 17:00 at closing, not Monday at opening.
4. `n business days` is the same local time of day on the n-th following day that has business hours, moved
   into that day's hours: to its opening if too early, to its closing if too late, past a break if in it.
   From a closed time it counts from the next opening: Saturday plus one business day is Tuesday at opening.
5. A shift belongs to the day it starts on: on the eve of a holiday it runs into the holiday, on the holiday
   it does not start.
6. Which hours a date has: what names the date itself stands before what names a day of each year, before
   holidays by rule, before the week. A half day shortens a weekday that is open; it opens no other.
7. A cut-off holds on days that have business hours; on half days and days with hours of their own, it is not
   later than their closing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from itertools import islice
from typing import Any, Self
from zoneinfo import ZoneInfo

from crossdock.errors import Broken, NotFound, Refused
from crossdock.process.calendar_terms import DAY, HolidayRule, Hours, Terms, read_terms
from crossdock.process.durations import Duration

_MOST_CLOSED = 400  # days without business hours after which a calendar is taken to have none
_MOST_CACHED = 8_000  # days
_NOTHING = timedelta(0)
_SECOND = timedelta(seconds=1)
_WEEK_DAY = timedelta(days=1)

Spans = tuple[tuple[datetime, datetime], ...]  # open from, until; UTC, in order, apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Open hours of one place, for all time. Built by `parse`; its answers depend on its data alone."""

    name: str
    version: str  # names the content: equal data has an equal version
    rules: str  # the release of the holiday rules it relies on, as in "holidays 0.109"; empty without rules
    _terms: Terms = field(repr=False)
    _zone: ZoneInfo = field(repr=False, compare=False)
    _holidays: tuple[tuple[HolidayRule, Any], ...] = field(repr=False, compare=False)
    _days: dict[int, Spans] = field(init=False, repr=False, compare=False, default_factory=dict)

    @classmethod
    def parse(cls, data: object, *, where: str = "") -> Self:
        """Build a calendar from plain data, as `calendar_terms` shows it; `Refused` lists all problems."""
        terms = read_terms(data, where)
        return cls(
            name=terms.name,
            version=terms.version(),
            rules=f"holidays {version('holidays')}" if terms.rules else "",
            _terms=terms,
            _zone=ZoneInfo(terms.zone),
            _holidays=tuple((rule, rule.table()) for rule in terms.rules),
        )

    def __hash__(self) -> int:
        return hash(self.version)

    @property
    def zone(self) -> str:
        """The IANA name of its zone."""
        return self._terms.zone

    def add(self, instant: datetime, duration: Duration) -> datetime:
        """The instant (UTC) that lies `duration` after `instant`: days first, then time.

        `Refused` when the calendar has no business hours within 400 days, or when time itself ends.
        """
        start = _utc(instant)
        try:
            if duration.business:
                if duration.days:
                    start = self._add_business_days(start, duration.days)
                return (
                    self._add_open_time(start, duration.time) if duration.time or not duration.days else start
                )
            if duration.days:
                start = self._add_days(start, duration.days)
            return start + duration.time
        except OverflowError as error:
            raise Refused(f"{instant} plus {duration} lies beyond the year 9999", where=self.name) from error

    def before(self, instant: datetime, duration: Duration) -> datetime:
        """The instant (UTC) that lies a plain `duration` before `instant`: time first, then days.

        `Broken` for business time, which is not counted back; OverflowError before the year 1.
        """
        if duration.business:
            raise Broken(f"{duration} cannot be counted back", mend="give plain time")
        local = self._local(_utc(instant) - duration.time)
        if not duration.days:
            return local.astimezone(UTC)
        day = local.toordinal() - duration.days
        if day < 1:
            raise OverflowError
        return self._instant(day, _since_midnight(local))

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Open time from `start` to `end`; negative when `end` is the earlier."""
        a, b = _utc(start), _utc(end)
        if b < a:
            return -self.between(b, a)
        first, last = self._local(a).toordinal() - 1, self._local(b).toordinal()
        total = _NOTHING
        for day in range(max(first, 1), last + 1):
            for opening, closing in self._spans(day):
                if closing > a and opening < b:
                    total += min(closing, b) - max(opening, a)
        return total

    def is_open(self, instant: datetime) -> bool:
        """Whether `instant` lies in business hours; an opening does, a closing does not."""
        t = _utc(instant)
        today = self._local(t).toordinal()
        return any(
            opening <= t < closing for day in (today - 1, today) for opening, closing in self._spans(day)
        )

    def next_open(self, instant: datetime) -> datetime:
        """`instant` itself if it is open, else the next opening."""
        t = _utc(instant)
        _, opening, _ = next(self._open_from(t))
        return max(opening, t)

    def cut_off(self, name: str, instant: datetime) -> datetime:
        """The next cut-off of that name at or after `instant`, on a day that has business hours.

        `NotFound` for a name the calendar does not have, `Refused` when there is none within 400 days.
        """
        times = self._terms.cut_offs.get(name)
        if times is None:
            mend = "it has " + (", ".join(sorted(self._terms.cut_offs)) or "none: add it under cut_offs")
            raise NotFound(f"there is no cut-off {name!r}", where=f"calendar {self.name}", mend=mend)
        t = _utc(instant)
        today = self._local(t).toordinal()
        for day in range(today, today + _MOST_CLOSED):
            time, spans = times[(day - 1) % 7], self._spans(day)
            if time is None or not spans:
                continue
            due = self._instant(day, time * _SECOND)
            if self._hours(date.fromordinal(day))[1]:
                due = min(due, spans[-1][1])
            if due >= t:
                return due
        mend = "check its weekdays against the hours"
        raise Refused(
            f"no cut-off {name!r} in {_MOST_CLOSED} days from {t}", where=f"calendar {self.name}", mend=mend
        )

    def _add_days(self, t: datetime, days: int) -> datetime:
        local = self._local(t)
        return self._instant(local.toordinal() + days, _since_midnight(local))

    def _add_open_time(self, t: datetime, time: timedelta) -> datetime:
        left = time
        for _, opening, closing in self._open_from(t):
            begin = max(opening, t)
            if closing - begin >= left:
                return begin + left
            left -= closing - begin
        raise AssertionError

    def _add_business_days(self, t: datetime, days: int) -> datetime:
        day, opening, _ = next(self._open_from(t))
        local = self._local(max(opening, t))
        wall = _since_midnight(local) + (local.toordinal() - day) * _WEEK_DAY  # past 24 h in a night shift
        day = next(islice(self._business_days(day + 1), days - 1, None))
        target = self._instant(day, wall)
        spans = self._spans(day)
        return next((max(opening, target) for opening, closing in spans if target <= closing), spans[-1][1])

    def _open_from(self, t: datetime) -> Iterator[tuple[int, datetime, datetime]]:
        """Open spans that end after `t`, each with the day it belongs to, without end."""
        for day in self._business_days(max(self._local(t).toordinal() - 1, 1)):
            for opening, closing in self._spans(day):
                if closing > t:
                    yield day, opening, closing

    def _business_days(self, day: int) -> Iterator[int]:
        """Days from `day` on that have business hours; `Refused` after 400 days without."""
        last = day
        while day - last <= _MOST_CLOSED:
            if day > date.max.toordinal():
                raise OverflowError
            if self._spans(day):
                yield day
                last = day
            day += 1
        raise Refused(
            f"no business hours in {_MOST_CLOSED} days after {date.fromordinal(last)}",
            where=f"calendar {self.name}",
            mend="give it weekly hours, or open days that lie ahead",
        )

    def _spans(self, day: int) -> Spans:
        """The open spans that start on the day (an ordinal), in UTC."""
        spans = self._days.get(day)
        if spans is None:
            if len(self._days) >= _MOST_CACHED:
                self._days.clear()
            spans = self._days[day] = self._work_out(day)
        return spans

    def _work_out(self, day: int) -> Spans:
        if not 1 <= day < date.max.toordinal():
            return ()
        hours = self._hours(date.fromordinal(day))[0]
        spans = [(self._instant(day, a * _SECOND), self._instant(day, b * _SECOND)) for a, b in hours]
        if spans and day > 1:  # the night shift of the day before may still be on
            night = max((end for _, end in self._hours(date.fromordinal(day - 1))[0]), default=0)
            if night > DAY:
                over = self._instant(day - 1, night * _SECOND)
                spans = [(max(opening, over), closing) for opening, closing in spans]
        return tuple(span for span in spans if span[0] < span[1])

    def _hours(self, day: date) -> tuple[Hours, bool]:
        """The hours of a date, and whether they are other than the week says."""
        terms, text = self._terms, day.isoformat()
        week = terms.week[day.weekday()]
        for key in (text, text[5:]):
            if key in terms.opened:
                return terms.opened[key], True
            if key in terms.closed:
                return (), True
            if key in terms.half_days and week:
                return terms.half_days[key], True
        holiday = any(rule.closes(day, table) for rule, table in self._holidays)
        return ((), True) if holiday else (week, False)

    def _local(self, t: datetime) -> datetime:
        return t.astimezone(self._zone)

    def _instant(self, day: int, wall: timedelta) -> datetime:
        """The instant at which clocks of the zone show `wall` after the midnight of a day; see rule 2."""
        if day >= date.max.toordinal():
            raise OverflowError
        naive = datetime.fromordinal(day) + wall
        shown = naive.replace(tzinfo=self._zone)
        old, new = shown.utcoffset() or _NOTHING, shown.replace(fold=1).utcoffset() or _NOTHING
        after = (naive - old).replace(tzinfo=UTC)
        if new <= old:
            return after
        before = (naive - new).replace(tzinfo=UTC)
        while after - before > _SECOND:  # the clocks jump in between
            middle = before + (after - before) // _SECOND // 2 * _SECOND
            before, after = (middle, after) if self._local(middle).utcoffset() == old else (before, middle)
        return after


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise Broken(f"{instant} has no zone, so it is no instant", mend="pass aware instants")
    return instant.astimezone(UTC)


def _since_midnight(local: datetime) -> timedelta:
    return timedelta(
        hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond
    )


DEFAULT_CALENDAR = Calendar.parse({"name": "default", "zone": "UTC", "hours": {"mon-fri": "09:00-17:00"}})
