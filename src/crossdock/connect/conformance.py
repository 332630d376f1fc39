"""What every connector has to hold, as tests: inherit `Conformance`, give examples, run pytest.

    class TestDepot(Conformance):
        connector = depot
        settings = {"url": "https://depot.example"}
        secrets = {"key": "k-123456"}
        examples = [Example(operation="create_pick", data={...}, answers=[...], output={...}, found=[...])]
        notices = [Told(headers={...}, body=b"...", types=["warehouse.shipment_packed"])]

No network: the talks are led with the answers given. The suite reaches further than the examples: it cuts
their answers short, asks twice, and looks for what must be in a request and what must not be seen anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec

from crossdock.connect.arrivals import arrivals
from crossdock.connect.contract import (
    Access,
    Connector,
    Context,
    Notice,
    Operation,
    Request,
    Response,
    Talk,
)
from crossdock.connect.fit import misfit, plain
from crossdock.connect.lines import settled
from crossdock.connect.registry import declared
from crossdock.connect.secret import Secret
from crossdock.connect.systems import shape_of
from crossdock.errors import Refused

_KEY = "XD0123456789abcdef01234567"
_encode = msgspec.json.Encoder(decimal_format="number").encode
_GARBAGE = (b"", b"{", b"null", b"[]", b'"text"', b"<html>", b'{"unheard": "of"}', b"\xff\xfe", b"[" * 2000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One call as it went: its data, what the system answered to each question, and what came out.

    `found` is what the system answers to the operation's `find` once it was done, `not_found` when it was
    not.
    """

    operation: str
    data: Any
    answers: Sequence[Response]
    output: Any
    found: Sequence[Response] = ()
    not_found: Sequence[Response] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One webhook as it came, and the types of the events that it is."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    types: Sequence[str] = ()


