"""`crossdock schema`: the published JSON Schemas, of what is written in YAML and of the canonical model."""

from __future__ import annotations

from typing import Annotated

import typer

from crossdock.cli.output import say_json, table, told
from crossdock.cli.place import Json
from crossdock.connect.declarative import SCHEMA as CONNECTOR
from crossdock.errors import NotFound
from crossdock.model import schemas
from crossdock.process.problems import nearest
from crossdock.process.schema import SCHEMA
from crossdock.translate import SCHEMA as MAPPING


def schema(
    name: Annotated[
        str | None,
        typer.Argument(help="`process`, `mapping`, `connector`, a document or an event; all names without"),
    ] = None,
    json: Json = False,
) -> None:
    """Print a JSON Schema, for editors and for partners, or list which there are."""
    known = {id_.removeprefix("https://schemas.crossdock.dev/"): one for id_, one in schemas().items()}
    for one in (SCHEMA, CONNECTOR, MAPPING):
        known[str(one["$id"]).removeprefix("https://schemas.crossdock.dev/")] = one
    with told(json=json):
        if name is None:
            if json:
                say_json(sorted(known))
            else:
                table("Schemas", ["name"], [[one] for one in sorted(known)], empty="")
            return
        found = known.get(name) or known.get(f"{name}/1")
        if found is None:
            raise NotFound(
                f"there is no schema {name}", mend=nearest(name, [n.rpartition("/")[0] for n in known])
            )
        say_json(found, indent=-1 if json else 2)
