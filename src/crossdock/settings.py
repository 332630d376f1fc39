"""The settings of an installation: `settings.default.toml`, changed by a file and by the environment.

No part of Crossdock but `assemble` reads them.
"""

from __future__ import annotations

import difflib
import getpass
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from crossdock.errors import Refused

FILE = "crossdock.toml"
_PREFIX = "CROSSDOCK_"
_LAST_PORT = 65_535
_SECRET = frozenset({"database_url", "master_key", "vault_token", "audit_key", "throttle_url"})  # never shown

_ABOVE_NOTHING = (
    "largest_body",
    "largest_import",
    "answer_seconds",
    "reads_at_once",
    "changes_at_once",
    "webhooks_at_once",
    "graphql_cost",
    "graphql_depth",
    "graphql_seconds",
)
_LONGEST_SESSION = 24 * 90  # hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `settings.default.toml` describes, read once at the start. Paths are absolute."""

    data: Path
    database_url: str = field(repr=False)
    prepared_statements: bool
    host: str
    port: int
    tenant: str
    processes: Path
    mappings: Path
    connectors: Path
    connections: Path
    packs: tuple[str, ...]
    address: str
    sign_in: str
    session_idle: float
    session_longest: float
    person: str
    zone: str
    lease: float
    master_key: str = field(repr=False)
    master_key_file: Path | None
    vault_token: str = field(repr=False)
    vault_token_file: Path | None
    audit_key: str = field(repr=False)
    tls_certificate: Path | None
    tls_key: Path | None
    proxies: tuple[str, ...]
    outbound_private: str
    outbound_networks: tuple[str, ...]
    throttle_key: tuple[str, ...]
    throttle_tenant: tuple[str, ...]
    throttle_address: str
    throttle_url: str = field(repr=False)
    largest_body: int
    largest_import: int
    answer_seconds: float
    reads_at_once: int
    changes_at_once: int
    webhooks_at_once: int
    graphql_introspection: bool
    graphql_persisted_only: bool
    graphql_cost: int
    graphql_depth: int
    graphql_seconds: float

    @classmethod
    def read(cls, directory: Path, environment: Mapping[str, str], **given: Any) -> Settings:
        """The defaults, changed by `crossdock.toml` in `directory`, the environment, and what is `given`.

        Raises `Refused` for a setting that does not exist or has a value that it cannot have.
        """
        if not directory.is_dir():
            raise Refused("there is no such directory", where=str(directory), mend="make it, or name another")
        values: dict[str, Any] = tomllib.loads(defaults())
        known = dict(values)
        file = directory / FILE
        if file.exists():
            try:
                written = tomllib.loads(file.read_text())
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise Refused(
                    f"this is not TOML: {error}", where=str(file), mend="mend the line it names"
                ) from None
            for name, value in written.items():
                if name not in known:
                    raise Refused(
                        f"there is no setting `{name}`", where=str(file), mend=_nearest(name, known)
                    )
                values[name] = _fitting(name, value, known[name], str(file))
        for variable, text in environment.items():
            name = variable.removeprefix(_PREFIX).lower()
            if variable.startswith(_PREFIX) and name in known:
                values[name] = _fitting(name, _parsed(text, known[name]), known[name], variable)
        if environment.get("DATABASE_URL") and not values["database_url"]:
            values["database_url"] = environment["DATABASE_URL"]
        values["vault_token"] = values["vault_token"] or environment.get("VAULT_TOKEN", "")
        values.update({name: value for name, value in given.items() if value is not None})
        for name in ("data", "processes", "mappings", "connectors", "connections"):
            values[name] = (directory / values[name]).resolve()
        for name in ("master_key_file", "vault_token_file", "tls_certificate", "tls_key"):
            values[name] = (directory / values[name]).resolve() if values[name] else None
        for name in ("packs", "proxies", "outbound_networks", "throttle_key", "throttle_tenant"):
            values[name] = tuple(values[name])
        try:
            ZoneInfo(values["zone"])
        except (KeyError, ValueError, OSError):
            raise Refused(
                f"there is no zone {values['zone']!r}",
                where="zone",
                mend="give an IANA name, as Europe/Berlin",
            ) from None
        if not 0 <= values["port"] <= _LAST_PORT:
            raise Refused(f"there is no port {values['port']}", where="port", mend=f"give 1 to {_LAST_PORT}")
        for name in _ABOVE_NOTHING:
            if values[name] <= 0:
                raise Refused(f"`{name}` is {values[name]}", where=name, mend="give a number above 0")
        if values["lease"] <= 0:
            raise Refused(f"a lease lasts {values['lease']} seconds", where="lease", mend="e.g. 60.0")
        if values["sign_in"] not in ("on", "off", "auto"):
            raise Refused(f"sign_in is {values['sign_in']!r}", where="sign_in", mend="give on, off or auto")
        if values["outbound_private"] not in ("auto", "allow", "deny"):
            raise Refused(
                f"outbound_private is {values['outbound_private']!r}",
                where="outbound_private",
                mend="give auto, allow or deny",
            )
        values["address"] = _address(values["address"])
        for name in ("session_idle", "session_longest"):
            if not 0 < values[name] <= _LONGEST_SESSION:
                raise Refused(
                    f"a session lasts {values[name]} hours", where=name, mend=f"0 to {_LONGEST_SESSION}"
                )
        if bool(values["tls_certificate"]) != bool(values["tls_key"]):
            raise Refused(
                "a certificate needs its key, and a key its certificate",
                where="tls_certificate, tls_key",
                mend="give both or none",
            )
        return cls(**values)


def user() -> str:
    """Who runs this process, as the machine calls them; a container may have no name for it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "operator"


def defaults() -> str:
    """The text of `settings.default.toml`."""
    return resources.files("crossdock").joinpath("settings.default.toml").read_text()


def _address(text: str) -> str:
    """The address without a slash at its end. Raises `Refused` where it is none."""
    if not text:
        return ""
    parts = urlsplit(text)
    whole = parts.scheme in ("http", "https") and parts.netloc and "@" not in parts.netloc
    if not whole or parts.query or parts.fragment:
        raise Refused(
            f"{text!r} is no address", where="address", mend="write it like https://crossdock.example"
        )
    return text.rstrip("/")


def _parsed(text: str, default: Any) -> Any:
    """A text of the environment as the kind of value that the setting has."""
    if isinstance(default, bool):
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
            text.lower(), text
        )
    if isinstance(default, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            return text
    return text


def _fitting(name: str, value: Any, default: Any, where: str) -> Any:
    kind = type(default)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        shown = "something else" if name in _SECRET else repr(value)
        words = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list"}
        raise Refused(
            f"`{name}` is {shown}, where {words[kind]} is needed", where=where, mend=f"e.g. {default!r}"
        )
    return value


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.6)
    return f"did you mean `{close[0]}`?" if close else f"there are: {', '.join(known)}"
