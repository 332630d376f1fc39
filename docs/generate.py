"""Write the reference pages and pictures from the code: `python docs/generate.py`.

A page that is generated says so in its first line. `tests/shape/test_docs.py` compares each with what this
script gives, so a setting, an option, an exception type, an event or a record cannot go without its line.
"""

from __future__ import annotations

import ast
import configparser
import csv
import html
import inspect
import re
import sys
import textwrap
import tomllib
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from typer.models import ArgumentInfo, OptionInfo

import crossdock
from crossdock.api import described
from crossdock.api.problems import STATUS
from crossdock.cli import everything
from crossdock.connect import contract, contracts
from crossdock.connect.declarative import grammar
from crossdock.expressions import compile as compiling
from crossdock.expressions import functions
from crossdock.expressions.types import SCALARS
from crossdock.installed import Installed, pack
from crossdock.model import DOCUMENTS, EVENTS, EXCEPTIONS
from crossdock.settings import defaults
from crossdock.translate import SCHEMA as MAPPING
from crossdock.translate.grammar import FORMS

DOCS = Path(__file__).parent
ROOT = DOCS.parent
MARK = "<!-- Written by docs/generate.py. Change the code it reads, then run it again. -->"

# What each record of a run's history tells. The names are compared with those that the kernel writes.
RECORDS: Mapping[str, str] = {
    "run.started": "The run began, on this version of the process.",
    "run.moved": "The run goes on under another version of its process; `before` is the one it left.",
    "run.move_refused": "The run was to go on under another version, and stays: `reason`.",
    "run.stood_still": "A call, or a number that is followed, waited for `connection`, which was "
    "stopped so that deadlines stand still.",
    "run.completed": "Every step has ended, and nothing is open.",
    "run.cancelling": "The run is being taken back: nothing new starts. `end` is what it will be.",
    "run.cancelled": "The run has ended; what could be undone was undone.",
    "run.failed": "The run has ended badly.",
    "cancel.refused": "The run was to be cancelled, and goes on: `reason`.",
    "redo.begun": "These steps return to the beginning; what they did is undone first.",
    "redo.refused": "A redo was asked for, and is not done: `reason`.",
    "document.replaced": "A newer version of the document came and took the old one's place.",
    "document.older": "An older version of the document came; nothing changed.",
    "alias.set": "From now on events that name this key find the run.",
    "measure": "A measure of the process is known. `met` tells whether its target was kept; `impossible`, "
    "that the end lies before the start.",
    "step.started": "A call left, or child runs begin.",
    "step.waiting": "The step waits for an event of these types, or for a time.",
    "step.resumed": "A held step goes on.",
    "step.succeeded": "The step has done what it was for.",
    "step.skipped": "The step was not needed, or somebody skipped it. It counts as met.",
    "step.failed": "The step did not do what it was for, and something else takes its place.",
    "step.cancelled": "The step will not run any more.",
    "step.held": "An open exception stops the step.",
    "step.chosen": "Which rules of a decision table held, by their place.",
    "step.undoing": "What the step did is being taken back, by an operation or by undoing its children.",
    "step.undone": "What the step did is taken back.",
    "step.redone": "The step is as if it had never run, in life `redo` of it.",
    "step.supplied": "A person gave the result by hand.",
    "step.skip_refused": "A skip was asked for, and is not done: `reason`.",
    "step.retry_refused": "A retry was asked for, and is not done: `reason`.",
    "step.supply_refused": "A result was given, and is not taken: `reason`.",
    "step.trigger_refused": "An action named the step, which has begun already: `reason`.",
    "call.retried": "The call goes again at `at`. It keeps its idempotency key.",
    "call.given_up": "No more tries are made.",
    "call.surplus": "An answer came that nobody waits for any more.",
    "call.hurried": "A person let a waiting try go at once.",
    "call.withdrawing": "The call is being taken back, or found out.",
    "deadline.set": "By when the step must have ended.",
    "deadline.moved": "The deadline moved: what it names changed, or the run stood still.",
    "deadline.passed": "The deadline passed, and rung `rung` of `late` was climbed.",
    "deadline.unknown": "What the deadline names is gone, so there is none.",
    "escalated": "A role was told.",
    "task.opened": "A person is asked to decide, or to fill in a form.",
    "task.changed": "What is to be decided has changed while it was open.",
    "task.decided": "A person decided.",
    "task.withdrawn": "Nobody is asked any more.",
    "decision.refused": "A decision came and is not taken: `reason`.",
    "exception.raised": "An exception was opened. `holds` tells whether it stops its step. A call's also "
    "tells `call`, `operation`, `attempts`, `code` and `connection`.",
    "exception.repeated": "The same happened again while the exception was open.",
    "exception.closed": "The exception was closed, by a person or because its cause is gone.",
    "child.started": "A child run was asked for.",
    "child.ended": "A child run ended.",
    "child.surplus": "A child run ended that nobody waits for any more.",
    "child.supplied": "A person gave the result of a child that had failed.",
    "child.skipped": "A person skipped a child that had failed.",
    "event.kept": "The event came before the step that waits for it, and is kept.",
    "event.unused": "Nothing comes of the event, or nothing waits for it any more: `reason`.",
    "event.emitted": "An event was sent to others.",
    "event.noted": "A handler says that nothing is to be done.",
    "event.repeated": "The event was decided before; nothing changed.",
    "milestone.repeated": "The milestone was told before, perhaps by another way. `kept` is the time that is "
    "trusted. Nothing moved.",
    "milestone.contradicts": "The milestone cannot have followed the delivery `against`. It moves nothing.",
    "repair.refused": "A repair was asked for, and is not done: `reason`.",
}
# Names that the kernel puts together, as they stand in its code.
_PUT_TOGETHER: Mapping[str, tuple[str, ...]] = {
    "f'run.{status}'": ("run.completed", "run.cancelled", "run.failed"),
}
_MEASURE = {"name", "seconds", "met", "impossible"}


