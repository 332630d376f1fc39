"""How senders prove that a webhook is theirs, as data: one `Scheme` for each sender.

    hmac         HMAC of the raw body in one header, hex or base64, perhaps after a prefix  (Shopify, GitHub)
    timestamped  `t=..,v1=..`: HMAC in hex of `t.body`; any v1 may match                     (Stripe, Shippo)
    standard     Standard Webhooks: HMAC of `id.timestamp.body`, `v1,BASE64` among others    (Svix)
    asymmetric   RSA or Ed25519 over a signed text, public keys by key id                    (ShipEngine)
    shared       a secret that is sent along, in a header or in the address                  (UPS, DHL)
    basic        HTTP Basic; the secret is `user:password`                                   (Odoo)

Verified before anything is parsed, on the raw bytes, in constant time. A header that says it twice is
refused: two readers could believe two different things. Several secrets may hold at a time, while one
replaces another.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import importlib
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from crossdock.connect.secret import Secret
from crossdock.errors import Broken, Refused

Kind = Literal["hmac", "timestamped", "standard", "asymmetric", "shared", "basic"]


class NotVerified(Refused):
    """The message is not proven to be the sender's; nothing in it was believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How one sender signs.

    `header` carries the signature (for `standard` its prefix, `webhook` or `svix`); `query` is the
    parameter of the address that carries a shared secret. `key` says how the secret's text becomes the key:
    as it is, base64 after its `whsec_`, or in Unicode form NFKD. `signed` is what is signed besides the
    kinds that fix it. `tolerance` is how far the sender's clock may be off, in seconds, where the signature
    has a time.
    """

    kind: Kind
    header: str = ""
    prefix: str = ""
    encoding: Literal["hex", "base64"] = "base64"
    algorithm: Literal["sha256", "sha1", "sha512"] = "sha256"
    key: Literal["text", "base64", "nfkd"] = "text"
    signed: str = "{body}"  # may name {timestamp}, {body}
    timestamp_header: str = ""
    key_id_header: str = ""
    query: str = ""
    tolerance: float = 300.0

    @property
    def proves_no_body(self) -> bool:
        """Whether it proves who sends alone, so that a token of ours proves as much."""
        return self.kind in ("shared", "basic")

    def __post_init__(self) -> None:
        needs = {
            "hmac": self.header,
            "timestamped": self.header,
            "standard": "-",
            "asymmetric": self.header and self.key_id_header,
            "shared": self.header or self.query,
            "basic": "-",
        }
        if not needs[self.kind]:
            raise Refused(
                f"a signature of kind {self.kind} has to say which header carries it", mend="name it"
            )
        if "{timestamp}" in self.signed and not self.timestamp_header and self.kind != "timestamped":
            raise Refused("the signed text has a timestamp, but no header is named for it", mend="name it")


def verify(
    scheme: Scheme,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    secrets: Sequence[Secret],
    *,
    now: float,
    query: Iterable[tuple[str, str]] = (),
) -> None:
    """Check that the message is the sender's. Raises `NotVerified` with the reason, for the log alone.

    `headers` and `query` are pairs as they came, repetitions included; `now` is the real time in seconds.
    """
    if not secrets:
        raise NotVerified("the connection has no secret for its webhooks", mend="set it")
    given = _Given(headers)
    if scheme.kind == "standard":
        _standard(scheme, given, body, secrets, now)
    elif scheme.kind == "timestamped":
        _timestamped(scheme, given, body, secrets, now)
    elif scheme.kind == "hmac":
        signature = given.one(scheme.header).removeprefix(scheme.prefix)
        signed = _signed(scheme, given, body, now)
        expected = [_digest(scheme, _key(secret, scheme.key), signed) for secret in secrets]
        _one_of([_decoded(signature, scheme.encoding)], expected)
    elif scheme.kind == "asymmetric":
        _asymmetric(scheme, given, body, secrets, now)
    else:
        if scheme.query:
            proof = _Given(query, "query parameter").one(scheme.query, exact=True)
        else:
            proof = given.one("authorization" if scheme.kind == "basic" else scheme.header)
        _one_of([proof.encode()], [_shown(scheme, secret) for secret in secrets])


class _Given:
    """Headers as they came."""

    def __init__(self, pairs: Iterable[tuple[str, str]], what: str = "header") -> None:
        self._pairs = list(pairs)
        self._what = what

    def one(self, name: str, *, exact: bool = False) -> str:
        """The value of what must be there exactly once."""
        found = [v for k, v in self._pairs if k == name or (not exact and k.lower() == name.lower())]
        if len(found) != 1:
            problem = "is missing" if not found else f"is given {len(found)} times"
            raise NotVerified(f"the {self._what} {name} {problem}")
        return found[0].strip()

    def has(self, name: str) -> bool:
        """Whether it is there at all."""
        return any(k.lower() == name.lower() for k, _ in self._pairs)


def _key(secret: Secret, form: str) -> bytes:
    text = secret.reveal()
    if form == "nfkd":
        return unicodedata.normalize("NFKD", text).encode()
    if form == "text":
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise NotVerified(
            "the secret of the webhook is not base64", mend="paste it as the sender shows it"
        ) from None


def _digest(scheme: Scheme, key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, scheme.algorithm)


def _decoded(signature: str, encoding: str) -> bytes:
    try:
        if encoding == "hex":
            return bytes.fromhex(signature)
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise NotVerified(f"the signature is not {encoding}") from None


def _one_of(given: list[bytes], expected: list[bytes]) -> None:
    """Any of the given equals any expected; all are compared, so that time tells nothing."""
    matches = [hmac.compare_digest(one, other) for one in given for other in expected]
    if not any(matches):
        raise NotVerified("the signature does not match", mend="check the secret on both sides")


def _seconds(text: str, now: float, tolerance: float) -> None:
    if not text.isascii() or not text.isdecimal() or len(text) > 16:
        raise NotVerified("the time of the signature is not a number of seconds")
    off = now - int(text)
    if abs(off) > tolerance:
        raise NotVerified(
            f"the signature is {abs(off):.0f} s {'old' if off > 0 else 'ahead'}, {tolerance:.0f} s is most",
            mend="check both clocks; an old message that is sent again is refused",
        )


def _signed(scheme: Scheme, given: _Given, body: bytes, now: float) -> bytes:
    if scheme.signed == "{body}":
        if scheme.timestamp_header:
            _seconds(given.one(scheme.timestamp_header), now, scheme.tolerance)
        return body
    time = ""
    if scheme.timestamp_header:
        time = given.one(scheme.timestamp_header)
        _seconds(time, now, scheme.tolerance)
    before, _, after = scheme.signed.replace("{timestamp}", time).partition("{body}")
    return before.encode() + body + after.encode()


def _timestamped(scheme: Scheme, given: _Given, body: bytes, secrets: Sequence[Secret], now: float) -> None:
    parts = [part.strip().partition("=") for part in given.one(scheme.header).split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not signatures or len(signatures) > 10:
        raise NotVerified(f"{scheme.header} is not of the form t=..,v1=..")
    _seconds(times[0], now, scheme.tolerance)
    signed = times[0].encode() + b"." + body
    expected = [_digest(scheme, _key(secret, scheme.key), signed) for secret in secrets]
    _one_of([_decoded(one, "hex") for one in signatures], expected)


def _standard(scheme: Scheme, given: _Given, body: bytes, secrets: Sequence[Secret], now: float) -> None:
    names = (
        [scheme.header] if scheme.header else [n for n in ("webhook", "svix") if given.has(f"{n}-signature")]
    )
    if len(names) != 1:
        raise NotVerified("the header webhook-signature is missing, or given under two names")
    message, time = given.one(f"{names[0]}-id"), given.one(f"{names[0]}-timestamp")
    _seconds(time, now, scheme.tolerance)
    versions = [part.partition(",") for part in given.one(f"{names[0]}-signature").split(" ") if part]
    signatures = [_decoded(value, "base64") for version, _, value in versions[:10] if version == "v1"]
    if not signatures:
        raise NotVerified("there is no v1 signature")
    signed = f"{message}.{time}.".encode() + body
    _one_of(signatures, [hmac.digest(_key(secret, "base64"), signed, sha256) for secret in secrets])


def _shown(scheme: Scheme, secret: Secret) -> bytes:
    if scheme.kind == "basic":
        return b"Basic " + base64.b64encode(secret.reveal().encode())
    return (scheme.prefix + secret.reveal()).encode()


def _asymmetric(scheme: Scheme, given: _Given, body: bytes, secrets: Sequence[Secret], now: float) -> None:
    """Verify with the public key of that id; each secret is a JSON Web Key Set as the sender publishes it."""
    key_id = given.one(scheme.key_id_header)
    signature = _decoded(given.one(scheme.header).removeprefix(scheme.prefix), scheme.encoding)
    signed = _signed(scheme, given, body, now)
    keys: list[dict[str, Any]] = []
    for secret in secrets:
        try:
            keys += json.loads(secret.reveal())["keys"]
        except (ValueError, KeyError, TypeError):
            raise NotVerified(
                "the sender's public keys are not a JSON Web Key Set", mend="paste its JWKS"
            ) from None
    chosen = [key for key in keys if key.get("kid") == key_id]
    if not chosen:
        raise NotVerified("the key id is none of the sender's", mend="fetch its public keys again")
    if not any(_signed_by(key, signature, signed) for key in chosen):
        raise NotVerified("the signature does not match")


def _signed_by(key: dict[str, Any], signature: bytes, signed: bytes) -> bool:
    try:
        if key.get("kty") == "RSA":
            return _rsa(_number(key["n"]), _number(key["e"]), signature, signed)
        if key.get("crv") == "Ed25519":
            return _ed25519(_raw(key["x"]), signature, signed)
    except (KeyError, ValueError, TypeError):
        return False
    return False


_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017, section 9.2


def _rsa(n: int, e: int, signature: bytes, signed: bytes) -> bool:
    """RSASSA-PKCS1-v1_5 with SHA-256: what must come out is built whole and compared whole."""
    length = (n.bit_length() + 7) // 8
    if n.bit_length() < 2048 or e < 3 or len(signature) != length or int.from_bytes(signature) >= n:
        return False
    ending = b"\x00" + _SHA256_INFO + sha256(signed).digest()
    expected = b"\x00\x01" + b"\xff" * (length - 2 - len(ending)) + ending
    return hmac.compare_digest(pow(int.from_bytes(signature), e, n).to_bytes(length), expected)


def _ed25519(public: bytes, signature: bytes, signed: bytes) -> bool:
    try:
        module = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
        invalid = importlib.import_module("cryptography.exceptions").InvalidSignature
    except ImportError:
        raise Broken("Ed25519 needs the package cryptography", mend="pip install cryptography") from None
    try:
        module.Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except invalid:
        return False
    return True


def _raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(text: str) -> int:
    return int.from_bytes(_raw(text))
