"""CEL's messages in our words: no operators with underscores, no protobuf names; with the likely mend."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crossdock.expressions.check.messages import Messages
from crossdock.expressions.check.rewrite import Rewritten
from crossdock.expressions.errors import EvaluationError, ExpressionError, Missing
from crossdock.expressions.functions import FUNCTIONS
from crossdock.expressions.types import Record

_MOST_TAKEN = 6  # forms of a function that a mend lists
_RAW = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_OVERLOAD = re.compile(r"found no matching overload for '([^']+)' applied to '(.*)'")
_FIELD = re.compile(r"undefined field '([^']+)' not found in struct '([^']+)'")
_UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")
_OPERAND = re.compile(r"expression of type '([^']+)' cannot be the operand of a select operation")
_RANGE = re.compile(r"expression of type '([^']+)' cannot be the range of a comprehension")
_RESERVED = re.compile(r"reserved identifier: (\w+)")
_SYNTAX = re.compile(r"Syntax error: (.*)")
_RUNTIME = re.compile(r"No matching overloads found : (?:\(([^()]*)\)\.)?([^ (]+)(?:\((.*)\))?$")
_UNBOUND = re.compile(r'No value with name "([^"]+)" found in Activation')
_VERBS = {
    "<": "compare",
    "<=": "compare",
    ">": "compare",
    ">=": "compare",
    "==": "compare",
    "!=": "compare",
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "%": "divide",
}
_OPERATORS = {
    "op_lt": "<",
    "op_le": "<=",
    "op_gt": ">",
    "op_ge": ">=",
    "op_eq": "==",
    "op_ne": "!=",
    "op_add": "+",
    "op_sub": "-",
    "op_mul": "*",
    "op_div": "/",
    "op_mod": "%",
    "op_neg": "-",
}
_WORDS = {
    "int64": "int",
    "uint64": "uint",
    "null_type": "nothing",
    "null": "nothing",
    "dyn": "any",
    "google.protobuf.Timestamp": "timestamp",
    "google.protobuf.Duration": "duration",
    "google.protobuf.Value": "any",
}
# What other languages call it.
_ELSEWHERE = {
    "len": "size(x)",
    "length": "size(x)",
    "count": "size(x)",
    "any": "x.exists(i, i > 1)",
    "lower": "x.lowerAscii()",
    "upper": "x.upperAscii()",
    "str": "string(x), or text(x) of money and quantities",
    "float": "decimal(x), which is exact",
    "coalesce": "default(x, y)",
    "isnull": "x == null",
    "date_add": "now + hours(2)",
    "None": "null",
    "nil": "null",
    "undefined": "null",
    "True": "true",
    "False": "false",
    **dict.fromkeys(
        ("days_between", "daysBetween", "datediff", "date_diff", "diff", "duration_between"),
        "a - b, which is a duration: a - b > days(3), or (a - b).getHours() / 24 for whole days",
    ),
    "today": 'date(now, "Europe/Berlin")',
}
_MOST_NAMED = 20  # names that a mend lists; of more, those that are most alike
_PLAIN_WORDS = {
    "and": "write &&",
    "or": "write ||",
    "not": "write !",
    "is": "write ==",
    "if": "write condition ? this : else_that",
    "then": "write condition ? this : else_that",
}
_FIELDLESS = {
    "list(": "name one item, as x[0], or go over them: x.map(i, i.id), x.exists(i, i.n > 1)",
    "Timestamp": "ask x.getHours(), x.getDayOfWeek(), or date(x, zone)",
}
_MEASURED = {"money": 'write money("5000", "EUR")', "quantity": 'write quantity(10, "EA")'}
# What stands before and at the place where the syntax breaks, and what is written instead.
_SLIPS = (
    (
        r"[0-9]\s*",
        r"(ms|s|sec|m|min|h|d|w|hours?|minutes?|days?)\b",
        "write hours(2), minutes(30) or days(1)",
    ),
    (r"\bnot\s+", r"[\w(]", "write !"),
    (r"", r"not\s+in\b", "write !(x in y)"),
    (r"\bin\s*\([^()]*", r",", "write a list: ['a', 'b']"),
    (r"<", r">", "write !="),
    (r"", r"=>|->", "to go over a list, write x.map(i, i.id)"),
    (r"\?", r"[.?]", "write default(x, y)"),
    (r"", r"\?\?", "write default(x, y)"),
    (r"", r"\$", "leave ${ } out: it is an expression already"),
)
_FORMS = {
    "timestamp": "an instant such as 2026-11-23T10:00:00Z",
    "duration": "a duration such as 3600s",
}


@dataclass(frozen=True, slots=True)
class Names:
    """What an expression could have meant."""

    variables: Iterable[str]
    functions: Iterable[str]
    messages: Messages


def is_about_operators(raw: str) -> bool:
    """Whether rewriting the operators could mend what the checker says."""
    return any(
        _operator(found.group(1)) is not None for found in map(_OVERLOAD.search, raw.splitlines()) if found
    )


def refused(text: str, raw: str, names: Names, rewritten: Rewritten | None) -> ExpressionError:
    """The error for what the checker says about `text`, or about the text it was rewritten to."""
    found = _RAW.search(raw)
    if found is None:
        deep = "depth" in raw or "recursion" in raw
        message = "the expression nests too deeply" if deep else _trimmed(raw)
        return ExpressionError(message, text=text, mend="split it into several steps" if deep else "")
    checked = rewritten.text if rewritten else text
    lines = checked.split("\n")
    line = min(int(found.group(1)), len(lines))
    offset = sum(len(earlier) + 1 for earlier in lines[: line - 1]) + int(found.group(2)) - 1
    offset = min(rewritten.source(offset) if rewritten else offset, len(text))
    message, mend = _worded(found.group(3), names, text, offset)
    offset = _at_name(found.group(3), text, offset)
    before = text[:offset]
    return ExpressionError(
        message,
        text=text,
        line=before.count("\n") + 1,
        column=offset - (before.rfind("\n") + 1) + 1,
        mend=mend,
    )


def _at_name(raw: str, text: str, offset: int) -> int:
    """Where the name stands that is meant: CEL points at the dot or the parenthesis beside it."""
    if found := _FIELD.search(raw):
        named = re.compile(rf"\.\s*{re.escape(found.group(1))}\b").search(text, offset)
        return named.end() - len(found.group(1)) if named else offset
    if _UNDECLARED.search(raw) and text[offset : offset + 1] in (".", "("):
        before = re.search(r"[A-Za-z_][A-Za-z0-9_]*(?:\s*\.\s*[A-Za-z_][A-Za-z0-9_]*)*\s*$", text[:offset])
        if before and text[offset] == ".":
            return before.start()
        return offset - len(re.split(r"[^A-Za-z0-9_]", text[:offset].rstrip())[-1])
    return offset


def _worded(raw: str, names: Names, text: str, offset: int) -> tuple[str, str]:
    if found := _FIELD.search(raw):
        record = names.messages.fields(found.group(2))
        owner = record.name if record and record.name else "this record"
        return _unknown(
            f"field {found.group(1)!r} of {owner}", found.group(1), record.fields if record else ()
        )
    if found := _UNDECLARED.search(raw):
        name = found.group(1).split(".")[0]
        if text[offset : offset + 1] == "(" or name.startswith("op_"):
            if name in names.variables:
                return f"{name!r} is no function", f"write {name}"
            if name in names.functions:
                if text[:offset].rstrip().endswith((f".{name}", ".")):
                    return f"{name!r} is no function of what stands before it", f"write {name}(...)"
                return f"{name} does not take so many values", _takes(name)
            return _unknown(f"function {name!r}", name, names.functions)
        if re.search(rf"\(([^(),]*,)?\s*{re.escape(name)}\s*(,|=>|->)", text):
            return f"unknown name {name!r}", "to go over a list, write x.exists(i, ...), all, filter or map"
        return _unknown(f"name {name!r}", name, names.variables)
    if found := _OVERLOAD.search(raw):
        return _overload(found.group(1), _split(found.group(2)), names.messages)
    if found := _OPERAND.search(raw):
        said = f"{_article(_word(found.group(1), names.messages))} has no fields"
        if re.match(r"\s*\.?\s*(length|count|size)\b(?!\s*\()", text[offset:]):
            return said, "write size(x)"
        return said, next((mend for kind, mend in _FIELDLESS.items() if kind in found.group(1)), "")
    if found := _RANGE.search(raw):
        kind = _article(_word(found.group(1), names.messages))
        return f"{kind} is no list", "use all, exists, filter and map on lists and maps"
    if found := _SYNTAX.search(raw):
        return _syntax(found.group(1), text, offset)
    if found := _RESERVED.search(raw):
        return f"{found.group(1)!r} does not belong here", _PLAIN_WORDS.get(found.group(1), "")
    if "has() argument" in raw:
        return "has() asks for a field", "write has(a.b)"
    if "invalid int literal" in raw:
        return "the number is too large for an int", 'write decimal("...")'
    return _trimmed(raw), ""


def _unknown(what: str, name: str, known: Iterable[str]) -> tuple[str, str]:
    known = [other for other in known if not other.startswith("@")]
    close = difflib.get_close_matches(name, known, 1, 0.7)
    if name in _ELSEWHERE and not (close and what.startswith("field")):
        return f"unknown {what}", f"write {_ELSEWHERE[name]}"
    if close:
        return f"unknown {what}; did you mean {close[0]!r}?", f"write {close[0]}"
    alike = difflib.get_close_matches(name, known, _MOST_NAMED, 0) if len(known) > _MOST_NAMED else known
    listed = ", ".join([*sorted(alike), *(["and others"] if len(known) > _MOST_NAMED else [])])
    return f"unknown {what}", f"there is: {listed}" if listed else ""


def _overload(function: str, types: list[str], messages: Messages) -> tuple[str, str]:
    words = [_word(type_, messages) for type_ in types]
    operator = _operator(function)
    if function == "_?_:_":
        if words[0] != "bool":
            return f"the condition before ? is {_article(words[0])}, a bool is needed", ""
        return f"the two sides of : differ: {_article(words[1])} and {_article(words[2])}", ""
    if function in ("_&&_", "_||_", "!_"):
        wrong = next((word for word in words if word not in ("bool", "any")), words[0])
        return f"{function.strip('_')} needs bools, this is {_article(wrong)}", "compare it with something"
    if function == "_[_]":
        record = isinstance(messages.types.get(types[0]), Record)
        mend = "name the field after a dot" if record and words[1] == "string" else ""
        return f"cannot look up {_article(words[1])} in {_article(words[0])}", mend
    if function == "@in":
        mend = "write x.contains('...')" if words[1] == "string" else "name a list, or a map"
        return f"cannot look for {_article(words[0])} in {_article(words[1])}", mend
    if operator is not None:
        return _operation(operator, words)
    return f"{function} does not take {_listed(words)}", _takes(function)


def _takes(name: str) -> str:
    """What a function of ours takes."""
    found = next((one for one in FUNCTIONS if one.name == name), None)
    if found is None:
        return ""
    taken = [f"{name}({', '.join(str(param) for param in one.params)})" for one in found.overloads]
    more = ", ..." if len(taken) > _MOST_TAKEN else ""
    return f"it takes {', '.join(taken[:_MOST_TAKEN])}{more}"


def _operation(operator: str, words: list[str]) -> tuple[str, str]:
    if len(words) == 1:
        return f"cannot negate {_article(words[0])}", ""
    verb = _VERBS[operator]
    between = {"add": "and", "subtract": "and", "multiply": "and", "divide": "by"}.get(verb, "with")
    message = f"cannot {verb} {_article(words[0])} {between} {_article(words[1])}"
    exact = {"money", "quantity", "decimal"} & set(words)
    if "nothing" in words and verb == "compare":
        return f"{message}: it is always there", "leave the comparison out"
    if verb == "divide" and exact:
        return message, "write divide(a, b, digits): it says how to round"
    numbers = {"int", "double", "decimal"} & set(words)
    for kind, mend in _MEASURED.items():
        if kind in words and numbers and verb in ("compare", "add", "subtract"):
            return (
                message,
                f"{mend}, or compare its {'amount' if kind == 'money' else 'value'}"
                if verb == "compare"
                else mend,
            )
    if exact and "double" in words:
        return message, 'write the number exactly: decimal("0.19"); a field, declare as `decimal`'
    if verb == "add" and all(word.startswith("list of ") for word in words):
        return message, "make them alike: x.map(i, i.id) + y.map(i, i.id), or dyn(x) + y"
    if "decimal" in words and "string" in words:
        return message, 'write decimal("0")'
    if "timestamp" in words and numbers:
        return message, "write hours(2), minutes(30) or days(1)"
    if verb == "add" and "string" in words and numbers:
        return message, "write string(x)"
    if set(words) == {"int", "double"}:
        return message, "write the int as a double: 3.0, or double(x)"
    return message, ""


def _operator(function: str) -> str | None:
    plain = _OPERATORS.get(function, function.strip("_"))
    return plain if plain in _VERBS else None


def _syntax(raw: str, text: str, offset: int) -> tuple[str, str]:
    message, mend = _broken(raw)
    before, after = text[:offset], text[offset:]
    for earlier, here, other in _SLIPS:
        if re.search(f"(?:{earlier})$", before) and re.match(here, after):
            return message, other
    return message, mend


def _broken(raw: str) -> tuple[str, str]:
    if "<EOF>' expecting" in raw or "input '<EOF>'" in raw:
        return "the expression ends too early", ""
    if found := re.search(r"token recognition error at: '(.*)'", raw):
        token = found.group(1).strip()
        if token[:1] in "\"'" and token:
            return "a string is not closed", "close its quotes"
        mend = "write ==" if token.startswith("=") else "write &&" if token.startswith("&") else ""
        mend = "write ||" if token.startswith("|") else mend
        return f"{token!r} means nothing here", mend
    if found := re.search(r"(?:mismatched|extraneous|no viable alternative at) input '(.*?)'", raw):
        token = found.group(1)
        mend = _PLAIN_WORDS.get(token, "")
        return f"{token!r} does not belong here", mend
    return "this is not an expression", ""


def _split(types: str) -> list[str]:
    """The types between the parentheses, at their outermost commas."""
    inner = types[1:-1] if types.startswith("(") and types.endswith(")") else types
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(inner):
        depth += (sign in "(<") - (sign in ")>")
        if sign == "," and depth == 0:
            parts.append(inner[start:place].strip())
            start = place + 1
    parts.append(inner[start:].strip())
    return [part for part in parts if part]


def _word(raw: str, messages: Messages) -> str:
    for outer, word in (("wrapper(", ""), ("list(", "list of "), ("map(", "map of ")):
        if raw.startswith(outer) and raw.endswith(")"):
            inner = _split(raw[len(outer) - 1 :])
            return word + _word(inner[-1], messages) if word else _word(inner[0], messages)
    if raw in _WORDS:
        return _WORDS[raw]
    found = messages.types.get(raw)
    if isinstance(found, Record):
        return found.name or "record"
    return str(found) if found is not None else raw


def _article(word: str) -> str:
    if word in ("money", "nothing", "any"):
        return {"any": "anything"}.get(word, word)
    return f"an {word}" if word[0] in "aeiouAEIOU" and not word.startswith("u") else f"a {word}"


def _listed(words: list[str]) -> str:
    articled = [_article(word) for word in words]
    return " and ".join(articled) if articled else "no arguments"


def _trimmed(raw: str) -> str:
    text = raw.splitlines()[0] if raw else "not an expression"
    text = re.sub(r"^[A-Z_]+: ", "", text)
    return re.sub(r" ?\[[A-Z_]+\]$", "", text.removeprefix("ERROR: "))


def failed(raw: str, unbound: Mapping[str, EvaluationError], messages: Messages) -> EvaluationError:
    """The error for what the runtime says about values that do not fit."""
    plain = _trimmed(raw)
    if found := _UNBOUND.search(plain):
        cause = unbound.get(found.group(1))
        return cause or EvaluationError(f"there is no {found.group(1)!r} here")
    if found := _RUNTIME.search(plain):
        target, function, types = found.groups()
        words = [_word(t, messages) for t in ([target] if target else []) + _split(types or "")]
        return _mismatch(function, words)
    if found := re.search(r'Key not found in map : "(.*)"', plain):
        return Missing(f"{found.group(1)!r} is missing", mend="ask first: has(...)")
    if found := re.search(r"Index error: index=(-?\d+) size=(\d+)", plain):
        return Missing(f"there is no item {found.group(1)}: the list has {found.group(2)}")
    if "SELECT to non-message" in plain:
        return EvaluationError("a field is asked of what has none", mend="ask first: has(...)")
    if found := re.search(r"String to (Timestamp|Duration) conversion failed", plain):
        return EvaluationError(f"a string is not {_FORMS[found.group(1).lower()]}")
    if "budget exceeded" in plain:
        return EvaluationError("the expression takes too many steps", mend="run over fewer items")
    if "Non-CEL value type" in plain:
        return EvaluationError(f"a value is not JSON: {plain.rsplit(': ', 1)[-1].rstrip('.')}")
    if found := re.search(r"Integer value '(-?\d+)' out of range", plain):
        return EvaluationError(f"the number {found.group(1)} is too large")
    return EvaluationError(plain)


def _mismatch(function: str, words: list[str]) -> EvaluationError:
    name = function.split(":", maxsplit=1)[0]
    operator = _operator(name)
    mend = "give a fallback: default(..., ...)" if "nothing" in words else ""
    if operator is not None and words:
        message = _operation(operator, words)[0].split(": it is always")[0]
        return EvaluationError(message, mend=mend)
    if function in ("_&&_", "_||_", "!_", "<jump_condition>", "_?_:_"):
        return EvaluationError("a bool is needed, and something else is there")
    if function == "<iter_range>":
        return EvaluationError("a list is needed, and something else is there")
    if name in _FORMS:
        return EvaluationError(f"{_listed(words)} is not {_FORMS[name]}", mend=mend)
    return EvaluationError(f"{name} does not take {_listed(words)}", mend=mend)