def pages() -> dict[str, str]:
    """Every generated file, by its path below `docs`."""
    return {
        "flow.svg": flow(),
        "layers.svg": layers(),
        "reference/settings.md": settings(),
        "reference/command-line.md": command_line(),
        "reference/records.md": records(),
        "reference/exceptions.md": exceptions(),
        "reference/events.md": events(),
        "reference/systems.md": systems(),
        "reference/expressions.md": expressions(),
        "reference/connector.md": connector(),
        "reference/connectors.md": connectors(),
        "reference/mapping.md": mapping(),
        "reference/carriers.md": carriers(),
        "reference/packs.md": packs(),
        "reference/api.md": api(),
    }


def main() -> int:
    """Write what differs; say what was written."""
    for name, text in pages().items():
        path = DOCS / name
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            sys.stdout.write(f"wrote docs/{name}\n")
    return 0


# -- settings and command line ---------------------------------------------------------------------------


def settings() -> str:
    """Every setting, from the file of defaults."""
    rows = []
    said: list[str] = []  # what a comment says holds for all settings up to the next empty line
    for line in defaults().splitlines():
        if line.startswith("#"):
            said.append(line.removeprefix("#").strip())
        elif line.strip():
            name, _, default = (part.strip() for part in line.partition("="))
            rows.append((f"`{name}`", f"`{default}`", f"`CROSSDOCK_{name.upper()}`", " ".join(said)))
        else:
            said = []
    assert len(rows) == len(tomllib.loads(defaults()))
    return _page(
        "Settings",
        """
        Settings stand in `crossdock.toml`, in the directory where a command starts (`--dir` names another
        one). The environment goes before the file. `DATABASE_URL` is taken for `database_url` where nothing
        else sets it. A list is written with commas in the environment. A setting that does not exist is
        refused, with the nearest one.
        """,
        _table(("setting", "default", "in the environment", "what it is"), rows),
        """
        ```toml
        # crossdock.toml
        port = 8500
        zone = "Europe/Berlin"
        packs = ["distribution"]
        ```
        """,
    )


def command_line() -> str:
    """Every command with its arguments and options, from the program itself."""
    parts = []
    for name, callback in _commands():
        doc = inspect.getdoc(callback) or ""
        arguments, options = _parameters(callback)
        usage = " ".join(["crossdock", name, *(argument[0].strip("`") for argument in arguments)])
        part = [f"## {name}", doc, f"```\n{usage} [options]\n```" if options else f"```\n{usage}\n```"]
        if arguments:
            part.append(_table(("argument", "", "meaning"), arguments))
        if options:
            part.append(_table(("option", "default", "meaning"), options))
        parts.append("\n\n".join(part))
    return _page(
        "Command line",
        """
        Every command takes `--help`. Those that show something take `--json`, for scripts. The exit status is
        0 if all is well, 1 if something was refused or found wrong, 2 for a command that is written wrong, 3
        if the database cannot be reached, 4 for a fault of Crossdock or its set-up.
        """,
        *parts,
    )


def commands() -> dict[str, list[str]]:
    """The commands, each with the names of its options."""
    found = {}
    for name, callback in _commands():
        options = _parameters(callback)[1]
        found[name] = re.findall(r"--[a-z-]+", " ".join(row[0] for row in options))
    return found


def _commands() -> Iterator[tuple[str, Any]]:
    """Every command, by what is typed: those of a group as `group command`."""
    app = everything()
    groups = [(f"{group.name} ", group.typer_instance) for group in app.registered_groups]
    for before, group in [("", app), *groups]:
        assert group is not None
        for command in group.registered_commands:
            assert command.callback is not None
            yield before + (command.name or command.callback.__name__), command.callback


