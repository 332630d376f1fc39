"""Postbox: what customers are told. A message with a key that is known is not sent again."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct, to_builtins

from crossdock.sandbox.clock import stamp
from crossdock.sandbox.service import Call, Rejected, Reply, Route, Service, same

CODES = {"unauthenticated": "unauthorized", "refused": "rejected", "busy": "throttled"}


class NewMessage(Struct):
    """A message to a customer."""

    key: Annotated[str, Meta(min_length=1, max_length=300)]
    to: Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$")]
    subject: Annotated[str, Meta(min_length=1, max_length=500)]
    text: Annotated[str, Meta(min_length=1)]
    language: str = "en"
    order: str = ""
    template: str = ""


class Postbox(Service):
    """The sink of notifications."""

    name = "postbox"
    title = "Postbox"
    credentials: ClassVar = {"key": "postbox-demo"}

    def begin(self) -> None:
        """Forget all messages."""
        self.messages: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[Route]:
        """Send and look."""
        return [
            Route("message.send", "POST", "/messages", self.send),
            Route("message.find", "GET", "/messages", self.find),
        ]

    def authenticate(self, call: Call) -> None:
        """A bearer key that never expires."""
        scheme, _, key = call.request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise Rejected("unauthenticated", "A bearer key is needed")
        if not same(key, self.credentials["key"]):
            raise Rejected("forbidden", "The key is wrong")

    def error(self, rejected: Rejected) -> Any:
        """Flat, with `ok` false."""
        code = CODES.get(rejected.kind, rejected.kind)
        place = {"field": rejected.field} if rejected.field else {}
        return {"ok": False, "code": code, "message": rejected.message, **place}

    def send(self, call: Call) -> Reply:
        """Take a message once for each key."""
        new = call.read(NewMessage)
        known = self.messages.get(new.key)
        if known is not None:
            call.replayed, call.reference = True, new.key
            return Reply(200, {"ok": True, "id": known["id"], "duplicate": True})
        number = self.number("MSG-")
        self.messages[new.key] = {**to_builtins(new), "id": number, "sent_at": stamp(self.now)}
        self.did(call, new.order or new.to, reference=new.key, id=number, kind="message", change=1)
        return Reply(202, {"ok": True, "id": number, "duplicate": False})

    def find(self, call: Call) -> Reply:
        """Messages by key, address, order."""
        wanted = {name: call.query(name) for name in ("key", "to", "order") if call.query(name)}
        found = [
            message
            for message in self.messages.values()
            if all(message[name] == want for name, want in wanted.items())
        ]
        return Reply(200, {"ok": True, "messages": found})