class Conformance:
    """The suite. Each method whose name begins with `test_` is a test that raises `AssertionError`."""

    connector: ClassVar[Connector]
    settings: ClassVar[Mapping[str, Any]] = {}
    secrets: ClassVar[Mapping[str, str]] = {}
    examples: ClassVar[Sequence[Example]] = ()
    notices: ClassVar[Sequence[Told]] = ()

    def test_its_declaration_holds_together(self) -> None:
        """Names, types, idempotency, undo."""
        declared(self.connector)
        settled(self.connector, self.settings)
        missing = set(self.connector.secrets) - set(self.secrets)
        _hold(not missing, f"give a value for the secrets {sorted(missing)}")

    def test_every_operation_has_an_example(self) -> None:
        """What is not shown is not known to work."""
        shown = {example.operation for example in self.examples}
        missing = [one.name for one in self.connector.operations if one.name not in shown]
        _hold(not missing, f"no example of {', '.join(missing)}")

    def test_examples_give_what_they_say_in_the_types_that_are_declared(self) -> None:
        """Input and output fit, the output is the one expected."""
        for example, operation in self._shown():
            shape = shape_of(self.connector, operation)
            _fits(f"the data of {example.operation}", misfit(example.data, shape.input))
            output, _ = _lead(operation.do, example.data, self._context(), example.answers)
            _fits(f"the output of {example.operation}", misfit(plain(output), shape.output))
            _hold(plain(output) == example.output, f"{example.operation} gave {output!r}")

    def test_the_same_call_asks_the_same(self) -> None:
        """Requests depend on data and context alone: no clock, no chance, no memory."""
        for example, operation in self._shown():
            once = _lead(operation.do, example.data, self._context(), example.answers)[1]
            twice = _lead(operation.do, example.data, self._context(), example.answers)[1]
            _hold(once == twice, f"{example.operation} asks otherwise the second time")

    def test_requests_stay_below_the_connections_address(self) -> None:
        """Paths begin with a slash; statuses that the runtime decides on are left to it."""
        for example, operation in self._shown():
            for request in _lead(operation.do, example.data, self._context(), example.answers)[1]:
                _hold(request.path.startswith("/"), f"{example.operation} asks {request.path}")
                taken = {429, 503} & set(request.accept)
                _hold(not taken, f"{example.operation} reads {taken} itself; leave them to the runtime")

    def test_what_changes_carries_our_key_where_a_repeat_relies_on_it(self) -> None:
        """With `key` and `find`, a request that changes something holds the key."""
        for example, operation in self._shown():
            if not shape_of(self.connector, operation).changes:
                continue
            if operation.idempotency not in ("key", "find"):
                continue
            asked = _lead(operation.do, example.data, self._context(), example.answers)[1]
            changing = [request for request in asked if _changes(request)]
            _hold(
                not changing or any(_holds_key(request) for request in changing),
                f"no request of {example.operation} that changes something carries `context.key`",
            )

    def test_what_was_done_is_found_and_what_was_not_is_not(self) -> None:
        """`find` gives what the operation gave, changes nothing, and None where nothing is there."""
        for example, operation in self._shown():
            if operation.find is None:
                continue
            _hold(bool(example.found and example.not_found), f"{example.operation}: give found and not_found")
            output, asked = _lead(operation.find, example.data, self._context(), example.found)
            _hold(plain(output) == example.output, f"the find of {example.operation} gave {output!r}")
            _hold(
                all(request.changes is False or not _changes(request) for request in asked),
                f"the find of {example.operation} asks what may change something; say `changes=False`",
            )
            output, _ = _lead(operation.find, example.data, self._context(), example.not_found)
            _hold(output is None, f"the find of {example.operation} found {output!r} where nothing was")

    def test_no_find_takes_garbage_for_nothing_there(self) -> None:
        """An answer that cannot be read must not lead to a second one."""
        for example, operation in self._shown():
            for body in _GARBAGE if operation.find is not None else ():
                talk = operation.find or operation.do
                given = [Response(200, {}, body)] * 10
                _hold(
                    not _returns_none(talk, example.data, self._context(), given),
                    f"the find of {example.operation} reads {body[:20]!r} as: nothing is there",
                )

    def test_an_answer_cut_short_is_never_taken_for_done(self) -> None:
        """Half an answer, or none, raises."""
        for example, operation in self._shown():
            whole = list(example.answers)
            if not whole or len(whole[-1].body) < 2 or not shape_of(self.connector, operation).changes:
                continue
            last = whole[-1]
            cut = Response(last.status, last.headers, last.body[: len(last.body) // 2])
            try:
                output, _ = _lead(operation.do, example.data, self._context(), [*whole[:-1], cut])
            except Exception:  # noqa: BLE001, S112 - any way of saying so is fine
                continue
            _hold(output == {}, f"{example.operation} took half an answer for {output!r}")

    def test_webhooks_become_events_of_the_model(self) -> None:
        """Each example gives the events that it says, and each of them fits its type."""
        if self.connector.webhook is None:
            return
        _hold(bool(self.notices), "give an example of each kind of webhook")
        known = {*self.connector.events, *(event.type for event in self.connector.own_events)}
        for told in self.notices:
            found = arrivals(self.connector.webhook.translate(self._notice(told)), self.connector, "it", "d")
            _hold([one.type for one in found] == list(told.types), f"became {[one.type for one in found]}")
            _hold(len({one.id for one in found}) == len(found), "two events of one webhook have one id")
            missing = {one.type for one in found} - known
            _hold(not missing, f"{missing} are not among the events that it declares")

    def test_the_same_webhook_again_has_the_same_ids(self) -> None:
        """Or a second delivery would be taken for something new."""
        webhook = self.connector.webhook
        for told in self.notices if webhook is not None else ():
            notice = self._notice(told)
            names = [
                (webhook.delivery_id(notice), [one.id for one in webhook.translate(notice)])
                for _ in range(2)
                if webhook is not None
            ]
            _hold(names[0] == names[1], "ids differ from one reading to the next")

    def test_a_webhook_that_is_garbage_is_refused(self) -> None:
        """It is set aside with a reason; no other error escapes."""
        webhook = self.connector.webhook
        headers = self.notices[0].headers if self.notices else {}
        for body in _GARBAGE if webhook is not None else ():
            try:
                found = (
                    list(webhook.translate(self._notice(Told(body=body, headers=headers)))) if webhook else []
                )
            except Refused:
                continue
            except Exception as error:
                raise AssertionError(f"{body[:20]!r} raised {type(error).__name__}: {error}") from error
            _hold(not found, f"{body[:20]!r} became {found!r}")

    def test_secrets_are_not_to_be_seen(self) -> None:
        """Not in what is printed of a sign-in, nor in any request of an operation."""
        secrets = {name: Secret(text) for name, text in self.secrets.items()}
        seen: list[str] = [repr(secrets), str(secrets)]
        if self.connector.sign_in is not None:
            access = Access(settings=self._context().settings, secrets=secrets, now=datetime.now(UTC))
            seen.append(repr(access))
            asks = self.connector.sign_in(access)
            try:
                seen.append(repr(next(asks)))
            except StopIteration as stop:
                seen.append(repr(stop.value))
            finally:
                asks.close()
        for example, operation in self._shown():
            asked = _lead(operation.do, example.data, self._context(), example.answers)[1]
            seen += [_encode(request).decode() for request in asked]
        for name, text in self.secrets.items():
            _hold(not any(text in one for one in seen), f"the secret {name} is to be seen")

    # -- what the tests share ---------------------------------------------------------------------------

    def _shown(self) -> Iterable[tuple[Example, Operation]]:
        operations = {operation.name: operation for operation in self.connector.operations}
        for example in self.examples:
            _hold(example.operation in operations, f"there is no operation {example.operation}")
            yield example, operations[example.operation]

    def _context(self) -> Context:
        return Context(settings=settled(self.connector, self.settings), key=_KEY, tenant=1, connection="it")

    def _notice(self, told: Told) -> Notice:
        return Notice(
            headers={name.lower(): text for name, text in told.headers.items()},
            body=told.body,
            received=datetime.now(UTC),
            settings=self._context().settings,
        )


def _lead(talk: Talk, data: Any, context: Context, answers: Sequence[Response]) -> tuple[Any, list[Request]]:
    """Lead a talk with these answers; gives what it returns and what it asked."""
    asked: list[Request] = []
    talking = talk(data, context)
    left = iter(answers)
    try:
        request = next(talking)
        while True:
            asked.append(request)
            answer = next(left, None)
            if answer is None:
                raise AssertionError(f"it asks {request!r}, and there is no answer for that in the example")
            request = talking.send(answer)
    except StopIteration as stop:
        return stop.value, asked
    finally:
        talking.close()


def _returns_none(talk: Talk, data: Any, context: Context, answers: Sequence[Response]) -> bool:
    try:
        return _lead(talk, data, context, answers)[0] is None
    except Exception:  # noqa: BLE001 - any way of saying that it cannot be read is fine
        return False


def _changes(request: Request) -> bool:
    return request.changes if request.changes is not None else request.method not in ("GET", "HEAD")


def _holds_key(request: Request) -> bool:
    return _KEY in request.path or _KEY.encode() in _encode(request) or _KEY.encode() in (request.body or b"")


def _fits(what: str, problem: str) -> None:
    _hold(not problem, f"{what} does not fit: {problem}")


def _hold(condition: bool, otherwise: str) -> None:  # noqa: FBT001
    if not condition:
        raise AssertionError(otherwise)
