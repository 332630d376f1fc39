"""Money reckons as Decimal does; rewriting an expression, or running it outside CEL, does not change what it means."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock.expressions import DECIMAL, DYN, INT, MONEY, STRING, Environment, EvaluationError, ListOf
from crossdock.expressions.check.rewrite import rewrite

ENV = Environment(
    {
        "a": INT,
        "b": INT,
        "c": INT,
        "l": ListOf(INT),
        "s": STRING,
        "t": STRING,
        "x": MONEY,
        "y": MONEY,
        "d": DECIMAL,
    }
)
LOOSE = Environment({"a": DYN, "b": DYN, "c": DYN, "s": DYN, "t": DYN})
SUM, DIFFERENCE, PRODUCT, SCALED = (ENV.compile(t) for t in ("x + y", "x - y", "x * a", "x * d"))
ORDER = {text: ENV.compile(f"x {text} y") for text in ("<", "<=", ">", ">=", "==", "!=")}
TOTAL = ENV.compile("sum([x, y, x])")
amounts = st.decimals(min_value=-(10**12), max_value=10**12, places=4, allow_nan=False)
ints = st.integers(min_value=-(10**6), max_value=10**6)


def eur(amount: Decimal) -> dict[str, str]:
    return {"amount": format(amount, "f"), "currency": "EUR"}


@given(amounts, amounts, ints, amounts)
def test_money_reckons_as_decimals_do(x: Decimal, y: Decimal, n: int, d: Decimal) -> None:
    values: dict[str, Any] = {"x": eur(x), "y": eur(y), "a": n, "d": str(d)}
    with localcontext(Context(prec=100)):
        assert Decimal(SUM.evaluate(values)["amount"]) == x + y
        assert Decimal(DIFFERENCE.evaluate(values)["amount"]) == x - y
        assert Decimal(PRODUCT.evaluate(values)["amount"]) == x * n
        assert Decimal(SCALED.evaluate(values)["amount"]) == x * d
        assert Decimal(TOTAL.evaluate(values)["amount"]) == x + y + x
        for text, compiled in ORDER.items():
            assert compiled.evaluate(values) is eval(f"x {text} y", {"x": x, "y": y})


@st.composite
def arithmetic(draw: st.DrawFn, depth: int = 3) -> str:
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(["a", "b", "c", "1", "-7", "l[0]", "size(s)", "(a)"]))
    left, right = draw(arithmetic(depth - 1)), draw(arithmetic(depth - 1))
    form = draw(st.sampled_from(["{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} / {1}", "{0} % {1}", "({0}) * ({1})",
                                 "-({0})", "{0} > {1} ? {0} : {1}", "l.map(i, i + {0})[0]"]))  # fmt: skip
    text = form.format(left, right)
    return f"({text})" if draw(st.booleans()) or "?" in text else text


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    if depth == 0:
        sign = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
        if draw(st.booleans()):
            return f"s {sign} t" if draw(st.booleans()) else f'"a)(" {sign} t'
        return f"{draw(arithmetic(1))} {sign} {draw(arithmetic(1))}"
    left, right = draw(conditions(depth - 1)), draw(conditions(depth - 1))
    form = draw(
        st.sampled_from(["{0} && {1}", "{0} || {1}", "!({0})", "({0}) == ({1})", "a in [b, c] || {0}"])
    )
    return form.format(left, right)


def outcome(text: str, values: dict[str, Any], env: Environment = ENV) -> Any:
    try:
        return env.compile(text).evaluate(values)
    except EvaluationError:
        return "refused"


@settings(max_examples=150, deadline=None)
@given(st.one_of(arithmetic(), conditions()), ints, ints, ints, st.text(max_size=3), st.text(max_size=3))
def test_rewriting_the_operators_keeps_the_meaning(text: str, a: int, b: int, c: int, s: str, t: str) -> None:
    values = {"a": a, "b": b, "c": c, "l": [a, b], "s": s, "t": t}
    rewritten = rewrite(text)
    assert rewritten is not None
    assert outcome(rewritten.text, values) == outcome(text, values)


plain = st.one_of(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["a", "b", "3"])),
    st.tuples(st.sampled_from(["s", "t"]), st.sampled_from(["s", "t", "'m'"])),
)


@st.composite
def plain_conditions(draw: st.DrawFn, depth: int = 2) -> str:
    if depth == 0:
        left, right = draw(plain)
        return f"{left} {draw(st.sampled_from(['<', '<=', '>', '>=', '==', '!=']))} {right}"
    left, right = draw(plain_conditions(depth - 1)), draw(plain_conditions(depth - 1))
    return draw(st.sampled_from(["{0} && {1}", "{0} || {1}", "!({0})", "({0} ? {1} : {0})"])).format(
        left, right
    )


@settings(max_examples=150, deadline=None)
@given(
    plain_conditions(),
    st.integers(0, 4),
    st.integers(0, 4),
    st.text(alphabet="lmn😀é", max_size=2),
    st.text(alphabet="lmn", max_size=2),
)
def test_what_python_decides_is_what_cel_decides(text: str, a: int, b: int, s: str, t: str) -> None:
    values = {"a": a, "b": b, "s": s, "t": t, "c": None}  # a null, so that some sides fail
    in_python, in_cel = outcome(text, values), outcome(text, values, LOOSE)
    assert in_python == in_cel


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader(text: str) -> None:
    found = rewrite(text)
    if found is not None:
        for offset in range(len(found.text) + 1):
            assert 0 <= found.source(offset) <= len(text)
