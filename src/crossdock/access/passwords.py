"""Passwords, one-time codes and recovery codes of local accounts.

Passwords are kept as Argon2id. To verify one takes the same time whether there is an account or not: where
there is none, one is verified that nobody has. A few are worked on at a time, since each takes 64 MB; who
comes when many wait is asked to come again.

One-time codes are those of RFC 6238: six digits, thirty seconds, one step to either side. Each is taken once.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
import unicodedata
from collections.abc import Callable
from typing import TypeVar

import argon2
import pyotp

from crossdock.errors import Refused, Unreachable

T = TypeVar("T")

SHORTEST, LONGEST = 12, 256  # letters
RECOVERY = 10  # codes
STEP = 30  # seconds
_AT_ONCE = 2
_MOST_WAITING = 16
_COMMON = ("password", "passwort", "123456789", "qwertz", "qwerty", "letmein", "crossdock", "admin")


class Passwords:
    """Hashes and verifies, a few at a time."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        """With the costs of RFC 9106's second choice: 3 passes over 64 MB, 4 lanes."""
        self._hasher = hasher or argon2.PasswordHasher()
        self._nobodys = ""
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """What is kept of a password."""
        return await self._work(self._hasher.hash, _plain(password))

    async def right(self, kept: str, password: str) -> bool:
        """Whether it is the one. With nothing kept: no, after the same time."""
        if not self._nobodys:
            self._nobodys = await self._work(self._hasher.hash, secrets.token_hex(16))
        found = await self._work(self._verify, kept or self._nobodys, _plain(password[: LONGEST * 4]))
        return found and bool(kept)

    def is_old(self, kept: str) -> bool:
        """Whether it was hashed at other costs than those of today."""
        return self._hasher.check_needs_rehash(kept)

    def _verify(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except argon2.exceptions.VerifyMismatchError:
            return False

    async def _work(self, act: Callable[..., T], *given: str) -> T:
        if self._waiting >= _MOST_WAITING:
            raise Unreachable("many sign in at this moment", mend="try again in a moment", retry_after=2)
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(act, *given)
        finally:
            self._waiting -= 1


def refuse_weak(password: str, *about: str) -> None:
    """Raises `Refused` for a password that is guessed early."""
    plain = _plain(password)
    if not SHORTEST <= len(plain) <= LONGEST:
        raise Refused(
            f"a password has {SHORTEST} to {LONGEST} letters", where="password", mend="several words do"
        )
    folded = plain.casefold()
    bare = folded
    for word in (*_COMMON, *(one.casefold() for one in about if len(one) >= 4)):
        bare = bare.replace(word, "")
    if len(bare) < 6 or len(set(folded)) < 5:
        raise Refused(
            "this password is guessed early",
            where="password",
            mend="several words that do not belong together do",
        )


def new_totp() -> str:
    """A new secret of one-time codes, in base32 as apps take it."""
    return pyotp.random_base32(32)


def totp_address(secret: str, account: str, issuer: str) -> str:
    """What apps read from a picture: otpauth://..."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def step_of(secret: str, code: str, now: float | None = None) -> int:
    """The step whose code this is; 0 for none of those that may be shown now."""
    digits = "".join(code.split())
    if len(digits) != 6 or not digits.isdecimal() or not digits.isascii():
        return 0
    at, found = int((time.time() if now is None else now) // STEP), 0
    for step in (at - 1, at, at + 1):
        if hmac.compare_digest(pyotp.TOTP(secret).generate_otp(step), digits):
            found = step
    return found


def new_recovery() -> list[str]:
    """Codes to be written down, each to be used once in the place of a one-time code."""
    codes = (base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY))
    return ["-".join(code[n : n + 4] for n in range(0, 16, 4)) for code in codes]


def recovery_hash(code: str) -> bytes:
    """What is kept of a recovery code: 80 random bits need nothing slower."""
    return hashlib.sha256("".join(code.split()).replace("-", "").lower().encode()).digest()


def _plain(password: str) -> str:
    return unicodedata.normalize("NFKC", password)
