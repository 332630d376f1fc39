"""Signing in with a local account: address and password, then a one-time code where that is set up.

    password   right, no codes      -> a session
               right, codes are on  -> a half: sealed, five minutes, of this person; no session yet
    code       right, with the half -> a session

What is refused is refused in the same words and after the same work, whatever was wrong. Attempts are counted
(`brakes`) before anything is compared. A code, a recovery code and a link are used up in the statement that
takes them, so two at once do not both get in.

A browser that somebody has signed in from before carries a sealed mark. Attempts from there are counted
apart, so that nobody is kept out by others who guess at their account.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, LiteralString

from crossdock.access.audit import Audit
from crossdock.access.brakes import attempt
from crossdock.access.passwords import Passwords, new_recovery, new_totp, recovery_hash, refuse_weak, step_of
from crossdock.access.people import Account, People
from crossdock.access.refusals import Refusals
from crossdock.access.resource import Resource
from crossdock.access.sealing import Sealing
from crossdock.access.sessions import Sessions, end_all
from crossdock.access.who import Principal
from crossdock.errors import Broken, Conflict, NotProven, Refused, Unreachable
from crossdock.store import Database, EngineTransaction, Tenant

_HALF_LASTS = 300  # seconds
BROWSER_LASTS = 180 * 24 * 3600

_BY_EMAIL: LiteralString = """
select id, password, totp_on, suspended is not null as shut_out
from crossdock.person where tenant = $1 and email = $2 and subject = ''
"""
_SET_WORDS: LiteralString = "update crossdock.person set password = $3 where tenant = $1 and id = $2"
_CODE: LiteralString = (
    "select totp, totp_step, recovery, email from crossdock.person where tenant = $1 and id = $2 \
and totp_on and suspended is null"
)
_TAKE_STEP: LiteralString = """
update crossdock.person set totp_step = $3 where tenant = $1 and id = $2 and totp_step < $3
"""
_TAKE_RECOVERY: LiteralString = """
update crossdock.person set recovery = array_remove(recovery, $3)
where tenant = $1 and id = $2 and $3 = any(recovery)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """The password was right, a code is asked for. `text` is kept by the browser."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Somebody is signed in: the cookie of the session, and the mark of the browser."""

    cookie: str = field(repr=False)
    browser: str = field(repr=False)
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class From:
    """Where an attempt comes from: an address, what the browser calls itself, the mark that it carries."""

    origin: str
    agent: str = ""
    browser: str = ""