def _parameters(callback: Any) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    arguments, options = [], []
    hints = typing.get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        type_, info = typing.get_args(hints[name])[:2]
        empty = parameter.default is inspect.Parameter.empty
        if isinstance(info, ArgumentInfo):
            many = "..." if typing.get_origin(type_) is list else ""
            shown = f"{name.upper()}{many}" if empty else f"[{name.upper()}]"
            arguments.append((f"`{shown}`", "needed" if empty else "", info.help or ""))
            continue
        assert isinstance(info, OptionInfo)
        dashed = "--" + name.replace("_", "-")
        # Inside Annotated, the first name stands where the default would.
        given = [one for one in (info.default, *(info.param_decls or ())) if str(one).startswith("-")]
        written = given or ([dashed, f"--no-{name}"] if type_ is bool else [dashed])
        default = "needed" if empty else _default(parameter.default)
        options.append((", ".join(f"`{one}`" for one in written), default, info.help or ""))
    return arguments, options


def _default(value: object) -> str:
    return "" if value is None or value is False else f"`{'yes' if value is True else value}`"


# -- what runs tell, and what is told to them -------------------------------------------------------------


def recorded() -> dict[str, set[str]]:
    """The records that the kernel writes, each with the names in its data."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "src" / "crossdock" / "process").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            place = {"record": 0, "end": 2}.get(node.func.attr)
            if place is None or len(node.args) <= place:
                continue
            told = {keyword.arg for keyword in node.keywords if keyword.arg}
            for name in _names(node.args[place], path):
                found.setdefault(name, set()).update(told)
    found["measure"] |= _MEASURE
    return found


def _names(what: ast.expr, path: Path) -> Iterable[str]:
    if isinstance(what, ast.Constant):
        return [str(what.value)]
    if isinstance(what, ast.IfExp):
        return [*_names(what.body, path), *_names(what.orelse, path)]
    if isinstance(what, ast.JoinedStr):
        text = ast.unparse(what)
        if text not in _PUT_TOGETHER:
            raise SystemExit(f"{path}:{what.lineno}: say which records {text} makes")
        return _PUT_TOGETHER[text]
    return []  # a variable: what it holds is named where it is set


def records() -> str:
    """Every record of a run's history."""
    found = recorded()
    rows = [
        (f"`{name}`", meaning, ", ".join(f"`{key}`" for key in sorted(found.get(name, ()))))
        for name, meaning in RECORDS.items()
    ]
    return _page(
        "Records of the history",
        """
        Each decision about a run leaves one line in its history: the event that was decided, and the records
        that the decision made of it. A record has a name (`what`), the step and item that it is about where
        there are any, and data. `crossdock runs KEY --json` prints them all. A field that is empty is left
        out.
        """,
        _table(("record", "tells", "data"), rows),
    )


def api() -> str:
    """Every address of the API, and every problem."""
    found = described()
    parts = []
    for tag in dict.fromkeys(one["tags"][0] for path in found["paths"].values() for one in path.values()):
        rows = [
            (f"`{method.upper()} {address}`", one["description"].partition("\n\n")[0])
            for address, path in found["paths"].items()
            for method, one in path.items()
            if one["tags"] == [tag]
        ]
        parts.append(f"## {tag}\n\n{_table(('address', 'what it does'), rows)}")
    rows = [
        (f"`{kind.name}`", str(kind.status), kind.title)
        for kind in {kind.name: kind for kind in STATUS}.values()
    ]
    parts.append(
        "## Problems\n\nThe type of a problem is `https://schemas.crossdock.dev/problem/` and its name.\n\n"
        + _table(("type", "status", "what it says"), rows)
    )
    return _page(
        "The API",
        f"""
        {len(found["paths"])} addresses below `/api/v1`, for whoever shows a key. How it is used stands in
        [Use the API](../how-to/use-the-api.md), how it changes in [Versions of the API](api-versions.md).
        `/api/v1/openapi.json` has every parameter, field and answer, as OpenAPI 3.1.
        """,
        "\n\n".join(parts),
    )


def exceptions() -> str:
    """Every exception type, by what it is of."""
    parts = []
    for of in dict.fromkeys(one.of for one in EXCEPTIONS.values()):
        rows = [
            (f"`{one.type}`", one.owner, one.severity, one.answer, one.promise, "; ".join(one.playbook))
            for one in EXCEPTIONS.values()
            if one.of == of
        ]
        head = ("type", "owner", "severity", "answer within", "what it means", "usual steps")
        parts.append(f"## Of {'an' if of[0] in 'aeiou' else 'a'} {of}\n\n{_table(head, rows)}")
    return _page(
        "Exception types",
        """
        A process raises these by name, and the kernel raises some by itself (`call_failed`,
        `unknown_outcome`,
        `undo_failed` and others of the third table). `owner` is the role that answers, unless the process
        names another one. `severity` holds unless the process says otherwise. A process may declare types of
        its own under `declare: exceptions:`.
        """,
        *parts,
    )


