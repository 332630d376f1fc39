"""What expressions come to, over plain JSON."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from order_values import ea, usd

from crossdock.expressions import (
    DOUBLE,
    DYN,
    INT,
    STRING,
    Environment,
    EvaluationError,
    Field,
    ListOf,
    MapOf,
    Record,
)

LATER = "2026-11-26T10:00:00Z"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        # paths: a field of nothing is nothing; an absent list or map reads as empty
        ("order.number", "SO-1"),
        ("order.customer.name", None),
        ("order.customer == null", True),
        ("order.customer.name == null", True),
        ("has(order.customer.name)", False),
        ("has(order.total)", True),
        ("order.lines[0].item", "A"),
        ("order.lines[0].tags", []),
        ("size(order.lines[0].tags)", 0),
        ("order.custom.a.b + 1", 2),
        ("order.custom.a.nothing == null", True),
        ("has(order.custom.a.c)", False),
        ("has(order.custom.x.c)", False),
        ("event.data.k > 0", True),
        ("event['data']['k']", 1),
        # the sum of nothing fits any, also where the types are not known
        ("divide(sum(order.lines.filter(l, false).map(l, l.quantity)), order.lines[0].quantity, 4)", "0.0000"),
        ("sum(event.data.items.filter(i, false).map(i, i.q)) < order.lines[0].quantity", True),
        ("sum(event.data.items.filter(i, false).map(i, i.q)) == order.lines[0].quantity * 0", True),
        ("[order.total, sum(event.data.items.filter(i, false).map(i, i.q))].exists(x, x == order.total)", True),
        # inside macros
        ("order.lines.map(l, l.note)", [None, "x"]),
        ("order.lines.map(l, l.packing.colour)", [None, None]),
        ("order.lines.map(l, l.packing.code)", [None, "c"]),
        ("order.lines.map(l, has(l.packing.code))", [False, True]),
        ("order.lines.map(l, size(l.tags))", [0, 1]),
        ("order.lines.filter(l, l.due == null).map(l, l.item)", ["B"]),
        ("order.lines.exists(l, l.due < now)", True),
        ("order.lines.map(l, l.due)", ["2026-01-01T00:00:00Z", None]),
        ("order.lines.exists(l, l.tags.exists(t, t == 't'))", True),
        ("order.lines.map(l, default(l.note, 'none'))", ["none", "x"]),
        ("event.data.items.map(i, i.n * 10)", [10, 20]),
        ("event.data.items.exists_one(i, i.n == 2)", True),
        # maps run over their keys in order
        ("order.labels.map(k, k + order.labels[k])", ["a2", "b3", "z1"]),
        ("{'c': 1, 'b': 2, 'a': 3}.map(k, k)", ["a", "b", "c"]),
        ("{'b': order.count, 'a': now}", {"a": "2026-11-23T10:00:00Z", "b": 3}),
        # time
        ("now", "2026-11-23T10:00:00Z"),
        ("now + days(3)", LATER),
        ("now + hours(1) - now", "3600s"),
        ("now + duration('1.5s') - now", "1.5s"),
        ("now - (now + minutes(1))", "-60s"),
        ("date(now, 'Pacific/Kiritimati')", "2026-11-24"),
        ("now in order.dates", True),
        ("timestamp('2026-11-23T10:00:00Z') in order.dates", True),
        ("order.dates.map(d, d + hours(1))", ["2026-11-23T11:00:00Z"]),
        ("now.getFullYear()", 2026),
        # numbers: integers stay integers, a double may be written as an integer in JSON
        ("order.count * 2", 6),
        ("order.rate * 1.5", 3.0),
        ("order.rate > 1.5", True),
        ("[order.rate][0] + 0.5", 2.5),
        # exact
        ("order.total >= money('5000', 'USD')", True),
        ("order.total == money('5000', 'USD')", True),
        ("order.total != money('5000', 'EUR')", True),
        ("order.total + order.total", usd("10000.00")),
        ("order.total * 3 - money(1, 'USD')", usd("14999.00")),
        ("order.total * decimal('0.19')", usd("950.0000")),
        ("round(order.total * decimal('0.19'), 2)", usd("950.00")),
        ("-order.total", usd("-5000.00")),
        ("order.total.amount > 4999", True),
        ("order.total.currency", "USD"),
        ("order.weight * 2 + decimal('0.1')", "5.1"),
        ("1 - order.weight", "-1.5"),
        ("divide(order.total, 3, 2)", usd("1666.67")),
        ("divide(order.total, money(3, 'USD'), 1)", "1666.7"),
        ("round(decimal('2.345'), 2)", "2.35"),
        ("round(decimal('-2.345'), 2)", "-2.35"),
        ("sum(order.lines.map(l, l.quantity)) == order.quantity", True),
        ("sum(order.lines.map(l, default(l.price, money(0, 'USD'))))", usd("10.50")),
        ("sum([1, 2, 3])", 6),
        ("sum([decimal('0.1'), decimal('0.2')])", "0.3"),
        ("sum(order.lines.filter(l, false).map(l, l.quantity)) < order.quantity", True),
        ("min(order.lines.map(l, l.quantity))", ea(4)),
        ("max([3, 5, 4])", 5),
        ("max(['a', 'c', 'b'])", "c"),
        ("order.lines.all(l, l.quantity > quantity(3, 'EA'))", True),
        ("order.lines.filter(l, l.quantity > quantity(5, 'EA')).map(l, l.item)", ["B"]),
        ("order.lines.exists_one(l, l.quantity > quantity(5, 'EA'))", True),
        ("order.lines.filter(l, l.price != null).map(l, l.price * 2)", [usd("21.00")]),
        ("order.lines.map(l, l.quantity > quantity(5, 'EA'), l.item)", ["B"]),
        ("order.lines.all(l, order.lines.exists(m, m.quantity >= l.quantity))", True),
        ("money('10.0', 'EUR') in [money(10, 'EUR')]", True),
        ("text(order.total) + ', ' + text(order.quantity)", "5000.00 USD, 10 EA"),
        # what events report
        ("packed(steps.picked.events) >= order.quantity", True),
        ("packed(steps.picked.events)", ea("10.0")),
        ("packed([]) >= order.quantity", False),
        ("packed([]) == quantity(0, 'EA')", True),
        ("delivered([{'shipment': {'lines': [{'quantity': {'value': '3', 'unit': 'EA'}}]}}])", ea(3)),
        ("picked([{'packages': [{'contents': [{'quantity': {'value': '2', 'unit': 'EA'}}]}]}])", ea(2)),
        # strings
        ("'%s-%d'.format([order.number, order.count])", "SO-1-3"),
        ("order.number.split('-')", ["SO", "1"]),
        ("order.number.startsWith('SO') && order.number.matches('^SO-[0-9]+$')", True),
        # a side that fails does not matter if the other decides
        ("order.custom.nope > 1 || true", True),
        ("order.custom.nope == 'x' || order.count == 3", True),
        ("false && order.total > money(1, 'EUR')", False),
        ("order.total > money(1, 'EUR') && false", False),
        ("order.count > 1 || order.total > money(1, 'EUR')", True),
        ("has(order.custom.nope) ? order.custom.nope : 'none'", "none"),
        ("order.count == 3 ? order.total : order.total + money(1, 'EUR')", usd("5000.00")),
        ("order.lines.exists(l, l.price > money(1, 'EUR') || l.item == 'B')", True),
        # a macro's variable hides what is outside
        ("order.lines.map(order, order.item)", ["A", "B"]),
        ("order.lines.map(now, now.quantity * 1)", [ea(4), ea(6)]),
    ],
)  # fmt: skip
def test_an_expression_comes_to(env: Environment, values: dict[str, Any], text: str, result: object) -> None:
    found = env.compile(text).evaluate(values)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("order.total > money(1, 'EUR')", "cannot compare USD and EUR"),
        ("order.total + money(1, 'EUR')", "cannot add USD and EUR"),
        ("order.quantity > quantity(1, 'KGM')", "cannot compare EA and KGM"),
        ("order.customer.name + 'x'", "cannot add nothing and a string"),
        ("order.customer.name < 'x'", "cannot compare nothing with the string 'x'"),
        ("order.due < now", "cannot compare nothing with a timestamp"),
        ("order.lines.all(l, l.price > money(1, 'USD'))",
         "money, a quantity or a decimal is needed, not nothing"),
        ("order.custom.nope", "order.custom.nope is missing"),
        ("order.custom.nope + 1", "order.custom.nope is missing"),
        ("order.custom.nope.deeper", "order.custom.nope is missing"),
        ("order.custom.a.b.c", "order.custom.a.b is an int, it has no 'c'"),
        ("event.data.k.x + 1", "event.data.k is an int, it has no 'x'"),
        ("event.data.k + 'x'", "cannot add an int and a string"),
        ("event.data.k && true", "a bool is needed, not an int"),
        ("event.data.items.map(i, i.m)", "i.m is missing"),
        ("event.data.k.map(i, i)", "a list is needed, not an int"),
        ("order.lines[5].item", "order.lines[5] is missing"),
        ("order.lines.filter(l, l.item == 'B')[3]", "there is no item 3: the list has 1"),
        ("order.count / 0", "divide by zero"),
        ("order.count + 9223372036854775807", "integer overflow"),
        ("timestamp(order.number) < now", "a string is not an instant such as 2026-11-23T10:00:00Z"),
        ("min(order.lines.filter(l, false).map(l, l.quantity))", "the least of an empty list is asked for"),
        ("date(now, 'Mars/' + event.type)", "unknown time zone 'Mars/x'"),
        ("packed([{'note': 'x'}])", "event 0 reports no quantity"),
        ("packed([{'quantity': {'value': 1.5, 'unit': 'EA'}}])", "a decimal is needed, not a number with a fraction"),
        ("event.data.items[0] > order.total", "money or a quantity is needed, this map is neither"),
        ("order.weight * decimal('1e50') + decimal('1e-20')", "the result does not fit into 60 digits exactly"),
        ("days(event.type) > duration('1s')", "an int is needed, not the string 'x'"),
        ("money(event.data.k, event.data.k)", "a string is needed, not an int"),
        ("sum(event.data) > 1", "a list is needed, not a map"),
        ("min(event.type) > 1", "a list is needed, not the string 'x'"),
        ("round(order.total, event.type)", "an int is needed, not the string 'x'"),
        ("date(now, event.data.k)", "a string is needed, not an int"),
        ("packed(event.type)", "a list is needed, not the string 'x'"),
        ("decimal('1e' + string(order.count * 1000000))",
         "the number has more than 60 digits before or after the point"),
        ("text(order.customer.name)", "nothing cannot stand in a text"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused_by_name(
    env: Environment, values: dict[str, Any], text: str, message: str
) -> None:
    with pytest.raises(EvaluationError) as refused:
        env.compile(text).evaluate(values)
    assert refused.value.message == message
    assert refused.value.text == text
    assert text in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "l.all(a, l.all(b, l.all(c, a + b + c >= 0)))",
        "l.all(a, l.all(b, l.all(c, decimal(a) + b + c >= decimal(0))))",
        "l.map(a, l.map(b, l.map(c, [a, b, c])))",
    ],
)
def test_an_expression_that_runs_away_is_ended(text: str) -> None:
    env = Environment({"l": ListOf(INT)})
    with pytest.raises(EvaluationError, match="takes too many steps"):
        env.compile(text).evaluate({"l": list(range(300))})


class Lazy(Mapping[str, object]):
    """Fails when anything but one key is touched."""

    def __init__(self, **known: object) -> None:
        self._known = known
        self.read: list[str] = []

    def __getitem__(self, key: str) -> object:
        self.read.append(key)
        return self._known[key]

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("nobody may list me")

    def __len__(self) -> int:
        raise AssertionError("nobody may count me")


def test_only_what_an_expression_names_is_read(env: Environment, values: dict[str, Any]) -> None:
    picked = Lazy(**values["steps"]["picked"])
    lazy = Lazy(order=values["order"], steps=Lazy(picked=picked), now=values["now"])
    text = "order.lines.all(l, l.quantity > quantity(3, 'EA')) && steps.picked.output.ok && order.rate > 1.0"
    assert env.compile(text).evaluate(lazy) is True
    assert set(lazy.read) == {"order", "steps"}
    assert set(picked.read) == {"output"}


def test_a_variable_that_is_not_given_is_named(env: Environment) -> None:
    with pytest.raises(EvaluationError, match="there is no 'order' here"):
        env.compile("order.number").evaluate({})


def test_a_string_that_looks_like_an_error_is_a_string() -> None:
    env = Environment({"s": STRING})
    assert (
        env.compile("s + ''").evaluate({"s": 'NOT_FOUND: Key not found in map : "a"'}).startswith("NOT_FOUND")
    )


def test_fields_that_protobuf_cannot_name_do_no_harm() -> None:
    record = Record(
        "Odd",
        {
            "odd-key": Field(STRING),
            "a_b": Field(MapOf(INT)),
            "package": Field(STRING),
            "x": Field(ListOf(ListOf(INT))),
        },
    )
    env = Environment({"odd": record, "any": DYN})
    values = {
        "odd": {"odd-key": "1", "a_b": {"k": 2}, "package": "p", "x": [[1], [2, 3]]},
        "any": {"odd-key": 3},
    }
    assert env.compile("odd.package + '!'").evaluate(values) == "p!"
    assert env.compile("odd.a_b['k'] + odd.a_b.k").evaluate(values) == 4
    assert env.compile("odd.x.map(y, size(y))").evaluate(values) == [1, 2]
    assert env.compile("any['odd-key'] + 1").evaluate(values) == 4


def test_records_may_contain_themselves() -> None:
    fields: dict[str, Field] = {"name": Field(STRING)}
    node = Record("Node", fields)
    fields["children"] = Field(ListOf(node), optional=True)
    fields["parent"] = Field(node, optional=True)
    env = Environment({"node": node})
    values = {"node": {"name": "a", "children": [{"name": "b", "children": [{"name": "c"}]}]}}
    text = "node.children.map(x, x.children.map(y, y.name + node.name))"
    assert env.compile(text).evaluate(values) == [["ca"]]
    assert env.compile("node.parent.parent.name").evaluate(values) is None


def test_results_do_not_depend_on_the_process(env: Environment) -> None:
    code = (
        "import json; from crossdock.expressions import *;"
        'e = Environment({\'m\': MapOf(INT)}).compile(\'{"keys": m.map(k, k), "all": [m, {"y": 1, "x": size(m)}]}\');'
        "print(json.dumps(e.evaluate({'m': {c: 1 for c in 'qwertzuiop'}})))"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout for _ in range(3)
    }
    assert len(runs) == 1


def test_nulls_do_not_wear_out_and_memory_stays() -> None:
    code = """
