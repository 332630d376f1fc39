"""`crossdock map`: a partner's words and ours, tried and tested on files; and published."""

from __future__ import annotations

import json as plain_json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape

from crossdock.cli.output import console, say_json, table, told
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Refused
from crossdock.installed import Installed, read_text
from crossdock.translate import NotAMapping, PartnerMapping, Rows
from crossdock.translate.codes import read_lines, sought
from crossdock.translate.examples import Outcome, compared, outcome

if TYPE_CHECKING:
    from crossdock.client import Operator

map_ = typer.Typer(help="Mappings: a partner's words and ours.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="The mapping by name")]
Codes = Annotated[
    Path | None, typer.Option("--codes", help="Master data in CSV; codes.csv of the examples without")
]


@map_.command("try")
def try_(
    mapping: Annotated[Path, typer.Argument(help="The mapping: a YAML file")],
    file: Annotated[
        Path, typer.Argument(metavar="INPUT", help="What comes in or goes out, - for standard input")
    ],
    codes: Codes = None,
    operation: Annotated[
        str, typer.Option("--operation", help="It is the input of this call, as wms.create_pick")
    ] = "",
    json: Json = False,
) -> None:
    """Show what a mapping makes of an input, and where each field came from. Nothing is sent or kept.

    Status 1 where it is rejected: each reason, with its place in the input and the mend.
    """
    with told(json=json):
        read = _loaded(mapping)
        payload = sys.stdin.buffer.read() if str(file) == "-" else _bytes(file)
        try:
            found = outcome(
                read, payload, _rows(codes or _folder(mapping) / "codes.csv"), operation=operation
            )
        except Refused as error:
            raise type(error)(error.message, where=_place(file, error.where), mend=error.mend) from None
    if json:
        say_json(
            {
                "mapping": read.name,
                "version": read.version,
                "output": found.value,
                "fields": [asdict(one) for one in found.origins],
                "rejects": [asdict(one) for one in found.rejects],
            }
        )
    else:
        _tell(read, found, payload)
    if found.rejects:
        raise SystemExit(1)


@map_.command("test")
def run_examples(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Mappings, or folders of them; the folder mappings without")
    ] = None,
    json: Json = False,
) -> None:
    """Compare what mappings make of the examples beside them with what they should. Status 1 if any differs.

    The examples of acme-orders.yaml stand in acme-orders.examples: NAME.in.json (.csv, .xml) becomes
    NAME.out.json, or is rejected as NAME.rejects.json says. NAME.OPERATION.in.json is the input of a call.
    codes.csv is the master data that they know.
    """
    results: list[dict[str, Any]] = []
    with told(json=json):
        for path in [path for name in files or [Path("mappings")] for path in _mappings(name)]:
            results += _tested(path)
        if not results:
            raise Refused(
                "there is no example",
                where=", ".join(map(str, files or [Path("mappings")])),
                mend="write NAME.in.json and NAME.out.json into the folder NAME-OF-THE-MAPPING.examples",
            )
    wrong = [one for one in results if one["differences"]]
    if json:
        for one in results:
            say_json(one)
    else:
        for one in wrong:
            console.print(f"[red]{escape(one['example'])}[/red]", highlight=False)
            for line in one["differences"]:
                console.print(f"    {escape(line)}", highlight=False, soft_wrap=True)
        good = len(results) - len(wrong)
        colour = "red" if wrong else "green"
        noun = "example" if len(results) == 1 else "examples"
        console.print(f"[bold {colour}]{good} of {len(results)} {noun} as wanted[/bold {colour}]")
    if wrong:
        raise SystemExit(1)


