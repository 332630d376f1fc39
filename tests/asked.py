"""An ERP's connector asked as the engine asks it."""

from __future__ import annotations

from typing import Any

from crossdock.connect import Calls
from crossdock.engine import LeasedCall
from crossdock.process.messages import Call, CallEnded
from crossdock.store import Tenant


class AsEngine:
    """Our runtime, with a connection `erp` of that tenant."""

    tenant: Tenant
    calls: Calls

    async def call(
        self, operation: str, data: Any, *, key: str = "K", again: bool = False, **more: Any
    ) -> CallEnded:
        """Call once; `again` as after an unknown outcome."""
        leased = LeasedCall(
            **{
                "tenant": self.tenant.id,
                "run": 1,
                "command": operation,
                "connection": "erp",
                "key": key,
                "attempt": 2 if again else 1,
                "find_first": again,
                "only_find": False,
                "seconds": 20.0,
                "token": 1,
                "call": Call(id="c", step="s", system="erp", operation=operation, input=data),
                **more,
            }
        )
        return await self.calls.call(leased)

    async def done(self, operation: str, data: Any, **more: Any) -> Any:
        """The output of a call that works."""
        ended = await self.call(operation, data, **more)
        assert ended.outcome == "done", ended
        return ended.output