def events() -> str:
    """Every event type, and the events that the kernel itself understands."""
    parts = []
    for document in dict.fromkeys(name.partition(".")[0] for name in EVENTS):
        rows = [
            (f"`{name}`", event.description, f"`{event.data.__name__}`", _keys(event.about))
            for name, event in EVENTS.items()
            if name.partition(".")[0] == document
        ]
        parts.append(f"## {document}\n\n{_table(('type', 'means', 'data', 'keys it names'), rows)}")
    internal = re.findall(
        r'^[A-Z_]+ = "([a-z.]+)"  # data: (.+)$',
        (ROOT / "src/crossdock/process/messages.py").read_text(),
        re.MULTILINE,
    )
    rows = [(f"`{name}`", f"`{' '.join(data.split())}`") for name, data in internal]
    return _page(
        "Events",
        f"""
        An event type is `document.what_happened`, in the past tense. Its data is a document, or a part of
        one.
        `crossdock schema {next(iter(EVENTS))}` prints the JSON Schema of the data. An event finds its runs by
        the keys that it names: each stands in the data where the last column says. A process waits for a type
        with
        `await:`, starts on it with `start:`, or acts on it with `on:`.

        Of {len(EVENTS)} types and {len(DOCUMENTS)} documents, use what you have. A connector, or a process
        under
        `declare:`, may bring types of its own.
        """,
        *parts,
        "## Events of the kernel",
        "Outcomes, deadlines, decisions and repairs are events too. These types are the kernel's own: "
        "nobody sends them from outside.",
        _table(("type", "data"), rows),
    )


def _keys(about: Mapping[str, str]) -> str:
    return ", ".join(f"{kind} (`{path}`)" if kind != path else f"`{kind}`" for kind, path in about.items())


# -- systems, connectors, expressions ----------------------------------------------------------------------


def systems() -> str:
    """The contracts of the systems."""
    text = (ROOT / "src/crossdock/connect/systems.yaml").read_text()
    parts = []
    for system, given in yaml.safe_load(text).items():
        part = [f"## {system}", given["doc"]]
        for name, operation in given["operations"].items():
            part += [
                f"### {system}.{name}",
                operation["doc"],
                _table(
                    ("", ""),
                    [
                        ("takes", _notation(operation["input"])),
                        ("gives", _notation(operation["output"])),
                        ("changes something", "no" if operation.get("changes") is False else "yes"),
                        ("undone by", f"`{system}.{operation['undo']}`" if operation.get("undo") else ""),
                    ],
                ),
            ]
        parts.append("\n\n".join(part))
    return _page(
        "Systems and their operations",
        f"""
        A process calls an operation of a *system*: `call: erp.check_credit`. A system is a contract: what
        each operation takes and gives. A tenant's *connection* says which connector answers for the system.
        So a process does not know which ERP it talks to. A connector may add systems and operations of its
        own; here are the {len(contracts())} operations of the contracts that ship. The types are in the
        [short notation](expressions.md#types).
        """,
        *parts,
    )


def _notation(value: object) -> str:
    return f"`{_plain(value)}`" if value else ""


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    return str(value)


def expressions() -> str:
    """The functions of expressions, and the notation of types."""
    rows = [
        (f"`{function.name}`", "<br>".join(f"`{one}`" for one in function.signatures()), function.doc)
        for function in functions.FUNCTIONS
    ]
    builtin = ", ".join(f"`{name}`" for name in compiling._BUILTIN)  # noqa: SLF001 - the list itself
    return _page(
        "Expressions",
        f"""
        An expression is [CEL](https://cel.dev), between `${{` and `}}`. A text that is one expression keeps
        the type of its value; in a longer text each expression becomes text. An expression has at most
        {compiling.LONGEST:,} characters. It ends always, and changes nothing.

        Money, quantities and decimals are exact. They are compared and added with the usual signs (`==`, `<`,
        `+`, `-`, `*`), never as floating point. Two currencies, or two units, cannot be compared: that is an
        error of the decision, which opens an exception.

        ## Functions of Crossdock
        """,
        _table(("function", "how it is called", "gives"), rows),
        f"""
        ## Functions of CEL

        {builtin}.
        """,
        """
        ## Types

        Forms, connectors and `declare:` write types in a short notation.
        """,
        _table(
            ("notation", "means"),
            [
                (", ".join(f"`{name}`" for name in SCALARS), "a value of that kind; `any` is whatever comes"),
                ("`[string]`", "a list; `list(string)` is the same"),
                ("`map(money)`", "any names, with values of one type"),
                ('`{ item: string, "note?": string }`', "named fields; `?` marks what may be left out"),
                ("`Order`", "a document of the model, or one that the process declares"),
            ],
        ),
        """
        In JSON, money is `{"amount": "12.50", "currency": "EUR"}` and a quantity is `{"value": "10", "unit":
        "EA"}`: numbers that must be exact are texts. An instant is RFC 3339 with its zone, as
        `2026-11-23T10:00:00Z`.
        """,
    )


