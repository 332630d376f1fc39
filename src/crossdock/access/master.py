"""Master keys: they seal data keys and nothing else, and are never in the database.

A master key has a name, which stands beside what it sealed. The name of a key that we hold is worked out from
the key, so two keys never share one. Several may be known, so that one can replace another; the first is
current.

    text      32 bytes in base64 or hex, from the environment or a file (container secrets), one or several
    file      the same, in a file of our own in the data directory, made where nothing was sealed before
    vault     an address, vault+https://host:8200/MOUNT/KEY: the key stays in Vault's transit engine
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import aiohttp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crossdock.errors import Broken, Refused, Unreachable

_BYTES = 32
_NONCE = 12
_VAULT_SECONDS = 5.0
_MEND = "give 32 bytes in base64, as `openssl rand -base64 32` prints them"


class Master(Protocol):
    """Seals data keys. `about` is authenticated, and has to be the same to open."""

    @property
    def name(self) -> str:
        """What it is known by, for ever."""

    async def seal(self, data: bytes, about: bytes) -> bytes:
        """Sealed. Raises `Unreachable`, `Refused`."""

    async def open(self, sealed: bytes, about: bytes) -> bytes:
        """Opened. Raises `Broken` where it was changed, `Unreachable`, `Refused`."""


class HeldMaster:
    """A master key that we hold ourselves: AES-256-GCM."""

    def __init__(self, key: bytes) -> None:
        """Take 32 bytes."""
        self._cipher = AESGCM(key)
        self.name = "held-" + hmac.digest(key, b"crossdock: name of a master key", "sha256")[:8].hex()

    async def seal(self, data: bytes, about: bytes) -> bytes:
        """Sealed: nonce, then ciphertext with its tag."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, data, about)

    async def open(self, sealed: bytes, about: bytes) -> bytes:
        """Opened. Raises `Broken`."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], about)
        except (InvalidTag, ValueError):
            raise Broken(
                "a data key was changed since it was sealed",
                where="the table crossdock.data_key",
                mend="restore it from a backup",
            ) from None


class VaultMaster:
    """A key of Vault's transit engine, of a kind that takes associated data (aes256-gcm96)."""

    def __init__(self, address: str, token: str, token_file: Path | None) -> None:
        """Take `vault+https://host:8200/MOUNT/KEY`, with `?namespace=` where there are some.

        The token is read from its file for each call, since an agent renews it there. Raises `Refused`.
        """
        parts = urlsplit(address.removeprefix("vault+"))
        mount, _, key = parts.path.strip("/").rpartition("/")
        if parts.scheme not in ("http", "https") or not parts.netloc or not mount or "@" in parts.netloc:
            raise Refused(
                "this is no address of a key in Vault",
                where="master_key",
                mend="write vault+https://host:8200/MOUNT/KEY, as vault+https://vault.example:8200/transit/crossdock",
            )
        self.name = f"vault-{mount}/{key}"
        self._base = f"{parts.scheme}://{parts.netloc}/v1/{mount}"
        self._key = key
        self._token, self._token_file = token, token_file
        self._namespace = parse_qs(parts.query).get("namespace", [""])[0]

    async def seal(self, data: bytes, about: bytes) -> bytes:
        """Sealed by Vault: its text, `vault:v1:...`."""
        asked = {"plaintext": _base64(data), "associated_data": _base64(about)}
        return (await self._ask("encrypt", asked, "ciphertext")).encode()

    async def open(self, sealed: bytes, about: bytes) -> bytes:
        """Opened by Vault."""
        asked = {"ciphertext": sealed.decode(errors="replace"), "associated_data": _base64(about)}
        return base64.b64decode(await self._ask("decrypt", asked, "plaintext"))

    async def _ask(self, act: str, asked: dict[str, str], wanted: str) -> str:
        headers = {"X-Vault-Token": self._read_token(), "X-Vault-Request": "true"}
        if self._namespace:
            headers["X-Vault-Namespace"] = self._namespace
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_VAULT_SECONDS)) as http,
                http.post(
                    f"{self._base}/{act}/{self._key}", json=asked, headers=headers, allow_redirects=False
                ) as reply,
            ):
                answer = await reply.json(content_type=None) if reply.status < 500 else {}
                status = reply.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable(
                f"Vault does not answer: {type(error).__name__}", where=self._base, mend="see that it runs"
            ) from None
        if status >= 500 or status == 429:
            raise Unreachable(
                f"Vault answers {status}", where=self._base, mend="see that it is unsealed", retry_after=5
            )
        try:
            return str(answer["data"][wanted])
        except (KeyError, TypeError):
            raise Refused(
                f"Vault answers {status}: it does not {act} with the key {self._key}",
                where=self._base,
                mend="see that the key is there and that the token may encrypt and decrypt with it",
            ) from None

    def _read_token(self) -> str:
        if self._token_file is None:
            return self._token
        try:
            return self._token_file.read_text().strip()
        except OSError as error:
            raise Unreachable(
                f"the token for Vault cannot be read: {error.strerror}", where=str(self._token_file)
            ) from None


