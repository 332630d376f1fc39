"""A contract server that stands for Vault's transit engine: the two calls that Crossdock makes, as documented.

It is no Vault. It holds a key of its own, checks the token, and answers `encrypt` and `decrypt` in the form that
the transit engine has, associated data included.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import AsyncIterator

from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "hvs.stand-in-token"


class StandIn:
    """Its state: `status` other than 200 is answered to everything; `asked` are the calls that came."""

    def __init__(self) -> None:
        self.keys = {"crossdock": AESGCM(secrets.token_bytes(32))}
        self.status = 200
        self.asked: list[str] = []
        self.url = ""

    @property
    def address(self) -> str:
        """As the setting `master_key` names it."""
        return f"vault+{self.url}/transit/crossdock"

    async def answer(self, request: web.Request) -> web.Response:
        act, name = request.match_info["act"], request.match_info["key"]
        self.asked.append(act)
        if self.status != 200:
            return web.json_response({"errors": ["Vault is sealed"]}, status=self.status)
        if request.headers.get("X-Vault-Token") != TOKEN:
            return web.json_response({"errors": ["permission denied"]}, status=403)
        if name not in self.keys:
            return web.json_response({"errors": ["encryption key not found"]}, status=400)
        asked = await request.json()
        about = base64.b64decode(asked["associated_data"])
        if act == "encrypt":
            nonce = secrets.token_bytes(12)
            sealed = nonce + self.keys[name].encrypt(nonce, base64.b64decode(asked["plaintext"]), about)
            return web.json_response(
                {"data": {"ciphertext": f"vault:v1:{base64.b64encode(sealed).decode()}", "key_version": 1}}
            )
        sealed = base64.b64decode(asked["ciphertext"].removeprefix("vault:v1:"))
        try:
            plain = self.keys[name].decrypt(sealed[:12], sealed[12:], about)
        except InvalidTag:
            return web.json_response({"errors": ["cipher: message authentication failed"]}, status=400)
        return web.json_response({"data": {"plaintext": base64.b64encode(plain).decode()}})


@contextlib.asynccontextmanager
async def stand_in() -> AsyncIterator[StandIn]:
    """Serve it on loopback meanwhile."""
    vault = StandIn()
    app = web.Application()
    app.router.add_post("/v1/transit/{act:encrypt|decrypt}/{key}", vault.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    vault.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield vault
    finally:
        await runner.cleanup()
