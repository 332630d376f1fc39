"""Large payloads are kept once, by their content, and named by hash where they stood.

A document of a thousand lines comes with its event, stands in the state, and would be written again with
every decision. So what goes into state and history is looked through when it is large: each part of it that
is larger than `LARGE` by itself is taken out and named. In memory, and for the kernel, everything is whole.

A state is looked through by what it holds for others: its document, and what steps were given and gave. What
the kernel keeps of ten thousand children is its own, differs with every decision, and stays where it is. The
document is the same from one decision to the next: it is looked through once (`Documents`).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

import msgspec

from crossdock.process import State, encode_state
from crossdock.process.state import StepState
from crossdock.store import EngineTransaction, TenantTransaction

LARGE = 64 * 2**10  # bytes of JSON
_NAME = "$payload"
_MARK = b'"$payload"'

_PUT: LiteralString = """
insert into crossdock.blob (tenant, hash, data)
select * from unnest($1::int[], $2::text[], $3::bytea[]) as k(tenant, hash, data) order by 1, 2
on conflict do nothing
"""

_GET: LiteralString = """
select b.tenant, b.hash, b.data from unnest($1::int[], $2::text[]) as k(tenant, hash)
join crossdock.blob b on b.tenant = any(array[k.tenant]) and b.hash = any(array[k.hash])
"""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class _Document:
    whole: Any  # held, so that nothing else can have its identity
    smaller: Any
    size: int  # bytes of JSON


class Documents:
    """Large documents whose large parts are kept already, by their identity: the kernel never changes one."""

    def __init__(self, most: int = 32 * 2**20) -> None:
        """Remember those of at most so many bytes of JSON."""
        self._most = most
        self._bytes = 0
        self._known: OrderedDict[tuple[int, int], _Document] = OrderedDict()

    def get(self, tenant: int, document: Any) -> _Document | None:
        """What is known of this very document."""
        return self._known.get((tenant, id(document)))

    def keep(self, tenant: int, document: _Document) -> None:
        """Remember one whose parts are committed."""
        self._known[tenant, id(document.whole)] = document
        self._bytes += document.size
        while self._bytes > self._most:
            _, gone = self._known.popitem(last=False)
            self._bytes -= gone.size


class Payloads:
    """What one transaction has taken out; `write` keeps it, `committed` says that it is there for good."""

    def __init__(self, documents: Documents | None = None) -> None:
        """Nothing yet, but for these documents."""
        self._taken: dict[tuple[int, str], bytes] = {}
        self._documents = documents or Documents()
        self._new: list[tuple[int, _Document]] = []

    def take_out(self, tenant: int, data: bytes) -> bytes:
        """JSON without its large parts. What is small as a whole is given back as it is."""
        if len(data) <= LARGE:
            return data
        return _encode(self._without(tenant, _decode(data)))

    def take_out_of_state(self, tenant: int, state: State) -> tuple[bytes, int]:
        """A state as JSON without its large parts, and how many bytes it has with its document."""
        document = self._documents.get(tenant, state.document)
        if document is None:
            encoded = encode_state(state)
            if len(encoded) <= LARGE:
                return encoded, len(encoded)
            size = len(_encode(state.document))
            document = _Document(state.document, self._without(tenant, state.document), size)
            if size > LARGE:
                self._new.append((tenant, document))
        smaller = msgspec.structs.replace(state, document=document.smaller)
        encoded = encode_state(smaller)
        size = len(encoded) + document.size
        if len(encoded) > LARGE:
            smaller.steps = {name: self._step(tenant, step) for name, step in state.steps.items()}
            smaller.kept = [
                msgspec.structs.replace(one, view=self._without(tenant, one.view)) for one in state.kept
            ]
            encoded = encode_state(smaller)
        return encoded, size

    def _step(self, tenant: int, step: StepState) -> StepState:
        if len(_encode((step.input, step.output, step.events, step.call))) <= LARGE:
            return step
        call = step.call
        return msgspec.structs.replace(
            step,
            input=self._without(tenant, step.input),
            output=self._without(tenant, step.output),
            events=[self._without(tenant, event) for event in step.events],
            call=call and msgspec.structs.replace(call, input=self._without(tenant, call.input)),
        )

    def committed(self) -> None:
        """What was taken out is there: what is known of the documents may be used again."""
        for tenant, document in self._new:
            self._documents.keep(tenant, document)

    def _without(self, tenant: int, value: Any) -> Any:
        if isinstance(value, dict):
            smaller: Any = {key: self._without(tenant, part) for key, part in value.items()}
        elif isinstance(value, list):
            smaller = [self._without(tenant, part) for part in value]
        elif isinstance(value, str) and len(value) > LARGE:
            smaller = value
        else:
            return value
        encoded = _encode(smaller)
        if len(encoded) <= LARGE:
            return smaller
        name = hashlib.sha256(encoded).hexdigest()
        self._taken[tenant, name] = encoded
        return {_NAME: name}

    async def write(self, transaction: EngineTransaction) -> None:
        """Keep what was taken out; what is known already is not written again."""
        if self._taken:
            rows = [(tenant, name, data) for (tenant, name), data in self._taken.items()]
            await transaction.execute(_PUT, *zip(*rows, strict=True))


async def put_back(
    transaction: EngineTransaction | TenantTransaction, tenant: int, *texts: bytes
) -> list[bytes]:
    """JSON texts made whole again."""
    found = list(texts)
    known: dict[str, Any] = {}
    for n, data in enumerate(found):
        if _MARK in data:
            value = _decode(data)
            await _fetch(transaction, tenant, value, known)
            found[n] = _encode(_whole(value, known))
    return found


async def _fetch(
    transaction: EngineTransaction | TenantTransaction, tenant: int, value: Any, known: dict[str, Any]
) -> None:
    """Read all that `value` names, and what that names in its turn."""
    wanted = _names(value) - known.keys()
    while wanted:
        rows = await transaction.fetch(_GET, [tenant] * len(wanted), sorted(wanted))
        got = {row["hash"]: _decode(row["data"]) for row in rows}
        known.update(got)
        wanted = set().union(*(_names(part) for part in got.values())) - known.keys()


def _names(value: Any) -> set[str]:
    if isinstance(value, dict):
        name = value.get(_NAME)
        if len(value) == 1 and isinstance(name, str):
            return {name}
        return set().union(*(_names(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(_names(part) for part in value))
    return set()


def _whole(value: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        name = value.get(_NAME)
        if len(value) == 1 and isinstance(name, str) and name in known:
            return _whole(known[name], known)
        return {key: _whole(part, known) for key, part in value.items()}
    if isinstance(value, list):
        return [_whole(part, known) for part in value]
    return value
