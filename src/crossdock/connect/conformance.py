"""What every connector has to hold, as tests: inherit `Conformance`, give examples, run pytest.

    class TestDepot(Conformance):
        connector = depot
        settings = {"url": "https://depot.example"}
        secrets = {"key": "k-123456"}
        examples = [Example(operation="create_pick", data={...}, answers=[...], output={...}, found=[...])]
        notices = [Told(headers={...}, body=b"...", types=["warehouse.shipment_packed"])]
        pages = [Fed(feed="events", answers=[...], types=["warehouse.shipment_packed"])]

No network: the talks are led with the answers given. The suite reaches further than the examples: it cuts
their answers short, asks twice, and looks for what must be in a request and what must not be seen anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from crossdock.connect.arrivals import arrivals
from crossdock.connect.contract import (
    Access,
    Connector,
    Context,
    Happening,
    Notice,
    Operation,
    Page,
    Poll,
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
_NO_JSON = (b"", b"{", b"<html>", b"\xff\xfe", b"[" * 2000)
_GARBAGE = (*_NO_JSON, b"null", b"[]", b'"text"', b'{"unheard": "of"}')


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """One page of a feed as it came, read from the beginning, and the types of the events that it is."""

    feed: str
    answers: Sequence[Response]
    types: Sequence[str] = ()


def recorded(file: str | Path, *paths: str) -> list[Response]:
    """The answers in a HAR file in their order, as `answers` of an example; with `paths`, of those alone.

    `crossdock connections record` makes one. Raises `Refused` for a file that is none.
    """
    try:
        entries = msgspec.json.decode(Path(file).read_bytes())["log"]["entries"]
        found = [(urlsplit(entry["request"]["url"]).path, entry["response"]) for entry in entries]
        return [
            Response(
                answer["status"],
                {header["name"].lower(): header["value"] for header in answer["headers"]},
                answer["content"].get("text", "").encode(),
            )
            for path, answer in found
            if not paths or path in paths
        ]
    except (OSError, msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"this is no HAR file: {error!r}", where=str(file)) from None


class Conformance:
    """The suite. Each method whose name begins with `test_` is a test that raises `AssertionError`."""

    connector: ClassVar[Connector]
    settings: ClassVar[Mapping[str, Any]] = {}
    secrets: ClassVar[Mapping[str, str]] = {}
    examples: ClassVar[Sequence[Example]] = ()
    notices: ClassVar[Sequence[Told]] = ()
    pages: ClassVar[Sequence[Fed]] = ()

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
        """An answer that cannot be read must not lead to a second one, unless it is shown as `not_found`."""
        for example, operation in self._shown():
            says_so = {answer.body for answer in example.not_found}
            for body in _GARBAGE if operation.find is not None else ():
                if body in says_so:
                    continue
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

    def test_our_clock_makes_no_events(self) -> None:
        """A delivery that comes days late, or to a machine whose clock is wrong, tells of the same."""
        webhook = self.connector.webhook
        for told in self.notices if webhook is not None else ():
            names = [
                [one.id for one in webhook.translate(self._notice(told, timedelta(days=days)))]
                for days in (-3, 0, 3)
                if webhook is not None
            ]
            _hold(names[0] == names[1] == names[2], "when it came decides what it is")

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

    def test_feeds_become_events_of_the_model(self) -> None:
        """Each feed is shown by a page; its events are those that the example says, and fit their types."""
        missing = {poll.name for poll in self.connector.polls} - {fed.feed for fed in self.pages}
        _hold(not missing, f"give an example of a page of {', '.join(sorted(missing))}")
        for fed, poll in self._fed():
            page, asked = self._page(poll, fed.answers)
            changing = [request for request in asked if request.changes is not False and _changes(request)]
            _hold(not changing, f"reading {fed.feed} asks what may change something; say `changes=False`")
            found = arrivals(self._happenings(poll, page), self.connector, "it", fed.feed)
            _hold([one.type for one in found] == list(fed.types), f"became {[one.type for one in found]}")
            _hold(len({one.id for one in found}) == len(found), f"two events of {fed.feed} have one id")

    def test_a_feed_goes_on_from_its_cursor(self) -> None:
        """The cursor of a page is taken again; where there is `more`, it has moved."""
        for fed, poll in self._fed():
            page, asked = self._page(poll, fed.answers)
            _hold(not page.more or page.cursor != "", f"{fed.feed} has more, and no cursor to go on from")
            if page.cursor:
                talk = poll.read(page.cursor, self._context())
                again = next(talk)
                talk.close()
                same = page.more and again == asked[0]
                _hold(not same, f"{fed.feed} has more, and asks for the same page again")

    def test_a_feed_that_is_read_again_tells_the_same(self) -> None:
        """A cursor that was lost begins anew: what was told is told again, under the same ids."""
        for fed, poll in self._fed():
            once, twice = (self._happenings(poll, self._page(poll, fed.answers)[0]) for _ in range(2))
            _hold(once == twice, f"{fed.feed} tells something else the second time")

    def test_a_feed_never_passes_over_what_it_cannot_read(self) -> None:
        """An answer that is no page raises, or leaves the cursor where it was."""
        for fed, poll in self._fed():
            for body in _NO_JSON:
                try:
                    page = self._page(poll, [Response(200, {}, body)] * 10)[0]
                except Exception:  # noqa: BLE001, S112 - any way of saying so is fine
                    continue
                _hold(page.cursor == "", f"{fed.feed} reads {body[:20]!r} and goes on to {page.cursor!r}")

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

    def _fed(self) -> Iterable[tuple[Fed, Poll]]:
        polls = {poll.name: poll for poll in self.connector.polls}
        for fed in self.pages:
            _hold(fed.feed in polls, f"there is no feed {fed.feed}")
            yield fed, polls[fed.feed]

    def _page(self, poll: Poll, answers: Sequence[Response]) -> tuple[Page, list[Request]]:
        page, asked = _lead(poll.read, "", self._context(), answers)
        return page, asked

    def _happenings(self, poll: Poll, page: Page) -> list[Happening]:
        found = list(page.happenings)
        for record in page.records:
            if poll.translate is not None:
                found += poll.translate(record, self._context().settings)
        return found

    def _notice(self, told: Told, late: timedelta = timedelta()) -> Notice:
        return Notice(
            headers={name.lower(): text for name, text in told.headers.items()},
            body=told.body,
            received=datetime.now(UTC) + late,
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
