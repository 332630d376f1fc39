"""What it means when the database does not answer: not now. The same may be asked a little later."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import asyncpg

from crossdock.errors import Unreachable

# What is no fault of a statement: the same one may be carried out a little later.
GONE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # it is shut down, starts, or somebody cancels the statement
    asyncpg.InsufficientResourcesError,  # the disk or the memory is full, there are too many connections
    asyncpg.PostgresSystemError,  # the disk cannot be read or written
    asyncpg.InternalClientError,  # what the driver says when a connection dies under a statement
)


@contextlib.contextmanager
def reachable() -> Iterator[None]:
    """Turn what the driver raises when the database is away into `Unreachable`."""
    try:
        yield
    except GONE as error:
        raise _unreachable(error) from error
    except asyncpg.InterfaceError as error:
        if "clos" not in str(error):  # anything but a closed connection or pool is a fault of ours
            raise
        raise _unreachable(error) from error


def _unreachable(error: Exception) -> Unreachable:
    return Unreachable(
        f"the database does not answer: {str(error) or type(error).__name__}",
        mend="see that it runs; what was not acknowledged was not taken",
        retry_after=1,
    )
