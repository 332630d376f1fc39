"""What is refused at publish, where it points and what it says."""

from __future__ import annotations

import pytest

from crossdock.errors import Refused
from crossdock.expressions import Environment, ExpressionError


@pytest.mark.parametrize(
    ("text", "place", "message", "mend"),
    [
        ("order.numbr", "1:7", "unknown field 'numbr' of Order; did you mean 'number'?", "write number"),
        ("ordr.number", "1:1", "unknown name 'ordr'; did you mean 'order'?", "write order"),
        ("sume(order.lines)", "1:1", "unknown function 'sume'; did you mean 'sum'?", "write sum"),
        ("order.lines.map(l, l.itm)", "1:22", "unknown field 'itm' of OrderLine; did you mean 'item'?", "write item"),
        ("has(order.nope)", "1:11", "unknown field 'nope' of Order", None),
        ("order.number == 3", "1:14", "cannot compare a string with an int", ""),
        ("order.count > 1.5", "1:13", "cannot compare an int with a double", "write the int as a double: 3.0, or double(x)"),
        ("order.total > 5", "1:13", "cannot compare money with an int", 'write money("5000", "EUR"), or compare its amount'),
        ("order.total >\n  order.quantity", "1:13", "cannot compare money with a quantity", None),
        ("order.count > 1 &&\n  order.total + 1 == order.total", "2:15", "cannot add money and an int", 'write money("5000", "EUR")'),
        ("order.total * order.total", "1:13", "cannot multiply money and money", ""),
        ("order.total / 3", "1:13", "cannot divide money by an int", "write divide(a, b, digits): it says how to round"),
        ("order.weight > 2.5", "1:14", "cannot compare a decimal with a double", 'write the number exactly: decimal("0.19"); a field, declare as `decimal`'),
        ("order.number == null", "1:14", "cannot compare a string with nothing: it is always there", None),
        ("-order.number", "1:1", "cannot negate a string", ""),
        ("!order.count", "1:1", "! needs bools, this is an int", None),
        ("order.count && true", "1:13", "&& needs bools, this is an int", None),
        ("order.count ? 1 : 2", "1:13", "the condition before ? is an int, a bool is needed", ""),
        ("true ? 1 : 'a'", "1:6", "the two sides of : differ: an int and a string", ""),
        ("order.number.x", "1:13", "a string has no fields", ""),
        ("order.count.all(x, true)", None, "an int is no list", None),
        ("order.number[0]", None, "cannot look up an int in a string", ""),
        ("'a' in order", None, "cannot look for a string in an Order", "name a list, or a map"),
        ("max(order.lines.size(), 3)", None, "max does not take so many values", "it takes max(list(int)), max(list(double)), max(list(string)), max(list(money)), max(list(quantity)), max(list(decimal))"),
        ("divide(3, 4, 2)", None, "divide does not take an int and an int and an int", None),
        ("size(order)", None, "size does not take an Order", ""),
        ("order.count = 3", "1:13", "'=' means nothing here", "write =="),
        ("order.count > 3 and true", "1:17", "'and' does not belong here", "write &&"),
        ("1 +", "1:4", "the expression ends too early", ""),
        ("'abc", "1:1", "a string is not closed", "close its quotes"),
        ("", "1:1", "the expression is empty", ""),
        ("has(order)", None, "has() asks for a field", "write has(a.b)"),
        ("crossdock.Order{number: '1'}", None, None, None),
        ("b'abc'", None, "JSON has no bytes", None),
        ("99999999999999999999", None, "the number is too large for an int", None),
        ("date(order.due, 'Europe/Berln')", None, "unknown time zone 'Europe/Berln'", "write it as Europe/Berlin"),
        ("order.due.getHours('Berlin') > 3", None, "unknown time zone 'Berlin'", "write it as Europe/Berlin"),
        ("order.due > timestamp('2026-13-01T00:00:00Z')", None, "a string is not an instant such as 2026-11-23T10:00:00Z", None),
        ("order.due + duration('2 days') > order.due", None, "a string is not a duration such as 3600s", None),
        ("order.count > 1 / 0", None, "divide by zero", None),
        ("[1, 2][5]", None, "there is no item 5: the list has 2", None),
        ("order.number.matches('[A-Z')", None, "invalid regular expression: missing ]: [A-Z", None),
        ("int('x')", None, "cannot convert string to int", None),
        ("money('much', 'EUR')", None, "'much' is not a decimal", "write it as 12.50"),
        ("order.total > money(1, 'EURO')", None, "'EURO' is not an ISO 4217 currency code", "write it as EUR"),
        ("+".join(["order.count"] * 80), None, "the expression nests too deeply", "split it into several steps"),
        ("(" * 300 + "1" + ")" * 300, None, "the expression nests too deeply", "split it into several steps"),
        ("'" + "a" * 4000 + "'", None, "the expression has 4002 characters, at most 4000 are read", None),
    ],
)  # fmt: skip
def test_a_text_that_does_not_check_is_refused_in_plain_words_at_its_place(
    env: Environment, text: str, place: str | None, message: str | None, mend: str | None
) -> None:
    with pytest.raises(ExpressionError) as refused:
        env.compile(text)
    error = refused.value
    assert isinstance(error, Refused)
    if message is not None:
        assert error.message == message
    if mend is not None:
        assert error.mend == mend
    if place is not None:
        assert f"{error.line}:{error.column}" == place
    for foreign in ("_==_", "op_", "protobuf", "Record0", "overload", "INVALID", "<input>"):
        assert foreign not in str(error).replace(text, "")


