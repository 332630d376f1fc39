"""What is said of a connection in a file or a request, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock.access.redaction import hidden
from crossdock.connect import Connector
from crossdock.connect.fit import misfit
from crossdock.connect.lines import settled
from crossdock.connect.systems import type_of
from crossdock.errors import Refused
from crossdock.expressions import json_schema
from crossdock.process.problems import nearest

FIELDS = ("connector", "system", "environment", "settings", "secrets", "concurrency", "rate", "mapping")
ENVIRONMENTS = ("production", "sandbox")


def settings_schema(connector: Connector) -> dict[str, Any]:
    """The settings of a connection as a JSON Schema; decimals and times are texts in it, as elsewhere."""
    properties = {}
    for name, setting in connector.settings.items():
        schema: dict[str, Any] = dict(json_schema(type_of(setting.type)))
        if setting.doc:
            schema["description"] = setting.doc
        if setting.default is not None:
            schema["default"] = setting.default
        properties[name] = schema
    needed = [
        name
        for name, setting in connector.settings.items()
        if setting.default is None and not setting.optional
    ]
    return {
        "type": "object",
        "properties": properties,
        "required": needed,
        "additionalProperties": False,
    }


def wanted(
    known: Mapping[str, Connector], name: str, given: Any, *, kept: set[str], where: str
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """What to set for one connection, and its secrets. `kept` are the secrets that are there already."""
    if not isinstance(given, Mapping):
        raise Refused("a connection has fields", where=where, mend="write `connector:` and `settings:`")
    for field in given:
        if field not in FIELDS:
            raise Refused(f"unknown field `{field}`", where=where, mend=nearest(str(field), FIELDS))
    if given.get("connector") not in known:
        mend = nearest(str(given.get("connector", "")), known) or "see `crossdock connections connectors`"
        said = f"there is no connector `{given['connector']}`" if "connector" in given else "no connector"
        raise Refused(said, where=where, mend=mend)
    connector = known[given["connector"]]
    system = given.get("system") or connector.serves[0]
    if system not in connector.serves:
        raise Refused(
            f"{connector.name} does not serve `{system}`",
            where=where,
            mend=f"it serves: {', '.join(connector.serves)}",
        )
    for field in ("settings", "secrets"):
        if not isinstance(given.get(field) or {}, Mapping):
            raise Refused(f"`{field}` are named values", where=where, mend="write `name: value` below it")
    settings, secrets = given.get("settings") or {}, given.get("secrets") or {}
    for setting, value in settled(connector, settings, where=where).items():
        if wrong := misfit(value, type_of(connector.settings[setting].type)):
            mend = connector.settings[setting].doc or "see what the connector asks for"
            raise Refused(f"the setting `{setting}` does not do: {wrong}", where=where, mend=mend)
    for setting, value in settings.items():
        if isinstance(value, str) and hidden(value) != value:
            raise Refused(
                f"a secret stands in the setting `{setting}`", where=where, mend="give it below `secrets:`"
            )
    for secret in secrets:
        if secret not in connector.secrets:
            mend = nearest(str(secret), connector.secrets)
            raise Refused(f"{connector.name} has no secret `{secret}`", where=where, mend=mend)
    for secret, what in connector.secrets.items():
        webhook = connector.webhook is not None and connector.webhook.secret == secret
        if secret not in secrets and secret not in kept and not webhook:
            mend = f"{what or 'give it'}; `crossdock secrets set {name} {secret}` reads it"
            raise Refused(f"the secret `{secret}` is missing", where=where, mend=mend)
    environment = given.get("environment", "production")
    if environment not in ENVIRONMENTS:
        raise Refused(
            f"`environment` is {environment!r}", where=where, mend=f"write {' or '.join(ENVIRONMENTS)}"
        )
    limits = {}
    for field, least in (("concurrency", 1), ("rate", 0)):
        limit = given.get(field, getattr(connector.limits, field))
        whole = field == "concurrency"
        good = isinstance(limit, int if whole else int | float) and not isinstance(limit, bool)
        if limit is not None and (not good or limit < least or not limit):
            raise Refused(
                f"`{field}` is {limit!r}", where=where, mend="give a number above 0, or leave it out"
            )
        limits[field] = limit
    values = {
        "name": name,
        "system": system,
        "connector": connector.name,
        "environment": environment,
        "settings": settings,
        "mapping": None if given.get("mapping") is None else str(given["mapping"]),
        **limits,
    }
    return values, {key: [str(one) for one in _listed(value)] for key, value in secrets.items()}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
