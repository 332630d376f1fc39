"""Whom a command asks: the installation here, or a server elsewhere by `--url` and a key.

Both are asked in the same words, those of the API: a command says what it does once, to an `Operator`. What
is here is asked within this process, as whoever sits at the machine; nothing need be served.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from crossdock.cli.output import told
from crossdock.cli.place import HERE, run, with_system
from crossdock.errors import CrossdockError, Refused

if TYPE_CHECKING:
    from crossdock.assemble import System
    from crossdock.client import Operator

T = TypeVar("T")

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="CROSSDOCK_URL", help="Ask this server instead; or CROSSDOCK_URL"),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="CROSSDOCK_KEY",
        help="The key to ask it with; better CROSSDOCK_KEY, which no list of processes shows",
    ),
]
_PATIENCE = 3.0  # seconds in which a server that does not answer is asked again: somebody waits
_ADDRESS = re.compile(r"(GET|POST|PUT|PATCH|DELETE) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What was given to say where a command works."""

    directory: Path
    url: str | None
    key: str | None

    def __repr__(self) -> str:
        return f"Where({self.directory}, {self.url})"


def ask(
    where: Where,
    act: Callable[[Operator], Awaitable[T]],
    *,
    json: bool = False,
    as_operator: bool = False,
    tenant: str | None = None,
) -> T:
    """Do something with a server, or the installation here; an error becomes words and a status.

    Here, whoever asks is of the tenant that the settings name, or of `tenant`, or `as_operator` of those who
    run the installation. At a server, the key says whose it is.
    """

    async def here(system: System) -> T:
        from crossdock.cli.here import Here  # all that a server is made of

        async with Here(system, as_operator=as_operator, tenant=tenant) as operator:
            with _plain():
                return await act(operator)

    async def there(url: str) -> T:
        from crossdock.client import Operator  # not needed for what works here alone

        if where.directory != HERE:
            raise Refused(
                "a directory and a server are both named", where="--dir", mend="leave out --dir, or --url"
            )
        if tenant is not None:
            raise Refused(
                "a key is of one tenant", where="--tenant", mend="leave it out, and give a key of that tenant"
            )
        if not where.key:
            raise Refused(
                f"no key is given for {url}" if "@" not in url else "no key is given",
                where="--key",
                mend="set CROSSDOCK_KEY; on the server: crossdock key create --role NAME --json",
            )
        async with Operator(url, key=where.key, patience=_PATIENCE) as operator:
            with _plain():
                return await act(operator)

    if not where.url:
        return with_system(where.directory, here, json=json)
    with told(json=json):
        return run(there(where.url))


@contextlib.contextmanager
def _plain() -> Iterator[None]:
    """Leave out of an error which address of the API was asked: whoever gave a command knows the command."""
    try:
        yield
    except CrossdockError as error:
        if _ADDRESS.match(error.where):
            error.where = ""
        raise
