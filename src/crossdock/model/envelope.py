"""The envelope that events travel in: CloudEvents 1.0, structured JSON, with our extension attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    StringConstraints,
    model_serializer,
)
from pydantic_core import to_jsonable_python

from crossdock.errors import Refused
from crossdock.model.codes import Instant, Name
from crossdock.model.document import Value, maybe
from crossdock.model.documents import Invalid, Problem, known, parse, to_json
from crossdock.model.events import EVENTS, EventType, upgraded
from crossdock.model.schemas import SCHEMA_BASE, schema_id

EXTENSIONS = {
    "traceparent": "W3C trace context: the span that sent the event",
    "tracestate": "W3C trace context: vendors' part",
    "partitionkey": "Events with the same one keep their order",
    "sequence": "Place among the events of its source",
    "correlationid": "What the sender calls the whole conversation",
    "causationid": "Id of the event that this one follows from",
    "crossdockrun": "Run that emitted the event",
    "crossdockprocess": "Process of that run",
}
"""Extension attributes that mean something to us; others are kept and passed on as they are."""

_EXTENSION_NAME = re.compile(r"[a-z0-9]{1,20}\Z")
_OUR_SCHEMA = re.compile(re.escape(SCHEMA_BASE) + r"(?P<name>[A-Za-z_.]+)/(?P<version>[0-9]{1,6})\Z")


def _json_type(value: str) -> str:
    plain = value.split(";", maxsplit=1)[0].strip().lower()
    if plain != "application/json" and not plain.endswith("+json"):
        raise ValueError("is not JSON; send the data as application/json")
    return value


_Attribute = Annotated[Name, StringConstraints(pattern=r"^[!-~]+$")]


class CloudEvent(Value):
    """An event as it travels (CloudEvents 1.0). `source` and `id` together name it once for ever.

    In JSON, which `parse` reads and `to_json` writes, extension attributes stand beside the others. `time` is
    required, though CloudEvents lets it be absent: what has no time cannot be measured.
    """

    model_config = ConfigDict(title="CloudEvent")

    specversion: Literal["1.0"] = Field(default="1.0", description="Version of CloudEvents")
    id: Name = Field(description="Unique at its source")
    source: _Attribute = Field(description="Who says so: a URI reference, such as /wms/chicago")
    type: _Attribute = Field(description="What happened, such as `shipment.delivered`")
    time: Instant = Field(description="When it happened")
    subject: Name | None = maybe("What it happened to, in the source's words")
    datacontenttype: Annotated[str, AfterValidator(_json_type)] | None = maybe("Media type of `data`: JSON")
    dataschema: _Attribute | None = maybe("The schema that `data` follows, with its version")
    data: Any = maybe("What happened, as the type says")
    extensions: dict[str, StrictStr | StrictBool | StrictInt] = Field(
        default_factory=dict, description="Extension attributes; beside the others in JSON"
    )

    @classmethod
    def parse(cls, value: Any, *, types: Mapping[str, EventType] = EVENTS) -> Self:
        """Read a structured CloudEvent; its data comes out checked and in the current version of its type.

        `types` are the event types that are known, ours unless told otherwise. Raises `Invalid` (Refused)
        with every problem of envelope or data located, and `Refused` for a type or version that is not known.
        """
        if not isinstance(value, Mapping):
            raise Refused(
                "a CloudEvent is a JSON object", where="body", mend="send it in the structured JSON format"
            )
        attributes, extensions = _split(value)
        event = parse(cls, {**attributes, "extensions": extensions})
        event_type = types[known(event.type, types, "event")]
        data = _upgraded(event_type, event.dataschema, event.data)
        checked = to_json(parse(event_type.data, {} if data is None else data, under="data"))
        schema = schema_id(event_type.type, event_type.version)
        return event.model_copy(update={"data": checked, "dataschema": schema})

    @model_serializer
    def as_json(self) -> dict[str, Any]:
        """The structured form; its data is written whole, with what is empty in it."""
        written = super().as_json()
        written.pop("extensions", None)
        if self.data is not None:
            written["data"] = to_jsonable_python(self.data)
        return written | self.extensions


def _split(value: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell the attributes of CloudEvents from extensions; refuse what is neither."""
    attributes: dict[str, Any] = {}
    extensions: dict[str, Any] = {}
    problems = []
    for name, part in value.items():
        if name in CloudEvent.model_fields and name != "extensions":
            attributes[name] = part
        elif name == "data_base64":
            problems.append(Problem(name, "binary data is not taken", "send JSON under `data`"))
        elif name == "extensions" or not _EXTENSION_NAME.match(name):
            mend = "use up to 20 lower-case letters and digits, or put it into `data`"
            problems.append(Problem(name, "is no attribute of CloudEvents", mend))
        elif part is not None:
            extensions[name] = part
    if "specversion" not in value:
        problems.append(Problem("specversion", "is missing", 'add "specversion": "1.0"'))
    if problems:
        raise Invalid("CloudEvent", tuple(problems))
    return attributes, extensions


def _upgraded(event_type: EventType, dataschema: str | None, data: Any) -> Any:
    """Convert data of an older version up; a schema that is not ours says nothing about the version."""
    if dataschema is None or (ours := _OUR_SCHEMA.match(dataschema)) is None:
        return data
    if ours["name"] not in (event_type.type, event_type.data.__name__):
        raise Refused(
            f"`dataschema` is of {ours['name']}, but the type is {event_type.type}",
            where="dataschema",
            mend=f"use {schema_id(event_type.type, event_type.version)}, or leave it out",
        )
    return upgraded(event_type, int(ours["version"]), data, where="dataschema")