def connector() -> str:
    """What a connector declares: in YAML and in Python."""
    schema = grammar.SCHEMA
    parts = [_fields("The whole file", schema["properties"], schema.get("required", []))]
    names = {
        "request": "A request (`health`, and the first fields of operations, finds, feeds and `login`)",
        "refused": "`refused`",
        "setting": "A setting",
        "sign_in": "`sign_in` (one of these)",
        "operation": "An operation, besides the fields of a request",
        "find": "`find`, besides the fields of a request",
        "webhook": "`webhook`",
        "signature": "`signature`",
        "feed": "A feed, besides the fields of a request",
        "event": "A rule of `events`",
    }
    forms = "`data`, `json` and `result` may have the [forms of a mapping](mapping.md#shapes), not `lookup`."
    asked = schema["$defs"]["request"]["properties"]
    for part, title in names.items():
        given = schema["$defs"][part]
        own = {n: s for n, s in given["properties"].items() if part == "request" or n not in asked}
        parts.append(_fields(title, own, given.get("required", [])))
    return _page(
        "Connector declaration",
        """
        A connector is one YAML file, or a package in Python. Both say the same things. How to write one is
        told in [Connect a REST system](../how-to/connect-a-rest-system.md) and
        [Write a connector package](../how-to/write-a-connector-package.md).

        ## In YAML
        """,
        *parts,
        forms,
        "## What expressions may name",
        _table(
            ("where", "names"),
            [
                ("a request of an operation, its `find`", "`input`, `settings`, `key`, `tables`"),
                ("`result`, `refused`, `busy`, `found`", "those, and `reply`, `status`, `headers`"),
                ("`sign_in`", "`settings`, `secrets`; `session` and `seconds` of `login` also `reply`"),
                ("`events`", "`record`, `headers`, `settings`, `tables`; inside `each` also `item`"),
                ("`webhook`", "`body`, `headers`, `settings`, `tables`"),
                (
                    "`feeds`",
                    "`cursor`, `page`, `settings`, `tables`; to read the answer `reply`, then `records`",
                ),
            ],
        ),
        """
        `key` is the idempotency key of the call: 26 letters and digits, the same on every try. Numbers with a
        fraction in `reply` and `record` are texts, so that money stays exact: `money(reply.price, "EUR")`.
        """,
        "## In Python",
        "Everything comes from `crossdock.connect.contract`.",
        *_classes(
            "Connector",
            "Operation",
            "Request",
            "Response",
            "Context",
            "Setting",
            "Limits",
            "Access",
            "Session",
            "Webhook",
            "Notice",
            "Happening",
            "Poll",
            "Page",
            "OwnEvent",
        ),
    )


def _fields(title: str, properties: Mapping[str, Any], required: Sequence[str]) -> str:
    rows = []
    for name, shape in properties.items():
        shown = f"`{name}`" + (" (needed)" if name in required else "")
        rows.append((shown, _shape_of(shape), shape.get("description", "")))
    return f"### {title}\n\n{_table(('field', 'what', ''), rows)}"


def _shape_of(shape: Mapping[str, Any]) -> str:
    if "enum" in shape:
        return ", ".join(f"`{word}`" for word in shape["enum"])
    if "$ref" in shape:
        named = shape["$ref"].rpartition("/")[2].replace("_", " ")
        return "anything" if named == "shape" else named
    if "anyOf" in shape:
        return " or ".join(_shape_of(one) for one in shape["anyOf"])
    type_ = shape.get("type")
    if isinstance(type_, list):
        return " or ".join({"string": "text"}.get(one, one) for one in type_)
    if type_ == "array":
        return f"list of {_shape_of(shape['items'])}"
    if type_ == "object":
        inner = shape.get("additionalProperties")
        if isinstance(inner, Mapping):
            return f"names, each with {_shape_of(inner)}"
        return ", ".join(f"`{name}`" for name in shape.get("properties", {})) or "map"
    if "${" in shape.get("pattern", "").replace("\\", ""):
        return "expression"
    return {"string": "text", "boolean": "`true`, `false`", None: "anything"}.get(type_, str(type_))


def _classes(*names: str) -> Iterator[str]:
    tree = ast.parse(Path(inspect.getfile(contract)).read_text())
    lines = Path(inspect.getfile(contract)).read_text().splitlines()
    found = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for name in names:
        rows = []
        for node in found[name].body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                default = ast.unparse(node.value) if node.value is not None else ""
                comment = lines[(node.end_lineno or node.lineno) - 1].partition("  # ")[2]
                comment = "" if comment.startswith(("noqa", "type:")) else comment
                shown = "" if default.startswith("field(") else default
                type_ = ast.unparse(node.annotation)
                rows.append((f"`{node.target.id}`", f"`{type_}`", f"`{shown}`" if shown else "", comment))
        doc = inspect.getdoc(getattr(contract, name)) or ""
        yield f"### {name}\n\n{doc}\n\n{_table(('field', 'type', 'default', ''), rows)}"