class Masters:
    """The master keys that are known now. Files are read each time, so a key that was added is seen."""

    def __init__(
        self,
        own_file: Path,
        *,
        given: str = "",
        given_file: Path | None = None,
        vault_token: str = "",
        vault_token_file: Path | None = None,
    ) -> None:
        """Those `given` come first, then those of `given_file`, then those of our own file."""
        self._given, self._given_file, self.own_file = given, given_file, own_file
        self._token, self._token_file = vault_token, vault_token_file

    def __repr__(self) -> str:
        return f"Masters({self.where})"  # the rest are secrets

    @property
    def where(self) -> str:
        """Where the current one is expected."""
        if self._given:
            return "CROSSDOCK_MASTER_KEY"
        return str(self._given_file or self.own_file)

    def known(self) -> Sequence[Master]:
        """All of them, the current one first. Raises `Refused` for what is none."""
        found: list[Master] = [self._read(text, "CROSSDOCK_MASTER_KEY") for text in _texts(self._given)]
        if self._given_file is not None:
            found += self._in(self._given_file)
        if self.own_file.exists():
            found += self._in(self.own_file)
        return found

    def current(self) -> Master:
        """The one that seals. Raises `Refused` where there is none."""
        known = self.known()
        if not known:
            raise Refused("there is no master key", where=self.where, mend=_MEND)
        return known[0]

    def make(self) -> None:
        """A new key of our own, current from now on; those before it stay known. Raises `Refused`, `Broken`.

        The file and its directory are for their owner alone.
        """
        if self._given or self._given_file is not None:
            raise Refused(
                "the master key is given from outside",
                where=self.where,
                mend="put the new key before the old one there, and start all processes again",
            )
        file = self.own_file
        kept = file.read_text() if file.exists() else ""
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = file.with_suffix(f".{os.getpid()}")
            temporary.unlink(missing_ok=True)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as writing:
                writing.write(_base64(secrets.token_bytes(_BYTES)) + "\n" + kept)
                writing.flush()
                os.fsync(writing.fileno())
            temporary.replace(file)
            folder = os.open(file.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise Refused(
                f"the master key cannot be written: {error.strerror}",
                where=str(file),
                mend="see who owns the directory, or give the key as CROSSDOCK_MASTER_KEY",
            ) from None

    def open_to_others(self) -> bool:
        """Whether users other than its owner may read our own file."""
        with contextlib.suppress(FileNotFoundError):
            return bool(self.own_file.stat().st_mode & 0o077)
        return False

    def _in(self, file: Path) -> list[Master]:
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise Refused(
                f"the master key cannot be read: {why}", where=str(file), mend="run as the user that owns it"
            ) from None
        found = [self._read(one, str(file)) for one in _texts(text)]
        if not found:
            raise Refused("there is no master key in it", where=str(file), mend=_MEND)
        return found

    def _read(self, text: str, where: str) -> Master:
        if text.startswith("vault+"):
            return VaultMaster(text, self._token, self._token_file)
        try:
            key = bytes.fromhex(text) if re.fullmatch("[0-9a-fA-F]{64}", text) else _from_base64(text)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != _BYTES:
            raise Refused("this is no master key", where=where, mend=_MEND)
        return HeldMaster(key)


def _texts(text: str) -> list[str]:
    """Keys are apart by white space or commas; what stands behind a # is for people."""
    lines = [line.partition("#")[0] for line in text.splitlines()]
    return [one for one in re.split(r"[\s,]+", " ".join(lines)) if one]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
