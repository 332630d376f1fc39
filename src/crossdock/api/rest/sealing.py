"""What seals secrets, sealed anew with the master key that is current, for those who run the installation."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import Field
from starlette.responses import Response

from crossdock.api.acting import Given
from crossdock.api.ground import Asked
from crossdock.api.listing import Out
from crossdock.api.route import router

routes = router("tenants")


class Rotate(Given):
    """What is sealed anew.

    A new master key is not made from afar: it has to lie in the backup, and with every process, before it
    seals anything; so whoever has the machine makes it there.
    """

    values: bool = Field(
        False, description="Also a new data key for each tenant, and all secrets sealed with it"
    )


class Rotated(Out):
    """What was sealed anew."""

    master: str = Field(description="The name of the master key that seals from now on")
    keys: int = Field(description="Data keys that were sealed with it")
    values: int = Field(description="Secrets that were sealed with new data keys")


@routes.post("/secrets/rotate", responses={200: {"model": Rotated, "description": "Sealed anew"}})
async def rotate_secrets(call: Asked, given: Rotate) -> Response:
    """Seal the data keys of all tenants anew with the current master key, while everything runs.

    To do it twice does no harm. The master key itself is made and put in place on the server's machine.
    """
    done = await call.ground.acts.tenants.seal_anew(call.principal, values=given.values)
    return call.answer(asdict(done))