def mapping() -> str:
    """What a mapping says."""
    schema = MAPPING
    forms = {
        "of": "One value, translated",
        "each": "A list, item by item",
        "if": "One or the other",
        "all": "Everything, with some fields otherwise",
        "reject": "It is not taken",
    }
    return _page(
        "Mapping",
        """
        A mapping is one YAML file: a partner's words and ours. It makes events of what a partner sends, or
        what a partner takes of our documents and calls. `crossdock schema mapping` prints its JSON Schema.
        How to use one is told in [Map a partner's orders](../how-to/map-a-partners-orders.md).
        """,
        _fields("The whole file", schema["properties"], schema["required"]),
        _fields("A rule of `events`", schema["$defs"]["event"]["properties"], []),
        _fields("A rule of `rejects`", schema["$defs"]["rejects"]["properties"], ["if", "because"]),
        _fields("An operation", schema["$defs"]["operation"]["properties"], []),
        """
        ## Shapes

        What something becomes is written as it shall be, with expressions in it. Where a value has to be
        translated, a list is gone through or a choice made, a form stands in its place. A connector in YAML
        has the same forms in `data`, `json` and `result`, but for `lookup`.
        """,
        *(
            _fields(f"`{form}`: {title}", FORMS[form]["properties"], FORMS[form]["required"])
            for form, title in forms.items()
        ),
        """
        A word that is neither in the table nor in the master data, and has no `unknown`, rejects the whole:
        what it means is never guessed. What is missing in the input rejects it as well, unless there is a
        `default`; `default: null` leaves the field out. To send a field of a partner's that is called like
        a form, write it in an expression: `${ {"of": document.number} }`.
        """,
        "## What expressions may name",
        _table(
            ("where", "names"),
            [
                (
                    "`events`, `rejects`",
                    "`record`, `headers`, `settings`, `tables`; below `each` also `item`",
                ),
                ("`records`", "`body`, `headers`, `settings`, `tables`"),
                ("`gives`", "`document`, `tables`"),
                ("an operation", "`input` or `output`, `settings`, `tables`"),
                ("inside the form `each`", "those, what `as` says, and `n`, which counts from 1"),
            ],
        ),
        """
        A `record` is a payload, one of its `records`, or a row or group of rows of CSV. With `reads: event`
        it is an event that the connector has made: `record.type`, `record.time`, `record.id`, `record.about`,
        `record.data`. An event that no rule knows then passes as it is.
        """,
        "## Formats",
        _table(
            ("`reads`", "what comes of it"),
            [
                ("`json`", "The value; numbers with a fraction are texts, so that money stays exact"),
                ("`csv`", "Rows by the names in the first line; with `group`, its first row and all `rows`"),
                (
                    "`xml`",
                    "What is in the root: attributes and elements by name, several of one name a list",
                ),
                ("`event`", "What the connector has made of the payload"),
            ],
        ),
    )


def connectors() -> str:
    """The connectors that ship."""
    parts = []
    for name, one in sorted(Installed.find().connectors.connectors.items()):
        operations = [
            (
                f"`{one.system_of(operation)}.{operation.name}`",
                f"`{operation.idempotency}`" if operation.idempotency else "only asks",
                "yes" if operation.find else "",
            )
            for operation in one.operations
        ]
        settings_ = [
            (
                f"`{key}`",
                "" if setting.default is None else f"`{setting.default}`",
                setting.doc + (" (may be left out)" if setting.optional else ""),
            )
            for key, setting in one.settings.items()
        ]
        part = [
            f"## {name}",
            f"{one.title}. {one.doc}",
            f"Serves {', '.join(f'`{system}`' for system in one.serves)}.",
            _table(("operation", "what makes a repeat safe", "looks up"), operations),
            _table(("setting", "default", "what it is"), settings_),
            _table(("secret", "what it is"), [(f"`{key}`", doc) for key, doc in one.secrets.items()]),
        ]
        if one.events:
            given = ", ".join(f"`{type_}`" for type_ in one.events)
            part.append(f"Events: {given}. By {_ways(one)}.")
        parts.append("\n\n".join(text for text in part if text))
    return _page(
        "Connectors that ship",
        """
        Those to `farrow`, `northway_erp`, `oldbridge`, `postbox`, `quayline`, `stackyard_wms` and
        `waypost_tms` talk to the systems of the [sandbox](../../src/crossdock/sandbox/README.md), which
        behave like real ones and differ from each other as real ones do. `tryton` is for
        [Tryton](../how-to/connect-tryton.md), and tested against one that runs; those to
        [Odoo and ERPNext](../how-to/connect-odoo-and-erpnext.md) against servers written from what their
        makers publish. What the codes of the real
        carriers mean to us stands in [Carriers' codes](carriers.md). `crossdock translate CONNECTOR FILE`
        shows what a payload becomes.
        """,
        *parts,
    )


