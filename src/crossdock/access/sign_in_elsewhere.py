"""Signing in at an identity provider: there and back, and who it is here.

    begin    a sealed cookie keeps what only this browser may know (state, nonce, verifier); it goes there
    finish   state, issuer, code, token: all have to fit that cookie, which is used up
    out      ends the session here; gives where it ends there as well

Who comes back is known by issuer and subject, never by an address alone. Who is not known gets an account
where their groups give a role. An address that the provider has verified joins an account of that address,
but for those who administer: these stay local, as the way in when the provider is away.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString
from urllib.parse import urlencode

from crossdock.access.audit import Audit
from crossdock.access.keys import ADMINS
from crossdock.access.oidc import Oidc, challenge_of
from crossdock.access.people import People, add, email_of, name_of
from crossdock.access.providers import Provider, Providers
from crossdock.access.refusals import Refusals
from crossdock.access.resource import Resource
from crossdock.access.sealing import Sealing
from crossdock.access.sessions import Sessions, end_all
from crossdock.access.sign_in import From
from crossdock.access.who import Principal
from crossdock.errors import Broken, CrossdockError, NotFound, NotProven, Refused, Unreachable
from crossdock.store import Database, EngineTransaction, Tenant

LASTS = 600  # seconds from there to back
_LARGEST_HINT = 8000

_BY_SUBJECT: LiteralString = """
select id, roles, suspended is not null as shut_out from crossdock.person
where tenant = $1 and issuer = $2 and subject = $3 for update
"""
_BY_EMAIL: LiteralString = """
select id, roles, suspended is not null as shut_out from crossdock.person
where tenant = $1 and email = $2 and subject = '' for update
"""
_JOIN: LiteralString = """
update crossdock.person
set issuer = $3, subject = $4, password = '', totp = null, totp_on = false, recovery = '{}'
where tenant = $1 and id = $2
"""
_SEEN: LiteralString = """
update crossdock.person set seen = statement_timestamp(), roles = $3::text[] where tenant = $1 and id = $2
"""
_ENDED: LiteralString = """
delete from crossdock.session s using crossdock.person p
where s.tenant = $1 and s.provider = $2 and p.tenant = s.tenant and p.id = s.person
  and ($3 <> '' or $4 <> '') and ($3 = '' or p.subject = $3) and ($4 = '' or s.sid = $4)