import gc, resource
from crossdock.expressions import *
env = Environment({"m": ListOf(DYN), "q": ListOf(QUANTITY)})
nulls = env.compile("m.map(x, x.a)")
sums = env.compile("q.all(x, x > quantity(0, 'EA')) && sum(q.filter(x, x.unit == 'EA')) > quantity(1, 'EA')")
values = {"m": [{"a": None}] * 50, "q": [{"value": str(n + 1), "unit": "EA"} for n in range(20)]}
def run(n):
    for _ in range(n):
        assert nulls.evaluate(values) == [None] * 50
        assert sums.evaluate(values) is True
run(300)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
run(2000)
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2000
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("default(event.s.y.z, 5)", 5),
        ("default(event.nothing.y, 5)", 5),
        ("default(event.list[3], 5)", 5),
        ("default(event.list[size(event.list)], 5)", 5),
        ("event.list.map(i, default(event.s.y.z, i))", [1]),
        ("default(default(event.a.b, event.c.d), 5)", 5),
        ("size(default(event.f.g, []))", 0),
        ("default(event.s.there, 5)", 7),
    ],
)
def test_a_default_stands_in_for_what_is_not_there_at_all(text: str, result: Any) -> None:
    env = Environment({"event": DYN})
    values = {"event": {"s": {"there": 7}, "nothing": None, "list": [1], "word": "hi"}}
    assert env.compile(text).evaluate(values) == result


