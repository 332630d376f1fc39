"""`python -m torture.skewed HOURS ARGUMENTS`: the command `crossdock`, with a clock that is wrong by so many hours.

The clock is what Python code asks: `time.time` and `datetime.now`. What only counts (`time.monotonic`) stays
right, as it does on a machine whose wall clock is wrong.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from typing import Any


class _Real(type):
    """What is a real instant is one of ours too."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, dt.datetime)


def skew(hours: float) -> None:
    """Put the clock of this process forward (or back), in all modules of ours."""
    real_time, real_time_ns = time.time, time.time_ns
    seconds = hours * 3600

    class Skewed(dt.datetime, metaclass=_Real):
        def __new__(cls, *parts: Any, **more: Any) -> Any:
            return dt.datetime(*parts, **more)  # noqa: DTZ001 - as it was asked for

        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return dt.datetime.fromtimestamp(real_time() + seconds, tz)

    time.time = lambda: real_time() + seconds
    time.time_ns = lambda: real_time_ns() + int(seconds * 1e9)
    for name, module in list(sys.modules.items()):
        if name.startswith("crossdock.") and getattr(module, "datetime", None) is dt.datetime:
            module.datetime = Skewed  # type: ignore[attr-defined]


def main() -> None:
    """Skew the clock, then be the command."""
    from crossdock import cli

    hours = float(sys.argv[1])
    if hours:
        skew(hours)
    sys.argv = ["crossdock", *sys.argv[2:]]
    cli.main()


if __name__ == "__main__":
    main()