def test_the_types_of_a_list_of_functions_are_checked_through_macros(env: Environment) -> None:
    with pytest.raises(ExpressionError, match="cannot compare a quantity with money"):
        env.compile("order.lines.exists(l, l.quantity > order.total)")


def test_an_environment_is_cheap_enough_for_one_per_step(env: Environment) -> None:
    made = [Environment(env.variables) for _ in range(50)]
    assert made[-1].compile("order.number").text == "order.number"


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("order.number", "string"),
        ("order.customer", "Customer"),
        ("order.lines", "list(OrderLine)"),
        ("order.lines.map(l, l.quantity)", "list(quantity)"),
        ("order.lines.map(l, {'item': l.item, 'n': l.quantity})", "list({item: string, n: quantity})"),
        ("order.lines.map(l, {'note': l.note})", "list({note?: string})"),
        ("order.total * 2", "money"),
        ("order.weight + 1", "decimal"),
        ("now - now", "duration"),
        ("now + days(1)", "timestamp"),
        ("order.rate * 2.0", "double"),
        ("order.labels", "map(string)"),
        ("event.data", "any"),
        ("packed(steps.picked.events)", "quantity"),
        ("order.count > 2 ? order.customer : null", "Customer"),
    ],
)
def test_the_type_of_an_expression_is_ours(env: Environment, text: str, type_: str) -> None:
    assert str(env.compile(text).type) == type_


@pytest.mark.parametrize(
    ("text", "nullable"),
    [
        ("order.number", False),
        ("order.customer", True),
        ("order.customer.id", True),
        ("order.lines", False),
        ("order.labels", False),
        ("default(order.customer.id, 'none')", False),
        ("order.customer != null ? order.customer.id : 'none'", False),
        ("has(order.customer.name) ? order.customer.name : 'none'", False),
        ("order.customer != null ? order.customer.name : 'none'", True),
        ("order.count > 1 ? order.due : now", True),
        ("null", True),
        ("event.data.k", False),
    ],
)
def test_an_expression_knows_whether_it_may_give_nothing(
    env: Environment, text: str, *, nullable: bool
) -> None:
    assert env.compile(text).nullable is nullable


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("order.number", {("order", "number")}),
        ("order.total > money('1', 'USD') && !steps.picked.output.ok",
         {("order", "total"), ("steps", "picked", "output", "ok")}),
        ("order.lines.map(l, l.item)", {("order", "lines")}),
        ("order.lines.map(order, order.item)", {("order", "lines")}),
        ("order.lines.map(order, order.quantity * 2)", {("order", "lines")}),
        ("order.lines[0].item", {("order", "lines")}),
        ("order.lines.exists(l, l.item == order.number)", {("order", "lines"), ("order", "number")}),
        ("has(order.customer.name)", {("order", "customer", "name")}),
        ("event.data['odd-key'].x", {("event", "data", "odd-key", "x")}),
        ("packed(steps.picked.events) >= order.quantity", {("steps", "picked", "events"), ("order", "quantity")}),
        ("now + days(1)", {("now",)}),
        ("order == order", {("order",)}),
        ("'order.number'", set()),
        ("type(order.count) == int", {("order", "count")}),
    ],
)  # fmt: skip
def test_paths_are_what_is_taken_from_outside(
    env: Environment, text: str, paths: set[tuple[str, ...]]
) -> None:
    assert env.compile(text).paths == paths