def test_a_default_hides_no_other_mistake() -> None:
    values = {"event": {"word": "hi", "n": 1}}
    for text in ("default(event.word.y, 5)", "default(event.n / 0, 5)", "default(event.a.b, event.c.d)"):
        with pytest.raises(EvaluationError):
            Environment({"event": DYN}).compile(text).evaluate(values)


@pytest.mark.parametrize("text", ["1.0 / x", "0.0 / x", "[1.0 / x]", "{'a': -1.0 / x}"])
def test_what_is_no_number_is_no_result(text: str) -> None:
    with pytest.raises(EvaluationError, match="the result is not a number"):
        Environment({"x": DOUBLE}).compile(text).evaluate({"x": 0.0})
    assert Environment({"x": DOUBLE}).compile("1.0 / x > 5.0").evaluate({"x": 0.0}) is True


@pytest.mark.parametrize(
    "text",
    [
        "xs.map(x, x.id)",
        "xs.filter(x, x.n != 7)",
        "xs.filter(x, x.n > 2).map(x, x.id + '!')",
        "xs.map(x, x.n + 1)",
    ],
)
def test_a_list_of_ten_thousand_is_gone_over_in_time_that_grows_with_its_length(text: str) -> None:
    item = Record("Item", {"id": Field(STRING), "n": Field(INT)})
    expression = Environment({"xs": ListOf(item)}).compile(text)

    def seconds(count: int) -> float:
        values = {"xs": [{"id": f"i{n}", "n": n} for n in range(count)]}
        began = time.process_time()
        assert len(expression.evaluate(values)) >= count - 3
        return time.process_time() - began

    assert seconds(10_000) < 30 * max(seconds(1_000), 0.002)
