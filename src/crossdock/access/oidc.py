"""OpenID Connect, as a relying party: what a provider says of itself, and the tokens that it signs.

What is believed:

- A provider is who its issuer says, by https; its description has to name that issuer, byte for byte. Nothing
  is followed to another address. (Plain http is for a provider on this machine, where that is allowed.)
- A token is believed when a key that the provider publishes signed it, by an algorithm with two keys (never
  `none`, never a shared secret), for us, not long ago, not expired, with the nonce this browser was given.
- Keys are read again after ten minutes, and at once when a token names one that is not known: but that at
  most every 30 seconds, so nobody makes us ask by tokens that they made up.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from crossdock.access.outbound import MEND, NotLetOut, Outbound
from crossdock.access.providers import Provider
from crossdock.errors import NotProven, Unreachable

ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
SKEW = 120  # seconds that clocks may differ
OLDEST = 900  # seconds since a token was issued
FRESH = 600.0
AGAIN = 30.0
AFTER_FAILURE = 3.0  # seconds in which one that did not answer is not asked again
_MOST = 100
_LARGEST = 512 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(slots=True, kw_only=True)
class _Known:
    """What a provider said of itself, and its keys."""

    said: Mapping[str, Any]
    since: float = field(default_factory=time.monotonic)
    keys: Mapping[str, Key] = field(default_factory=dict)
    read: float = 0.0
    sought: float = float("-inf")  # when keys were last read for one that was not known


class Oidc:
    """Speaks with providers. What they say of themselves is kept for a while."""

    def __init__(self, *, plain: bool = False, outbound: Outbound | None = None) -> None:
        """`plain`: a provider on this machine may be spoken with by http. `outbound`: which may be called."""
        self._outbound = outbound or Outbound()
        self._plain = plain
        self._known: dict[str, _Known] = {}
        self._failed: dict[str, tuple[float, Unreachable]] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def about(self, issuer: str) -> Mapping[str, Any]:
        """What the provider says of itself. Raises `Unreachable`."""
        return (await self._provider(issuer)).said

    async def exchange(
        self, provider: Provider, secret: str, *, code: str, verifier: str, back: str
    ) -> Mapping[str, Any]:
        """Change a code for tokens. Raises `NotProven` where the provider refuses, `Unreachable`."""
        said = await self.about(provider.issuer)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "code_verifier": verifier,
        }
        headers = {"accept": "application/json"}
        methods = said.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if secret and "client_secret_basic" in methods:
            pair = f"{quote(provider.client_id, safe='')}:{quote(secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": provider.client_id} | ({"client_secret": secret} if secret else {})
        status, answer = await self._fetch(str(said["token_endpoint"]), form=form, headers=headers)
        if status != 200 or not isinstance(answer.get("id_token"), str):
            raise NotProven("the provider did not confirm who you are", mend="begin again")
        return answer

    async def userinfo(self, provider: Provider, access: str, subject: str) -> Mapping[str, Any]:
        """What else the provider tells of a person; nothing where it tells it of another."""
        endpoint = (await self.about(provider.issuer)).get("userinfo_endpoint")
        if not endpoint or not access:
            return {}
        status, answer = await self._fetch(str(endpoint), headers={"authorization": f"Bearer {access}"})
        return answer if status == 200 and answer.get("sub") == subject else {}

    async def verified(self, provider: Provider, token: str, *, nonce: str) -> Mapping[str, Any]:
        """The claims of an id token, for us and this browser. Raises `NotProven`, `Unreachable`."""
        claims = await self._claims(provider, token)
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise _forged("another sign-in's")
        return claims

    async def logged_out(self, provider: Provider, token: str) -> tuple[str, str]:
        """Whose sessions ended at the provider: subject and session there, one may be empty."""
        claims = await self._claims(provider, token)
        events = claims.get("events")
        if not isinstance(events, Mapping) or _LOGOUT not in events or "nonce" in claims:
            raise _forged("no logout token")
        return str(claims.get("sub", "")), str(claims.get("sid", ""))

    async def _claims(self, provider: Provider, token: str) -> Mapping[str, Any]:
        known = await self._provider(provider.issuer)
        try:
            header = json.loads(_unpadded(token.partition(".")[0]))
            algorithm, kid = str(header["alg"]), str(header.get("kid", ""))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise _forged("no token") from None
        if algorithm not in ALGORITHMS:
            raise _forged("its algorithm is not believed")
        key = await self._key(known, provider.issuer, kid)
        try:
            claims = jwt.decode(token, key, algorithms=[algorithm]).claims
        except (JoseError, ValueError, TypeError):
            raise _forged("its signature does not fit") from None
        _refuse(claims, provider)
        return claims

    async def _key(self, known: _Known, issuer: str, kid: str) -> Key:
        now = time.monotonic()
        if now - known.read > FRESH:
            await self._read_keys(known)
        elif _pick(known.keys, kid) is None and now - known.sought > AGAIN:
            known.sought = now
            await self._read_keys(known)
        found = _pick(known.keys, kid)
        if found is None:
            raise _forged(f"{issuer} has no such key")
        return found

    async def _read_keys(self, known: _Known) -> None:
        status, answer = await self._fetch(str(known.said["jwks_uri"]))
        if status != 200:
            raise Unreachable("the provider does not give its keys", mend="try again later")
        keys: dict[str, Key] = {}
        for one in answer.get("keys", ()):
            if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") == "oct":
                continue
            try:
                (key,) = KeySet.import_key_set({"keys": [one]}).keys
            except (JoseError, ValueError, KeyError, TypeError):
                continue  # of a kind that we do not know
            keys[str(one.get("kid", f"#{len(keys)}"))] = key
        known.keys, known.read = keys, time.monotonic()

    async def _provider(self, issuer: str) -> _Known:
        async with self._turns.setdefault(issuer, asyncio.Lock()):
            kept = self._known.get(issuer)
            if kept is not None and time.monotonic() - kept.since < 6 * FRESH:
                return kept
            failed, error = self._failed.get(issuer, (float("-inf"), None))
            if error is not None and time.monotonic() - failed < AFTER_FAILURE:
                raise error
            try:
                return await self._read(issuer)
            except Unreachable as error:
                self._failed[issuer] = (time.monotonic(), error)
                raise

    async def _read(self, issuer: str) -> _Known:
        where = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        status, said = await self._fetch(where)
        needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if status != 200 or not all(isinstance(said.get(name), str) for name in needed):
            raise Unreachable(
                "the provider does not say how to sign in", where=issuer, mend="try again later"
            )
        if said.get("issuer") != issuer:
            raise Unreachable(
                "the provider calls itself by another name",
                where=issuer,
                mend=f"set the issuer that it names: {str(said.get('issuer'))[:200]}",
            )
        known = _Known(said=said)
        await self._read_keys(known)
        if len(self._known) > _MOST:
            self._known.clear()
            self._failed.clear()
        self._known[issuer] = known
        return known

    async def _fetch(
        self, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, Any]]:
        """One question, an object in JSON. Other addresses are not followed to.

        Where the environment names a proxy, it connects, and what it lets out is for it to say.
        """
        self._refuse_plain(url)
        await self._outbound.look()
        connector = None if _by_proxy(url) else self._outbound.connector()
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True, connector=connector) as http,
                http.request(
                    "GET" if form is None else "POST", url, data=form, headers=headers, allow_redirects=False
                ) as answer,
            ):
                body = await _body(answer)
                found = json.loads(body) if body else {}
                return answer.status, found if isinstance(found, dict) else {}
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError) as error:
            cause = getattr(error, "os_error", None)
            kept = isinstance(cause, NotLetOut)
            raise Unreachable(
                f"the provider cannot be spoken with: {cause if kept else type(error).__name__}",
                where=urlsplit(url).netloc,
                mend=MEND if kept else "try again later",
            ) from None

    def _refuse_plain(self, url: str) -> None:
        parts = urlsplit(url)
        here = parts.hostname in ("127.0.0.1", "::1", "localhost")
        if parts.scheme != "https" and not (self._plain and here and parts.scheme == "http"):
            raise Unreachable(
                "a provider is spoken with by https", where=parts.netloc, mend="mend its address"
            )


def challenge_of(verifier: str) -> str:
    """What is sent ahead of a verifier (PKCE, S256)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _refuse(claims: Mapping[str, Any], provider: Provider) -> None:
    """Raises `NotProven` for claims that are not for us, or not of now."""
    now = time.time()
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != provider.issuer:
        raise _forged("another issuer's")
    if provider.client_id not in named:
        raise _forged("for another audience")
    if (len(named) > 1 or "azp" in claims) and claims.get("azp") != provider.client_id:
        raise _forged("for another party")
    times: dict[str, float] = {}
    for name in ("exp", "iat", "nbf"):
        at = claims.get(name, 0)
        if not isinstance(at, int | float) or isinstance(at, bool):
            raise _forged("its times are none")
        times[name] = at
    if times["exp"] <= now - SKEW:
        raise _forged("it has expired")
    if not now - OLDEST - SKEW <= times["iat"] <= now + SKEW or times["nbf"] > now + SKEW:
        raise _forged("it is not of now")


def _pick(keys: Mapping[str, Key], kid: str) -> Key | None:
    """The key of that name; where a token names none, the only one there is."""
    if kid:
        return keys.get(kid)
    return next(iter(keys.values())) if len(keys) == 1 else None


def _forged(why: str) -> NotProven:
    return NotProven(f"the provider's token is not believed: {why}", mend="begin again")


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """All of it, as it comes out where it is compressed. Raises `ValueError` for more than is read."""
    parts, size = [], 0
    async for part in answer.content.iter_any():
        size += len(part)
        if size > _LARGEST:
            raise ValueError("larger than is read")
        parts.append(part)
    return b"".join(parts)


def _by_proxy(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