def carriers() -> str:
    """What the codes of the real carriers mean, by their tables, and what was seen of each."""
    parts = []
    for name, one in sorted(Installed.find().connectors.connectors.items()):
        file = resources.files("crossdock.connectors").joinpath(name, "statuses.csv")
        if name in _PLAYED or "carrier" not in one.serves or not file.is_file():
            continue
        rows = [
            (
                row["of"],
                f"`{row['code']}`",
                row["meaning"],
                f"`{row['milestone']}`" if row["milestone"] else "",
                f"`{row['reason']}`" if row["reason"] else "",
                row["source"],
            )
            for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines())
        ]
        if rows:
            parts.append(
                f"## {name}\n\n" + _table(("of", "code", "meaning", "milestone", "why", "source"), rows)
            )
    with (DOCS / "carriers_seen.csv").open(encoding="utf-8") as file_:
        seen = list(csv.reader(file_))
    return _page(
        "Carriers' codes",
        """
        What each code of a carrier means in our words: what happened (`milestone`) and why. A row names its
        source. A code without a row is not guessed: its milestone is `unknown`, keeps code and text as told,
        and its reason `unknown` is the type of the exception that it asks for.
        """,
        "A time without a zone gets one by this rule, the first that holds; it is never taken for UTC:",
        "1. the offset, or the time in UTC, that was told with it",
        """
        2. the place of the event: a country all of whose zones had the same time then, or a state, province
        or territory of the United States, Canada or Australia of which that holds, or a ZIP code that tells
        """,
        "3. the setting `zone` of the connection",
        """
        4. none: the milestone has `local_time` and no `time`, and says so in `origins`; its event has the
        latest instant that it can have been. A day alone is the end of that day at its place.
        """,
        "## What was seen",
        """
        Recorded and published payloads of each sender that were read while its connector was written, and
        what they became. What is refused are errors and answers that say that there is nothing.
        """,
        _table(seen[0], seen[1:]),
        *parts,
    )


_PLAYED = frozenset(("farrow", "oldbridge", "quayline"))  # the sandbox's


def _ways(one: contract.Connector) -> str:
    ways = ["webhook"] if one.webhook is not None else []
    return " and ".join(ways + ["feed"] * bool(one.polls)) or "the answers of calls"


def packs() -> str:
    """The packaged processes, each with a picture and its steps."""
    parts = []
    for file, text in pack("distribution").items():
        given = yaml.safe_load(text)
        given[True] = given.get(True, {})  # YAML reads `on` as true
        said = " ".join(
            line.removeprefix("#").strip() for line in text.partition("process:")[0].splitlines() if line
        )
        starts = ", ".join(f"`{start.get('on') or start.get(True)}`" for start in given.get("start", ()))
        rows = [(f"`{name}`", *_step(step)) for name, step in given["steps"].items()]
        parts.append(
            "\n\n".join(
                [
                    f"## {given['process']}",
                    said,
                    f"For one `{given['document']}`, owned by {given['owner']}. "
                    + (f"Starts on {starts}." if starts else "Started by other processes."),
                    _graph(given["steps"]),
                    _table(("step", "does", "by when", "undone by"), rows),
                    f"[{file}](../../src/crossdock/packs/distribution/{file})",
                ]
            )
        )
    return _page(
        "Packaged processes",
        """
        The pack `distribution` holds the processes of a distributor. They are published at the start as long
        as the setting `packs` names it. A process of your own with the same name takes the place of a
        packaged one. Their tests stand beside them, as scripts for `crossdock try`.
        """,
        *parts,
    )


def _step(step: Mapping[str, Any]) -> tuple[str, str, str]:
    kinds = ("call", "await", "approve", "task", "wait", "choose", "emit", "run", "set")
    kind = next(kind for kind in kinds if kind in step)
    value = step[kind]
    if kind in ("approve", "task"):
        does = f"{kind}: asks {value['role']}"
    elif kind == "choose":
        does = "choose: a decision table"
    elif kind == "await":
        does = "await " + ", ".join(f"`{type_}`" for type_ in ([value] if isinstance(value, str) else value))
    else:
        does = f"{kind} `{value}`" + (" for each item" if "each" in step else "")
    due = [f"by `{' '.join(step['by'].split())}`"] if "by" in step else []
    due += [f"within {step['within']}"] if "within" in step else []
    undo = step.get("undo", "")
    return (
        does,
        ", or ".join(due),
        f"`{undo}`" if isinstance(undo, str) and undo else "impossible" * bool(undo),
    )


def _graph(steps: Mapping[str, Any]) -> str:
    lines = ["```mermaid", "flowchart LR"]
    for name, step in steps.items():
        lines.append(f'  {name}["{step.get("title", name.replace("_", " "))}"]')
        needs = step.get("needs", [])
        before = [needs] if isinstance(needs, str) else [*needs, *step.get("needs_any", [])]
        if "each" in step and not before:  # it grows with what its list names
            before = dict.fromkeys(re.findall(r"steps\.(\w+)", step["each"]))
        lines.extend(f"  {needed} --> {name}" for needed in before)
        for actions in (step.get("late", []), step.get("refused", []), step.get("fails", [])):
            for action in [actions] if isinstance(actions, dict) else actions:
                if "step" in action:
                    lines.append(f"  {name} -.-> {action['step']}")
                if "redo" in action:
                    lines.append(f"  {name} -. redo .-> {action['redo']}")
    return "\n".join([*lines, "```"])


# -- pictures ----------------------------------------------------------------------------------------------


