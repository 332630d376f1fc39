"""The published JSON Schemas: one a document and one an event type, each with its own address and version.

A schema that was published does not change; what changes gets the next version, and an upgrade in `EventType`
that converts the old one. Each schema stands alone: what it refers to is among its `$defs`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from crossdock.model.documents import DOCUMENTS
from crossdock.model.events import EVENTS

SCHEMA_BASE = "https://schemas.crossdock.dev/"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Sparse(GenerateJsonSchema):
    """An optional field may be absent, not null; defaults and titles that say nothing are left out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") in (None, ()):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 (pydantic's signature)
        return False


def schema_id(name: str, version: int) -> str:
    """Give the address of a schema, by the name of a document or event type: `.../order.released/1`."""
    return f"{SCHEMA_BASE}{name}/{version}"


def schema_names() -> dict[str, int]:
    """List what has a schema, documents and event types by name, with its current version."""
    documents = {name: document.schema_version for name, document in DOCUMENTS.items()}
    return documents | {name: event.version for name, event in EVENTS.items()}


def schemas() -> dict[str, dict[str, Any]]:
    """Make the JSON Schemas (draft 2020-12) of all documents and of the data of all event types, by `$id`.

    They are stricter than reading is: an absent field is left out, not null, and decimals are text.
    """
    by_model: dict[type[BaseModel], dict[str, Any]] = {}
    made: dict[str, dict[str, Any]] = {}
    for name, document in DOCUMENTS.items():
        address = schema_id(name, document.schema_version)
        made[address] = _published(document, address, name, by_model)
    for name, event in EVENTS.items():
        address = schema_id(name, event.version)
        made[address] = _published(event.data, address, name, by_model)
        made[address]["description"] = event.description
    return made


def _published(
    model: type[BaseModel], address: str, title: str, by_model: dict[type[BaseModel], dict[str, Any]]
) -> dict[str, Any]:
    schema = by_model.get(model)
    if schema is None:
        schema = by_model[model] = model.model_json_schema(schema_generator=_Sparse)
    return {"$schema": _DIALECT, "$id": address, **schema, "title": title}
