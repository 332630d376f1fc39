"""Master data in pages, by the time of the last change, as `list_parties` and its like give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from crossdock.connect.contract import Context, Page
from crossdock.connectors._words import told


def of_all(context: Context) -> Context:
    """The context without `since`: master data is older than the connection."""
    settings = {name: value for name, value in context.settings.items() if name != "since"}
    return msgspec.structs.replace(context, settings=settings)


def record(
    id_: object,
    code: object,
    *,
    active: bool,
    name: object = None,
    ours: object = None,
    numbers: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """A record of master data. What has no code is named by no document, so it is not in use for us."""
    given = {key: str(value) for key, value in (numbers or {}).items() if value}
    return {
        "id": str(id_),
        "code": str(code or ""),
        "active": bool(active and code),
        **told(name=str(name) if name else None, ours=str(ours) if ours else None, numbers=given or None),
    }


def pages(page: Page, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the operations give."""
    return {"records": list(records), "cursor": page.cursor, "more": page.more}
