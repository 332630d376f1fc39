"""The description of the API (OpenAPI 3.1): what FastAPI knows of each endpoint, and what holds for all.

Every answer that may come is in it, also those of what stands around an endpoint: who asks, what was sent,
how often.
"""

from __future__ import annotations

from importlib import resources
from importlib.metadata import version
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from crossdock.api.problems import MEDIA

PREFIX = "/api/v1"

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "instance", "request"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Names the problem: decide by it"},
        "title": {"type": "string", "description": "The same in words"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened this time"},
        "instance": {"type": "string", "description": "The address that was asked"},
        "where": {"type": "string", "description": "The place in what was sent"},
        "mend": {"type": "string", "description": "What mends it"},
        "request": {"type": "string", "description": "The id of the request, as logs have it"},
        "problems": {
            "type": "array",
            "description": "Where there are several, each of them",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("detail", "where", "mend")},
            },
        },
    },
}
_EVENT: dict[str, Any] = {
    "type": "object",
    "description": "A CloudEvent 1.0; `data` as docs/reference/events.md says for its type",
    "required": ["specversion", "id", "source", "type", "time"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1},
        "type": {"type": "string", "minLength": 1},
        "time": {"type": "string", "format": "date-time"},
        "subject": {"type": "string", "minLength": 1},
        "environment": {
            "enum": ["production", "sandbox"],
            "description": "`sandbox`: it is in test, and reaches only runs that are",
        },
        "data": {"type": "object"},
    },
}
_SAID = {
    "400": "It cannot be read",
    "401": "Who asks has not been shown",
    "403": "Who asks may not do this",
    "404": "It is not there, or not yours to see",
    "409": "It contradicts what is; or the same is at work just now",
    "412": "It has changed: `If-Match` does not hold",
    "408": "The body did not come in time",
    "413": "Larger than is taken",
    "414": "The address is longer than is taken",
    "415": "Of a kind that is not taken",
    "422": "It is not taken: each place that is wrong is named",
    "428": "A change says what it changes: `If-Match` is missing",
    "431": "The headers are larger than is taken",
    "429": "More often than is agreed: the same is taken after `Retry-After`",
    "500": "A fault of ours",
    "503": "Not now: the same may be sent again after `Retry-After`",
}
_ALWAYS = ("401", "403", "404", "414", "422", "429", "431", "500", "503")
_OF_POST = ("400", "408", "409", "413", "415")
_OF_CHANGE = ("400", "408", "409", "412", "413", "415", "428")
_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same request with the same key is done once, and answered the same for a day",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": '^[!#-~]+$|^"[ !#-~]+"$'},
}
_MATCH: dict[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag of what was read: the change is refused where it is not that any more",
    "schema": {"type": "string"},
}
_NEW: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "`*`: make it, and only where there is none",
    "schema": {"type": "string"},
}
_ID: dict[str, Any] = {
    "description": "The id of the request: yours, where it is 8 to 128 letters, digits and . _ : -",
    "schema": {"type": "string"},
}
_ABOUT = """Everything that the pages show and do, for programs. Show a key, or the session of somebody who
has signed in. Lists are paged: ask the same again with `cursor=` the `next` of the page before. Errors are
problem details (RFC 9457): decide by `type`."""
_TAGS = {
    "runs": "Runs of processes: what they wait for, what they did, and what is done with them",
    "orders": "Orders, as runs have them now",
    "shipments": "Shipments, as runs have them now, and what happened to them",
    "events": "What is sent in, and what no run has taken",
    "imports": "Many at once, from a file",
    "tasks": "Approvals and tasks: what waits for people",
    "exceptions": "What went otherwise",
    "decisions": "What people decide: tasks and exceptions",
    "proposals": "What assistants propose, for people to decide",
    "reconciliation": "Where the systems differ from what stands here",
    "repairs": "The same repair of many runs with one cause",
    "processes": "Processes and their versions",
    "mappings": "Mappings between a partner's words and ours",
    "codes": "Master data: partners' codes and ours",
    "connections": "The outside systems, their secrets, and the connectors that there are",
    "people": "People, and the providers that they sign in with",
    "personal": "Data about persons: found, and erased",
    "access": "Keys, roles, settings, and who may do what",
    "tenants": "Tenants, and what is agreed with each",
    "graphql": "Queries of the graph that are known by their hash",
    "audit": "Who did what, and whether that is still what was recorded",
}
_SECURITY: dict[str, Any] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key: `Authorization: Bearer cdk_...`; or an access token that stands for one",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "crossdock_session",
        "description": "Of a browser in which somebody has signed in. Over https it is called "
        "`__Host-crossdock_session`. What changes something needs the token too",
    },
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF-Token",
        "description": "The `token` that `GET /me` gives to a session",
    },
}
_LOOKS: list[dict[str, Any]] = [{"key": []}, {"session": []}]
_CHANGES: list[dict[str, Any]] = [{"key": []}, {"session": [], "token": []}]