returning s.person
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Where the browser goes to sign in, and the cookie it takes along."""

    url: str
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """Somebody came back and is signed in; `back` is the page that they wanted."""

    cookie: str = field(repr=False)
    person: str
    back: str


class SignInElsewhere:
    """Providers of all tenants, one tenant at a time."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        sealing: Sealing,
        sessions: Sessions,
        people: People,
        refusals: Refusals,
        providers: Providers,
        oidc: Oidc,
    ) -> None:
        """With what it stands on."""
        self._database = database
        self._audit = audit
        self._sealing = sealing
        self._sessions = sessions
        self._people = people
        self._refusals = refusals
        self._providers = providers
        self._oidc = oidc

    async def begin(self, tenant: Tenant, name: str, *, redirect: str, back: str) -> Leave:
        """To the provider of that name. Raises `NotFound`, `Unreachable`."""
        provider = await self._providers.find(tenant, name)
        said = await self._oidc.about(provider.issuer)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        kept = [name, state, nonce, verifier, back[:2000], int(time.time()) + LASTS]
        query = urlencode(
            {
                "response_type": "code",
                "client_id": provider.client_id,
                "redirect_uri": redirect,
                "scope": " ".join(provider.scopes),
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge_of(verifier),
                "code_challenge_method": "S256",
            }
        )
        sealed = await self._sealing.seal(tenant.id, ("elsewhere",), json.dumps(kept).encode())
        to = str(said["authorization_endpoint"])
        return Leave(
            url=f"{to}{'&' if '?' in to else '?'}{query}", cookie=base64.urlsafe_b64encode(sealed).decode()
        )

    async def finish(
        self, tenant: Tenant, cookie: str, answer: Mapping[str, str], where: From, *, redirect: str
    ) -> Back:
        """Back from the provider. Raises `NotProven`, `Refused`, `Unreachable`."""
        try:
            return await self._finish(tenant, cookie, answer, where, redirect)
        except NotProven as error:
            who = Principal(tenant=tenant.id, id="unknown", kind="human", origin=where.origin)
            self._refusals.note(who, "session.opened", Resource(kind="session"), error.message)
            raise

    async def _finish(
        self, tenant: Tenant, cookie: str, answer: Mapping[str, str], where: From, redirect: str
    ) -> Back:
        name, state, nonce, verifier, back, until = await self._kept(tenant, cookie)
        if until < time.time() or not hmac.compare_digest(state.encode(), answer.get("state", "").encode()):
            raise NotProven("this sign-in was not begun here, or took too long", mend="begin again")
        try:
            provider = await self._providers.find(tenant, name)
        except NotFound:
            raise NotProven("this provider is not believed any more", mend="begin again") from None
        said = await self._oidc.about(provider.issuer)
        named = answer.get("iss")
        if named != provider.issuer and (named or said.get("authorization_response_iss_parameter_supported")):
            raise NotProven("another provider has answered", mend="begin again")
        if "error" in answer or not answer.get("code"):
            raise NotProven("the provider has not signed you in", mend="begin again, or ask who runs it")
        tokens = await self._oidc.exchange(
            provider,
            await self._providers.secret(tenant, name),
            code=answer["code"],
            verifier=verifier,
            back=redirect,
        )
        claims = dict(await self._oidc.verified(provider, tokens["id_token"], nonce=nonce))
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise NotProven("the provider does not say who you are", mend="ask who runs it")
        if "email" not in claims or provider.claim not in claims:
            more = await self._oidc.userinfo(provider, str(tokens.get("access_token", "")), subject)
            claims = {**more, **claims}
        hint = tokens["id_token"] if len(tokens["id_token"]) <= _LARGEST_HINT else ""
        text, person = await self._enter(tenant, provider, subject, claims, hint, where)
        return Back(cookie=text, person=person, back=back)

    async def out(self, tenant: Tenant, ended: Mapping[str, Any], *, redirect: str) -> str:
        """Where a session that was ended here ends at its provider as well; empty where nowhere."""
        try:
            provider = await self._providers.find(tenant, ended["provider"])
            to = (await self._oidc.about(provider.issuer)).get("end_session_endpoint")
            if not to:
                return ""
            query = {"client_id": provider.client_id, "post_logout_redirect_uri": redirect}
            if ended["hint"]:
                hint = await self._sealing.open(tenant.id, ("hint", ended["person"]), ended["hint"])
                query["id_token_hint"] = hint.decode()
        except CrossdockError:
            return ""
        return f"{to}{'&' if '?' in str(to) else '?'}{urlencode(query)}"

    async def ended(self, tenant: Tenant, name: str, token: str) -> int:
        """The provider tells that sessions ended there: they end here; gives how many. Raises `NotProven`."""
        provider = await self._providers.find(tenant, name)
        subject, sid = await self._oidc.logged_out(provider, token)
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(_ENDED, tenant.id, name, subject, sid)
            by = Principal(tenant=tenant.id, id="crossdock", kind="system", origin=f"provider/{name}")
            for person in sorted({row["person"] for row in rows}):
                on = Resource(kind="session", id=person)
                await self._audit.record(transaction, by, "session.closed", on, tenant=tenant.id)
        return len(rows)

    async def _enter(
        self,
        tenant: Tenant,
        provider: Provider,
        subject: str,
        claims: Mapping[str, Any],
        hint: str,
        where: From,
    ) -> tuple[str, str]:
        """A session for whoever that is here; gives its cookie, and the person."""
        groups = claims.get(provider.claim, ())
        groups = groups.split() if isinstance(groups, str) else groups
        mapped = provider.roles([one for one in groups if isinstance(one, str)] if groups else [])
        async with self._database.engine() as transaction:
            await transaction.value(
                "select pg_advisory_xact_lock(hashtext('crossdock.person'), $1)", tenant.id
            )
            row = await self._known(transaction, tenant, provider, subject, claims, mapped)
            roles = sorted(mapped) if provider.groups else list(row["roles"])
            if row["shut_out"] or not roles:
                raise NotProven("you have no account here", mend="ask who administers it")
            id_ = row["id"]
            if sorted(row["roles"]) != roles:
                await end_all(transaction, tenant.id, id_)
            await transaction.execute(_SEEN, tenant.id, id_, roles)
            sealed = await self._sealing.seal(tenant.id, ("hint", id_), hint.encode()) if hint else None
            text = await self._sessions.begin(
                transaction,
                tenant.id,
                id_,
                origin=where.origin,
                agent=where.agent,
                provider=provider.name,
                sid=str(claims.get("sid", ""))[:255],
                hint=sealed,
            )
            by = Principal(tenant=tenant.id, id=id_, kind="human", origin=where.origin)
            said = {"how": provider.name, "roles": roles}
            on = Resource(kind="session", id=id_)
            await self._audit.record(transaction, by, "session.opened", on, after=said, tenant=tenant.id)
        return text, id_

    async def _known(
        self,
        transaction: EngineTransaction,
        tenant: Tenant,
        provider: Provider,
        subject: str,
        claims: Mapping[str, Any],
        mapped: frozenset[str],
    ) -> Mapping[str, Any]:
        """The person of that subject: known, joined by a verified address, or new."""
        row = await transaction.row(_BY_SUBJECT, tenant.id, provider.issuer, subject)
        if row is not None:
            return dict(row)
        email = _email(claims)
        row = await transaction.row(_BY_EMAIL, tenant.id, email) if email else None
        if row is not None:
            if ADMINS & set(row["roles"]) or claims.get("email_verified") is not True:
                raise NotProven("your address has an account that signs in here", mend="use its password")
            await transaction.execute(_JOIN, tenant.id, row["id"], provider.issuer, subject)
            return dict(row)
        if not mapped:
            raise NotProven("you have no account here", mend="ask who administers it")
        name = str(claims.get("name") or claims.get("preferred_username") or "")[:100]
        id_ = await add(
            transaction,
            tenant,
            email=email,
            name=name_of(name if name.isprintable() else ""),
            roles=mapped,
            made_by=f"provider/{provider.name}",
            issuer=provider.issuer,
            subject=subject,
        )
        return {"id": id_, "roles": sorted(mapped), "shut_out": False}

    async def _kept(self, tenant: Tenant, cookie: str) -> tuple[str, str, str, str, str, int]:
        try:
            sealed = base64.urlsafe_b64decode(cookie[:8000].encode())
            kept = json.loads(await self._sealing.open(tenant.id, ("elsewhere",), sealed))
            name, state, nonce, verifier, back, until = kept
        except (Broken, Refused, Unreachable, ValueError, binascii.Error):
            return "", secrets.token_hex(), "", "", "/", 0
        return name, state, nonce, verifier, back, until


def _email(claims: Mapping[str, Any]) -> str:
    try:
        return email_of(str(claims.get("email", "")))
    except Refused:
        return ""
