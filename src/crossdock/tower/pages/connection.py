"""One connection: its settings as its connector asks for them, whether it works, secrets, codes, traffic."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from crossdock.access import Principal, Resource
from crossdock.connect import Connector
from crossdock.connect.probe import Finding
from crossdock.desk.connection_form import settings_schema
from crossdock.desk.health import Health
from crossdock.errors import Conflict, CrossdockError, Forbidden, NotFound, Refused, Unreachable
from crossdock.gateway import LISTS, Imported
from crossdock.tower import queries
from crossdock.tower.ground import Ground, Person
from crossdock.tower.guard import Notice
from crossdock.tower.pages.act import back

_SETTING, _SECRET = "set.", "secret."
_KINDS = {"string": "text", "boolean": "yes_no", "integer": "number", "number": "number"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One input for a setting. `kind`: text, number, yes_no, choice, json."""

    name: str
    label: str
    kind: str
    needed: bool
    help: str
    value: str
    choices: tuple[str, ...] = ()


async def new(ground: Ground, request: Request) -> Response:
    """`/connections/new`: first its connector is chosen, then what that asks for is given."""
    return await _new(ground, request, request.query_params.get("connector", ""))


async def connection(ground: Ground, request: Request) -> Response:
    """`/connections/{name}`."""
    return await _shown(ground, request, request.path_params["name"])


async def recording(ground: Ground, request: Request) -> Response:
    """`/connections/{name}/recording.har`: what was recorded of it."""
    name = request.path_params["name"]
    found = await ground.acts.connections.recording((await ground.person(request)).principal, name)
    headers = {"content-disposition": f'attachment; filename="{name}.har"'}
    return Response(json.dumps(found, indent=1), media_type="application/json", headers=headers)