def describe(api: FastAPI) -> bytes:
    """The description as JSON; made once."""
    known: bytes | None = getattr(api.state, "description", None)
    if known is None:
        known = api.state.description = msgspec.json.encode(description(api))
    return known


def description(api: FastAPI) -> dict[str, Any]:
    """The description of all endpoints."""
    found = get_openapi(
        title="Crossdock",
        version=version("crossdock"),
        openapi_version="3.1.0",
        summary="Orders, shipments and the runs that carry them out",
        description=_ABOUT,
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
        tags=[{"name": name, "description": said} for name, said in _TAGS.items()],
        routes=api.routes,
        servers=[{"url": PREFIX}],
    )
    parts = found.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    schemas["CloudEvent"] = _EVENT
    for one in schemas.values():
        if {"items", "next"} <= set(one.get("properties", ())):
            one["required"] = ["items"]  # `fields` chooses of each of them
    parts["securitySchemes"] = _SECURITY
    found["security"] = _LOOKS
    for path in found["paths"].values():
        for method, operation in path.items():
            _complete(method, operation, schemas)
    _show_examples(found["paths"])
    return found


def _complete(method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    responses = operation["responses"]
    if method != "get":
        operation["security"] = _CHANGES
    _name_fields(operation, schemas)
    for status in list(responses):
        if status == "422" or (status == "200" and not responses[status].get("content")):
            del responses[status]
    parameters = operation.setdefault("parameters", [])
    names = {one["name"] for one in parameters}
    for one in parameters:  # in an address there is no null: what is absent is not there
        some = [kind for kind in one["schema"].pop("anyOf", ()) if kind != {"type": "null"}]
        one["schema"].update(some[0] if len(some) == 1 else {"anyOf": some} if some else {})
    statuses = list(_ALWAYS)
    if method == "post":
        statuses += _OF_POST
        parameters.append(_KEY)
    # What is changed must be named as it was seen, or may be; `make`: it may be new;
    # `or seen`: what was seen may stand in the body as well; `no`: it has no ETag.
    changes = operation.pop("x-changes", "must" if method in ("put", "patch", "delete") else "")
    if changes == "no":
        statuses += _OF_POST
    elif changes:
        statuses += [one for one in _OF_CHANGE if one != "428" or changes != "maybe"]
        parameters.append(_MATCH | {"required": True} if changes == "must" else _MATCH)
        parameters += [_NEW] if changes == "make" else []
    for status, one in responses.items():
        one["description"] = one.get("description") or "Done"
        if "format" in names and status == "200":
            one["content"]["text/csv"] = {"schema": {"type": "string"}}
            one["content"]["application/x-ndjson"] = {"schema": {"type": "string"}}
        if method == "get" and status == "200" and "limit" not in names:
            one.setdefault("headers", {})["ETag"] = {"schema": {"type": "string"}}
    if method == "get" and "limit" not in names:
        responses["304"] = {"description": "As the `If-None-Match` that was sent says"}
    for status in dict.fromkeys(statuses):
        responses[status] = {
            "description": _SAID[status],
            "content": {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        if status in ("429", "503"):
            responses[status]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    for one in responses.values():
        one.setdefault("headers", {})["X-Request-Id"] = _ID
    operation["responses"] = dict(sorted(responses.items()))
    if not parameters:
        del operation["parameters"]


def _show_examples(paths: dict[str, Any]) -> None:
    """Put the examples in, which tests have recorded: of what is sent, and of what comes back."""
    text = resources.files("crossdock.api").joinpath("examples.json").read_text()
    for one in msgspec.json.decode(text):
        operation = paths[one["path"]][one["method"]]
        if "sent" in one:
            for content in operation["requestBody"]["content"].values():
                content.setdefault("examples", {})[one["name"]] = {"value": one["sent"]}
                break
        for content in operation["responses"][one["status"]]["content"].values():
            content.setdefault("examples", {})[one["name"]] = {"value": one["answer"]}
            break


def _name_fields(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Say in the description of `fields` which ones there are: those of what the answer holds."""
    given = [one for one in operation.get("parameters", ()) if one["name"] == "fields"]
    answers = [one for status, one in operation["responses"].items() if status.startswith("2")]
    content: dict[str, Any] = (answers[0] if answers else {}).get("content", {}).get("application/json", {})
    shape = schemas.get(content.get("schema", {}).get("$ref", "").rpartition("/")[2], {})
    item = shape.get("properties", {}).get("items", {}).get("items", {}).get("$ref", "")
    if item:
        shape = schemas[item.rpartition("/")[2]]
    names = "|".join(shape.get("properties", ()))
    way = f"({names})([.][A-Za-z0-9_]+)*"
    for one in given:
        one["schema"] = {"type": "string", "maxLength": 1000, "pattern": f"^{way}(,{way})*$"}
