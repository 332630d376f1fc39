from __future__ import annotations

from typing import Any

import pytest
from order_values import usd

from crossdock.expressions import Environment, EvaluationError, ExpressionError, assignable, parse_type


@pytest.mark.parametrize(
    ("template", "type_", "result"),
    [
        ("${ order.total }", "money", usd("5000.00")),
        ("  ${order.count}  ", "int", 3),
        ("Order ${ order.number } of ${ order.total }", "string", "Order SO-1 of 5000.00 USD"),
        ("${ order.number }-${ order.count }", "string", "SO-1-3"),
        ("plain", "string", "plain"),
        ("costs $5 and $${ literal }", "string", "costs $5 and ${ literal }"),
        ("${ {'a': {'b': '}'}}.a.b }", "string", "}"),
        ("${ 'it is ${not} one' }", "string", "it is ${not} one"),
        ('${ "a\\"}" + order.number }', "string", 'a"}SO-1'),
        ("${ 1 // a comment with }\n + 1 }", "int", 2),
        (3, "int", 3),
        (True, "bool", True),
        (None, "any", None),
        (["${ order.count }", "${ order.count + 1 }"], "list(int)", [3, 4]),
        (["${ order.count }", "a"], "list(any)", [3, "a"]),
        (
            {
                "order": "${ order.number }",
                "note": "${ order.customer.name }",
                "fixed": None,
                "deep": {"n": 1},
            },
            "{order: string, note?: string, fixed?: any, deep: {n: int}}",
            {"order": "SO-1", "fixed": None, "deep": {"n": 1}},
        ),
    ],
)
def test_a_template_comes_to(
    env: Environment, values: dict[str, Any], template: object, type_: str, result: object
) -> None:
    compiled = env.template(template)
    assert str(compiled.type) == type_
    assert compiled.evaluate(values) == result


def test_a_template_knows_all_paths(env: Environment) -> None:
    template = env.template(
        {"a": "${ order.number }", "b": ["x ${ steps.picked.output.ok }", {"c": "${ now }"}]}
    )
    assert template.paths == {("order", "number"), ("steps", "picked", "output", "ok"), ("now",)}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("${ order.number", "the expression is not closed"),
        ("a ${ order.lines } b", "list(OrderLine) cannot stand inside a text"),
        ("a ${ order.customer } b", "Customer cannot stand inside a text"),
        ({"a": ["${ order.numbr }"]}, "unknown field 'numbr' of Order; did you mean 'number'?"),
        ("${}", "the expression is empty"),
    ],
)
def test_a_template_that_does_not_check_is_refused(env: Environment, template: object, message: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        env.template(template)
    assert refused.value.message == message


def test_nothing_does_not_become_text(env: Environment, values: dict[str, Any]) -> None:
    with pytest.raises(EvaluationError, match="nothing cannot stand in a text"):
        env.template("for ${ order.customer.name }").evaluate(values)


def test_input_is_checked_against_what_an_operation_wants(env: Environment) -> None:
    wanted = parse_type({"customer": "string", "amount": "money", "note?": "string"})
    good = {"customer": "${ order.number }", "amount": "${ order.total }", "note": "${ order.customer.name }"}
    assert assignable(env.template(good).type, wanted) is None
    cases = {
        "amount: money is needed, this is a quantity": {**good, "amount": "${ order.quantity }"},
        "amount: missing; money is needed": {"customer": "x"},
        "customer: may be nothing where a value is needed; give a fallback: default(..., ...)": {
            **good,
            "customer": "${ order.customer.name }",
        },
        "{customer: string, amount: money, note?: string} has no field 'nte'; did you mean 'note'?": {
            **good,
            "nte": "x",
        },
    }
    for message, template in cases.items():
        assert assignable(env.template(template).type, wanted) == message