def flow() -> str:
    """The flow, from the head of the package."""
    doc = crossdock.__doc__ or ""
    rows = re.findall(r"^    (\S.*?)\s{2,}(\w+)\s{2,}(.+)$", doc, re.MULTILINE)
    *forward, back, seen = rows
    width, height, gap = 176, 92, 34
    shapes = []
    for n, row in enumerate(forward):
        x = 20 + n * (width + gap)
        shapes.append(_box(x, 20, width, height, *row))
        if n:
            shapes.append(_arrow(f"M{x - gap} 66H{x - 8}"))
    first = 20 + (width + gap) + width / 2
    last = 20 + (len(forward) - 1) * (width + gap) + width / 2
    shapes.append(_arrow(f"M{last} {20 + height}V150H{first + 30}V{28 + height}"))
    label = html.escape(f"{back[0]}: {back[2]}")
    shapes.append(f'<text x="{last - 12}" y="143" text-anchor="end" class="small">{label}</text>')
    middle = 20 + 2 * (width + gap)
    shapes.append(_box(middle, 180, width, height, *seen))
    shapes.append(_arrow(f"M{middle + width / 2} {20 + height}V172"))
    shapes.append(_arrow(f"M{middle} 226H{first - 30}V{28 + height}"))
    right = 20 + len(forward) * (width + gap) - gap + 20
    return _svg(right, 292, "The flow: from a partner's bytes to a decision, a call, and back", shapes)


def layers() -> str:
    """The layers, from the contract that `make test` holds."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    lines = parser["importlinter:contract:layers"]["layers"].split("\n")
    names = [line.strip().replace("crossdock.", "") for line in lines if line.strip()]
    shapes = []
    for n, name in enumerate(names):
        parts = name.split(" | ")
        width = (440 - 10 * (len(parts) - 1)) / len(parts)
        for place, part in enumerate(parts):
            x, y = 20 + place * (width + 10), 20 + n * 40
            shapes.append(f'<rect x="{x}" y="{y}" width="{width}" height="32" rx="5" class="box"/>')
            shapes.append(f'<text x="{x + width / 2}" y="{y + 21}" text-anchor="middle">{part}</text>')
    high = 40 * len(names)
    shapes.append(f'<rect x="490" y="20" width="120" height="{high - 8}" rx="5" class="box apart"/>')
    shapes.append(f'<text x="550" y="{high / 2 + 10}" text-anchor="middle">sandbox</text>')
    shapes.append(f'<text x="550" y="{high / 2 + 30}" text-anchor="middle" class="small">stands apart</text>')
    return _svg(630, high + 32, "The layers: each imports only those below it", shapes)


def _box(x: float, y: float, width: float, height: float, moment: str, room: str, words: str) -> str:
    lines = [html.escape(line) for line in textwrap.wrap(words, 30)]
    text = [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" class="box"/>',
        f'<text x="{x + 10}" y="{y + 21}" class="bold">{html.escape(moment)}</text>',
        f'<text x="{x + width - 10}" y="{y + 21}" text-anchor="end" class="room">{html.escape(room)}</text>',
    ]
    text += [
        f'<text x="{x + 10}" y="{y + 43 + 15 * n}" class="small">{line}</text>'
        for n, line in enumerate(lines)
    ]
    return "\n".join(text)


def _arrow(path: str) -> str:
    return f'<path d="{path}" class="arrow" marker-end="url(#head)"/>'


def _svg(width: float, height: float, title: str, shapes: Iterable[str]) -> str:
    style = (
        "text{font:13px sans-serif;fill:#1f2933}.bold{font-weight:bold}.small{font-size:11px;fill:#52606d}"
        ".room{fill:#0b6e6e}.box{fill:#f5f9f9;stroke:#0b6e6e}.apart{stroke-dasharray:4 3}"
        ".arrow{fill:none;stroke:#52606d;stroke-width:1.5}"
    )
    body = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img">\n<title>{html.escape(title)}</title>\n<style>{style}</style>\n'
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="#52606d"/></marker></defs>\n'
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


# -- Markdown ----------------------------------------------------------------------------------------------


def _page(title: str, *parts: str) -> str:
    body = "\n\n".join(_flowed(textwrap.dedent(part).strip("\n")) for part in parts if part.strip())
    return f"{MARK}\n\n# {title}\n\n{body}\n"


def _flowed(text: str) -> str:
    """Paragraphs with lines of one length; tables, code and headings as they are."""
    if "```" in text:
        return text
    blocks = [" ".join(block.split()) if block[0] not in "|#-" else block for block in text.split("\n\n")]
    return "\n\n".join(
        textwrap.fill(block, 118, break_long_words=False, break_on_hyphens=False)
        if block[0] not in "|#-"
        else block
        for block in blocks
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    found = [list(row) for row in rows]
    if not found:
        return ""
    keep = [n for n in range(len(head)) if any(row[n] for row in found)]
    lines = [[head[n] for n in keep], ["---"] * len(keep)]
    lines += [[row[n].replace("|", "\\|").replace("\n", " ") for n in keep] for row in found]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    raise SystemExit(main())