class SignIn:
    """Local accounts of all tenants, one tenant at a time."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        sealing: Sealing,
        sessions: Sessions,
        people: People,
        refusals: Refusals,
        passwords: Passwords | None = None,
    ) -> None:
        """With what it stands on."""
        self._database = database
        self._audit = audit
        self._sealing = sealing
        self._sessions = sessions
        self._people = people
        self._refusals = refusals
        self._passwords = passwords or Passwords()

    async def password(self, tenant: Tenant, email: str, password: str, where: From) -> Half | Signed:
        """The first step. Raises `NotProven`, `Unreachable` where it is too early to try again."""
        email = email.strip().lower()[:254]
        browser = await self._browser(tenant, where, email)
        counted = await attempt(self._database, tenant.id, email, where.origin, browser)
        rows = await self._database.at_once(_BY_EMAIL, tenant.id, email)
        row: dict[str, Any] = dict(rows[0]) if rows else {"id": "", "password": "", "shut_out": False}
        right = await self._passwords.right(row["password"], password)
        if not right or row["shut_out"]:
            self._refused(tenant, row["id"], where, "a password that is not right, or nobody's")
            raise _wrong()
        await counted.right()
        if self._passwords.is_old(row["password"]):
            await self._keep_password(tenant, row["id"], password)
        if row["totp_on"]:
            said = json.dumps([row["id"], int(time.time()) + _HALF_LASTS]).encode()
            return Half(text=_text(await self._sealing.seal(tenant.id, ("half",), said)))
        return await self._open(tenant, row["id"], email, where, how="password")

    async def code(self, tenant: Tenant, half: str, code: str, where: From) -> Signed:
        """The second step: a one-time code, or a recovery code. Raises `NotProven`, `Unreachable`."""
        id_, until = await self._unsealed(tenant, ("half",), half, ("", 0))
        if not id_ or until < time.time():
            raise NotProven("that took too long", mend="begin again with your address and password")
        browser = await self._browser(tenant, where, id_)
        counted = await attempt(self._database, tenant.id, f"code\0{id_}", where.origin, browser)
        async with self._database.engine() as transaction:
            row = await transaction.row(_CODE, tenant.id, id_)
            secret = await self._totp(tenant, id_, row["totp"]) if row is not None and row["totp"] else ""
            step = step_of(secret, code) if secret else 0
            if step:
                taken = await transaction.execute(_TAKE_STEP, tenant.id, id_, step)
            else:
                taken = await transaction.execute(_TAKE_RECOVERY, tenant.id, id_, recovery_hash(code))
        if row is None or not taken:
            self._refused(tenant, id_, where, "a one-time code that is not right")
            raise NotProven(
                "that code does not fit", mend="wait for the next one, or use one of your recovery codes"
            )
        await counted.right()
        how = "password and code" if step else "password and recovery code"
        return await self._open(tenant, id_, row["email"], where, how=how)

    async def accept(
        self, text: str, *, password: str, where: From, name: str = "", email: str = ""
    ) -> tuple[Tenant, Signed]:
        """Use a link up and sign in. Raises `NotProven`, `Refused`, `Conflict`."""
        asked = await self._people.link(text)
        refuse_weak(password, asked.email.partition("@")[0], asked.person, name, email.partition("@")[0])
        kept = await self._passwords.hash(password)
        tenant, account = await self._people.accept(
            text, password=kept, origin=where.origin, name=name, email=email
        )
        return tenant, await self._open(tenant, account.id, account.email, where, how="link")

    async def change_password(
        self, tenant: Tenant, account: Account, old: str, new: str, where: From
    ) -> Signed:
        """Another password, by whoever knows the one before. All sessions end, this one begins anew."""
        await self._again(tenant, account, old, where)
        refuse_weak(new, account.email.partition("@")[0], account.name)
        kept = await self._passwords.hash(new)
        async with self._database.engine() as transaction:
            await transaction.execute(_SET_WORDS, tenant.id, account.id, kept)
            await end_all(transaction, tenant.id, account.id)
            await self._note(transaction, tenant, account.id, where, "person.change", {"set": "password"})
        return await self._open(tenant, account.id, account.email, where, how="password")

    async def begin_codes(self, tenant: Tenant, account: Account, password: str, where: From) -> str:
        """A new secret for one-time codes, shown this once; in use once `codes_on` has seen a code."""
        await self._again(tenant, account, password, where)
        if account.totp_on:
            raise Conflict("one-time codes are on already", mend="switch them off first")
        secret = new_totp()
        sealed = await self._sealing.seal(tenant.id, ("totp", account.id), secret.encode())
        await self._database.at_once(
            "update crossdock.person set totp = $3 where tenant = $1 and id = $2 and not totp_on",
            tenant.id,
            account.id,
            sealed,
        )
        return secret

    async def codes_on(self, tenant: Tenant, account: Account, code: str, where: From) -> list[str]:
        """Ask for codes from now on; gives recovery codes, to be shown this once. Raises `Refused`."""
        rows = await self._database.at_once(
            "select totp from crossdock.person "
            "where tenant = $1 and id = $2 and not totp_on and totp is not null",
            tenant.id,
            account.id,
        )
        if not rows:
            raise Conflict("there is nothing to switch on", mend="begin again")
        step = step_of(await self._totp(tenant, account.id, rows[0]["totp"]), code)
        if not step:
            raise Refused(
                "that code does not fit", mend="see that the clock of your device is right, and try again"
            )
        codes = new_recovery()
        async with self._database.engine() as transaction:
            await transaction.execute(
                "update crossdock.person set totp_on = true, totp_step = $3, recovery = $4 "
                "where tenant = $1 and id = $2",
                tenant.id,
                account.id,
                step,
                [recovery_hash(code) for code in codes],
            )
            await self._note(transaction, tenant, account.id, where, "person.change", {"codes": "on"})
        return codes

    async def codes_off(self, tenant: Tenant, account: Account, password: str, where: From) -> None:
        """Ask for no codes any more."""
        await self._again(tenant, account, password, where)
        async with self._database.engine() as transaction:
            await transaction.execute(
                "update crossdock.person set totp_on = false, totp = null, recovery = '{}' "
                "where tenant = $1 and id = $2",
                tenant.id,
                account.id,
            )
            await self._note(transaction, tenant, account.id, where, "person.change", {"codes": "off"})

    async def out(self, cookie: str, where: From) -> dict[str, Any] | None:
        """End a session; gives what it was, None where there was none."""
        async with self._database.engine() as transaction:
            found = await self._sessions.end(transaction, cookie)
            if found is not None:
                tenant = Tenant(id=found["tenant"], name="")
                await self._note(transaction, tenant, found["person"], where, "session.closed", None)
        return found

    async def _again(self, tenant: Tenant, account: Account, password: str, where: From) -> None:
        """Who is signed in shows the password once more, before the account is changed."""
        browser = await self._browser(tenant, where, account.email)
        counted = await attempt(self._database, tenant.id, account.email, where.origin, browser)
        rows = await self._database.at_once(_BY_EMAIL, tenant.id, account.email)
        if not await self._passwords.right(rows[0]["password"] if rows else "", password):
            self._refused(tenant, account.id, where, "a password that is not right")
            raise NotProven("that is not your password", mend="try again")
        await counted.right()

    async def _open(self, tenant: Tenant, id_: str, email: str, where: From, *, how: str) -> Signed:
        async with self._database.engine() as transaction:
            cookie = await self._sessions.begin(
                transaction, tenant.id, id_, origin=where.origin, agent=where.agent
            )
            await transaction.execute(
                "update crossdock.person set seen = statement_timestamp() where tenant = $1 and id = $2",
                tenant.id,
                id_,
            )
            await self._note(transaction, tenant, id_, where, "session.opened", {"how": how})
        mark = json.dumps([token_hex(8), email, id_, int(time.time()) + BROWSER_LASTS]).encode()
        browser = _text(await self._sealing.seal(tenant.id, ("browser",), mark))
        return Signed(cookie=cookie, browser=browser, person=id_)

    async def _keep_password(self, tenant: Tenant, id_: str, password: str) -> None:
        kept = await self._passwords.hash(password)
        await self._database.at_once(_SET_WORDS, tenant.id, id_, kept)

    async def _browser(self, tenant: Tenant, where: From, who: str) -> str:
        """The mark of a browser, where it is one that this person has used; else empty."""
        mark, email, id_, until = await self._unsealed(tenant, ("browser",), where.browser, ("", "", "", 0))
        return str(mark) if until > time.time() and who in (email, id_) else ""

    async def _unsealed(self, tenant: Tenant, bound: tuple[str, ...], text: str, otherwise: Any) -> Any:
        try:
            data = await self._sealing.open(tenant.id, bound, base64.urlsafe_b64decode(text[:2000].encode()))
            return json.loads(data)
        except (Broken, Refused, Unreachable, ValueError, binascii.Error):
            return otherwise

    async def _totp(self, tenant: Tenant, id_: str, sealed: bytes) -> str:
        return (await self._sealing.open(tenant.id, ("totp", id_), sealed)).decode()

    def _refused(self, tenant: Tenant, id_: str, where: From, why: str) -> None:
        who = Principal(tenant=tenant.id, id=id_ or "unknown", kind="human", origin=where.origin)
        self._refusals.note(who, "session.opened", Resource(kind="session"), why)

    async def _note(
        self, transaction: EngineTransaction, tenant: Tenant, id_: str, where: From, act: str, after: Any
    ) -> None:
        by = Principal(tenant=tenant.id, id=id_, kind="human", origin=where.origin)
        on = Resource(kind="person" if act.startswith("person") else "session", id=id_)
        await self._audit.record(transaction, by, act, on, after=after, tenant=tenant.id)


def _wrong() -> NotProven:
    return NotProven("address and password do not fit together", mend="try again, or ask who invited you")


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode()
