"""Whose fault an error is, and what happens next.

    CrossdockError
      Refused          the caller mends it: bad input, a rule, a conflict; never retried as it is
        NotFound         what was named is not there (or not the caller's to see)
        NotProven        who asks has not shown who they are
        Forbidden        who asks is known, and may not
        Conflict         what was asked contradicts what is: it exists, it changed, it ended
      Unreachable      nobody's fault that lasts: tried again, after `retry_after` where that is known
        TooMany          one asks more, or more often, than is agreed: the same is taken after `retry_after`
      UnknownOutcome   it may have happened: found out before anything is repeated
      Broken           ours: a fault in Crossdock or its set-up; shown with all that is known

Each says what happened, where, and the mend. An edge (HTTP, command line) turns the class into a status;
no error carries one.
"""

from __future__ import annotations


class CrossdockError(Exception):
    """What happened (`message`), where (file, line, field: `where`), and what mends it (`mend`)."""

    def __init__(self, message: str, *, where: str = "", mend: str = "") -> None:
        """Keep the three parts apart, so that each edge can lay them out its own way."""
        super().__init__(message)
        self.message = message
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  mend: {self.mend}" if self.mend else text


class Refused(CrossdockError):
    """The caller mends it; the same input will be refused again."""


class NotFound(Refused):
    """What was named is not there, or is not the caller's to see."""


class NotProven(Refused):
    """Who asks has not shown who they are. The message never tells which part was wrong."""


class Forbidden(Refused):
    """Who asks is known, and may not do this."""


class Conflict(Refused):
    """What was asked contradicts what is: it exists already, it changed meanwhile, it has ended."""


class Unreachable(CrossdockError):
    """Not there now; will be tried again, after `retry_after` seconds where that is known."""

    def __init__(
        self, message: str, *, where: str = "", mend: str = "", retry_after: float | None = None
    ) -> None:
        """Take `retry_after` in seconds."""
        super().__init__(message, where=where, mend=mend)
        self.retry_after = retry_after


class TooMany(Unreachable):
    """One asks more, or more often, than is agreed; the same is taken after `retry_after` seconds.

    `policies` are the names of the limits that were reached.
    """

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        mend: str = "",
        retry_after: float,
        policies: tuple[str, ...] = (),
    ) -> None:
        """Take the names of the limits."""
        super().__init__(message, where=where, mend=mend, retry_after=retry_after)
        self.policies = policies


class UnknownOutcome(CrossdockError):
    """It may or may not have happened; find out before repeating it."""


class Broken(CrossdockError):
    """Crossdock or its set-up is at fault."""