@map_.command("list")
def list_(directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False) -> None:
    """List mappings, the version in use, and the connections that pass through it."""

    async def act(operator: Operator) -> None:
        found = [one async for one in operator.mappings()]
        if json:
            for one in found:
                say_json({n: v for n, v in msgspec.structs.asdict(one).items() if n != "source"})
            return
        table(
            "Mappings, times in UTC",
            ["name", "version", "published", "by", "connections"],
            [
                (
                    one.name,
                    one.version,
                    f"{one.published:%Y-%m-%d %H:%M}",
                    one.published_by,
                    ", ".join(one.connections),
                )
                for one in found
            ],
            empty="No mapping yet. Publish one: crossdock map publish FILE",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@map_.command()
def versions(
    name: _Name, directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False
) -> None:
    """List the versions of a mapping, the one in use first."""

    async def act(operator: Operator) -> None:
        found = [one async for one in operator.mapping_versions(name)]
        if json:
            for one in found:
                say_json({n: v for n, v in msgspec.structs.asdict(one).items() if n != "source"})
            return
        table(
            f"Versions of {name}, times in UTC",
            ["version", "published", "by", ""],
            [
                (
                    one.version,
                    f"{one.published:%Y-%m-%d %H:%M}",
                    one.published_by,
                    "in use" if one.current else "",
                )
                for one in found
            ],
            empty="There is none.",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@map_.command()
def show(
    name: _Name,
    version: Annotated[str | None, typer.Option("--version", help="This one, not the one in use")] = None,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Print the text of a mapping, as it was published."""

    async def act(operator: Operator) -> None:
        found = await (operator.mapping(name) if version is None else operator.mapping_version(name, version))
        if json:
            say_json(msgspec.structs.asdict(found))
        else:
            sys.stdout.write(found.source)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@map_.command()
def publish(
    files: Annotated[list[Path], typer.Argument(help="Mappings: YAML files")],
    why: Annotated[str, typer.Option("--why", help="Why; it stands in the audit")] = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Publish mappings, all or none: what comes in and goes out from now on passes through them.

    An older text is published again to take its successor back. What `crossdock serve` finds in the folder
    mappings it publishes at its start.
    """

    async def act(operator: Operator) -> None:
        for one in await operator.publish_mappings([read_text(file) for file in files], note=why):
            if json:
                say_json({n: v for n, v in msgspec.structs.asdict(one).items() if n != "source"})
            else:
                console.print(f"{one.name} {one.version} is in use", highlight=False)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


def _tested(path: Path) -> list[dict[str, Any]]:
    mapping = _loaded(path)
    folder = _folder(path)
    rows = _rows(folder / "codes.csv")
    found = []
    for given in sorted(folder.glob("*.in.*")):
        name, _, _ = given.name.partition(".in.")
        operation = next((one for one in mapping.operations if name.endswith(f".{one}")), "")
        wanted, rejects = folder / f"{name}.out.json", folder / f"{name}.rejects.json"
        if not (wanted.exists() or rejects.exists()):
            raise Refused(
                "it is not said what becomes of it",
                where=str(given),
                mend=f"write {wanted.name}: crossdock map try {path} {given} --json shows it",
            )
        try:
            came = outcome(mapping, given.read_bytes(), rows, operation=operation)
            told = compared(came, _json(wanted), _json(rejects))
        except Refused as error:
            told = [str(error)]
        found.append({"mapping": mapping.name, "example": str(given), "differences": told})
    return found


def _tell(mapping: PartnerMapping, found: Outcome, payload: bytes) -> None:
    from crossdock.connect.places import line_of  # it is the gateway's, and takes a while to import

    if found.rejects:
        table(
            f"{mapping.name} does not take it",
            ["where", "field", "why", "mend"],
            [(line_of(payload, one.source), one.field, one.message, one.mend) for one in found.rejects],
            empty="",
        )
        return
    console.print_json(plain_json.dumps(found.value))
    table(
        "Where each field came from",
        ["field", "value", "from", "in the input", "by"],
        [(one.field, _short(one.value), one.kind, one.source, one.detail) for one in found.origins],
        empty="Nothing was filled.",
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else plain_json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _loaded(path: Path) -> PartnerMapping:
    folders = dict.fromkeys(
        [Path("connectors"), path.parent / "connectors", path.parent.parent / "connectors"]
    )
    mapping, problems = Installed.find(*folders).mapping(read_text(path), str(path))
    if mapping is None:
        raise NotAMapping(one for one in problems if one.severity == "error")
    return mapping


def _mappings(name: Path) -> list[Path]:
    if not name.is_dir():
        return [name]
    found = sorted([*name.glob("*.yaml"), *name.glob("*.yml")])
    if not found:
        raise Refused("there is no mapping here", where=str(name), mend="name a folder with *.yaml files")
    return found


def _folder(mapping: Path) -> Path:
    return mapping.parent / f"{mapping.stem}.examples"


def _rows(path: Path) -> Rows:
    if not path.exists():
        return Rows.all({})
    lines = read_lines(read_text(path))
    wrong = next((one for one in lines if one.code is None), None)
    if wrong is not None:
        raise Refused(wrong.problem, where=f"{path}:{wrong.line}", mend=wrong.mend)
    return Rows.all(sought(one.code for one in lines if one.code is not None))


def _json(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        return plain_json.loads(read_text(path))
    except ValueError as error:
        raise Refused(f"this is not JSON: {error}", where=str(path), mend="mend this place") from None


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(
            f"it cannot be read: {error.strerror}", where=str(file), mend="name a file that is there"
        ) from None


def _place(file: Path, where: str) -> str:
    return f"{file}: {where}" if where else str(file)