async def act(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """What the forms of these pages do: add, set, test, secret, fetch, record, remove."""
    what, name = fields.get("act", ""), fields.get("connection", "").strip()
    deed = _DEEDS.get(what)
    if what == "test":
        found = await ground.acts.connections.test(person.principal, name)
        return await _shown(ground, request, name, findings=found)
    if what == "fetch" and fields.get("try"):
        try:
            trial = await ground.acts.codes.fetch(person.principal, name, only_look=True)
        except (Refused, Unreachable) as error:
            return await _shown(ground, request, name, error=error)
        return await _shown(ground, request, name, trial=trial)
    if deed is None:
        raise Refused(f"{what!r} is nothing that a connection takes", mend="use the buttons of the page")
    try:
        notice = await deed(ground, person.principal, name, fields)
    except (Forbidden, NotFound):
        raise
    except (Refused, Conflict, Unreachable) as error:
        if what == "add":
            return await _new(ground, request, fields.get("connector", ""), typed=fields, error=error)
        return await _shown(ground, request, name, typed=fields, error=error)
    to = "/connections" if what == "remove" else f"/connections/{name}"
    return back(request, {"back": to}, notice)


async def _add(ground: Ground, by: Principal, name: str, fields: Mapping[str, str]) -> Notice:
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii() or name == "new":
        raise Refused("that is no name of a connection", mend="use letters, digits, - and _")
    if (await ground.connections.named(ground.tenant, name)) is not None:
        raise Refused(f"there is a connection {name} already", mend="name it otherwise")
    await ground.acts.connections.put(by, {name: _given(ground, fields, fields.get("connector", ""))})
    return Notice("good", f"{name} is added. See whether it works.")


async def _set(ground: Ground, by: Principal, name: str, fields: Mapping[str, str]) -> Notice:
    known = await ground.connections.named(ground.tenant, name)
    if known is None:
        raise NotFound(f"there is no connection {name}", mend="see the connections")
    given = _given(ground, fields, known.connector) | {"system": known.system, "mapping": known.mapping}
    changed = await ground.acts.connections.put(by, {name: given})
    return Notice("good", f"{name} is changed.") if changed else Notice("wait", "It was so already.")


async def _secret(ground: Ground, by: Principal, name: str, fields: Mapping[str, str]) -> Notice:
    hours, secret = _number(fields.get("hours", "")), fields.get("secret", "")
    await ground.acts.connections.set_secret(
        by,
        name,
        secret,
        fields.get("text", ""),
        keep_old=bool(hours),
        old_until=datetime.now(UTC) + timedelta(hours=hours) if hours else None,
    )
    held = f" The one before holds for {hours:g} hours more." if hours else ""
    return Notice("good", f"{secret} is set.{held}")


async def _fetch(ground: Ground, by: Principal, name: str, _: Mapping[str, str]) -> Notice:
    found = await ground.acts.codes.fetch(by, name)
    read, added = (sum(getattr(one, what) for one in found.counts.values()) for what in ("read", "added"))
    return Notice("good", f"{read:,} records were read, {added:,} codes are new.")


async def _record(ground: Ground, by: Principal, name: str, fields: Mapping[str, str]) -> Notice:
    minutes = _number(fields.get("minutes", ""))
    await ground.acts.connections.record(by, name, minutes * 60)
    said = f"{name} is recorded for {minutes:g} minutes." if minutes else "Nothing is recorded any more."
    return Notice("good", said)


async def _remove(ground: Ground, by: Principal, name: str, _: Mapping[str, str]) -> Notice:
    await ground.acts.connections.remove(by, name)
    return Notice("good", f"{name} is removed.")


_Deed = Callable[[Ground, Principal, str, Mapping[str, str]], Awaitable[Notice]]
_DEEDS: Mapping[str, _Deed] = {
    "add": _add,
    "set": _set,
    "secret": _secret,
    "fetch": _fetch,
    "record": _record,
    "remove": _remove,
}


async def _new(
    ground: Ground,
    request: Request,
    connector: str,
    *,
    typed: Mapping[str, str] | None = None,
    error: CrossdockError | None = None,
) -> Response:
    person = await ground.person(request)
    await ground.acts.policies.require(person.principal, "connection.change", Resource(kind="connection"))
    known = ground.acts.connections.connectors
    chosen = known.get(connector)
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
    return await ground.page(
        request,
        "connection_new.html.jinja",
        times,
        waiting,
        status=200 if error is None else 400,
        connectors=sorted(known.values(), key=lambda one: one.name),
        connector=chosen,
        fields=[] if chosen is None else fields_of(chosen, {}, typed),
        typed=typed or {},
        wrong="" if error is None else str(error),
    )


async def _shown(
    ground: Ground,
    request: Request,
    name: str,
    *,
    findings: Sequence[Finding] = (),
    typed: Mapping[str, str] | None = None,
    error: CrossdockError | None = None,
    trial: Imported | None = None,
) -> Response:
    one = await ground.connections.named(ground.tenant, name)
    if one is None:
        raise NotFound(f"There is no connection {name}", mend="see the connections")
    person = await ground.person(request)
    deeds = ground.acts.connections
    found = (await deeds.health(person.principal)).get(name, Health())
    connector = deeds.connectors.get(one.connector)
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        masters = await queries.masters(transaction, name)
    return await ground.page(
        request,
        "connection.html.jinja",
        times,
        waiting,
        status=200 if error is None else 400,
        one=one,
        health=found,
        connector=connector,
        fields=[] if connector is None else fields_of(connector, one.settings, typed),
        secrets=await deeds.known_secrets(person.principal, name),
        findings=findings,
        masters=masters,
        trial=trial,
        lists=connector is not None and any(op.name in LISTS.values() for op in connector.operations),
        wrong="" if error is None else str(error),
    )


def fields_of(
    connector: Connector, settings: Mapping[str, Any], typed: Mapping[str, str] | None
) -> list[Field]:
    """The settings of a connection as inputs, by the connector's schema; `typed` is what was sent before."""
    schema = settings_schema(connector)
    found = []
    for name, one in schema["properties"].items():
        kind = "choice" if "enum" in one else _KINDS.get(one.get("type", ""), "json")
        value = settings.get(name)
        text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
        default = one.get("default")
        said = one.get("description", "")
        if default is not None:
            without = default if isinstance(default, str) else json.dumps(default)
            said += f"{'; ' if said else ''}without it {without}"
        found.append(
            Field(
                name=_SETTING + name,
                label=name,
                kind=kind,
                needed=name in schema["required"],
                help=said,
                value=text if typed is None else typed.get(_SETTING + name, text),
                choices=tuple(str(choice) for choice in one.get("enum", ())),
            )
        )
    return found


def _given(ground: Ground, fields: Mapping[str, str], connector: str) -> dict[str, Any]:
    """A connection as `connections.yaml` would have it, of what was typed."""
    known = ground.acts.connections.connectors.get(connector)
    properties = settings_schema(known)["properties"] if known is not None else {}
    settings = {
        name.removeprefix(_SETTING): _value(text.strip(), properties.get(name.removeprefix(_SETTING), {}))
        for name, text in fields.items()
        if name.startswith(_SETTING) and text.strip()
    }
    secrets = {
        name.removeprefix(_SECRET): text for name, text in fields.items() if name.startswith(_SECRET) and text
    }
    given: dict[str, Any] = {
        "connector": connector,
        "settings": settings,
        "secrets": secrets,
        "environment": fields.get("environment") or "production",
    }
    for name in ("concurrency", "rate"):
        if text := fields.get(name, "").strip().replace(",", "."):
            given[name] = _value(text, {"type": "number"})
    if fields.get("system"):
        given["system"] = fields["system"]
    return given


def _value(text: str, schema: Mapping[str, Any]) -> Any:
    if schema.get("type", "string") == "string":
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # the deed says what is wanted


def _number(text: str) -> float:
    """Hours, or minutes, as typed; nothing is 0."""
    try:
        number = float(text.strip().replace(",", ".") or 0)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 10_000:
        raise Refused(f"{text!r} is no length of time", mend="give a number, such as 24")
    return number
