"""Who signs the audit: an Ed25519 key, and the public keys of those that signed before.

    directory/
      signing.key    the seed, 32 bytes in base64, readable by its owner alone; none where it is given
      public-keys    every key that has signed here: its name and its public half, one a line

A key has the first 16 hex digits of the SHA-256 of its public half as its name. All machines that work on one
database sign with one key: give it to each.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crossdock.errors import Refused

_SEED = 32  # bytes
_MEND = "give 32 bytes in base64, as `openssl rand -base64 32` makes them"


class Signer:
    """Signs with the key that is given, or with the one in its directory, made when it is first needed."""

    def __init__(self, directory: Path, *, key: str = "") -> None:
        """Keep keys in `directory`; sign with `key` (32 bytes in base64) where it is given."""
        self.directory = directory
        self._given = key
        self._key: Ed25519PrivateKey | None = None
        self._name = ""

    @property
    def name(self) -> str:
        """Of the key that signs. Raises `Refused` where it cannot be used or made."""
        self._private()
        return self._name

    def sign(self, data: bytes) -> bytes:
        """The signature over `data`. Raises `Refused` where the key cannot be used or made."""
        return self._private().sign(data)

    def known(self) -> Mapping[str, bytes]:
        """The public halves by name: of keys that have signed here, and of the one that would."""
        found: dict[str, bytes] = {}
        file = self.directory / "public-keys"
        if file.exists():
            for line in file.read_text().splitlines():
                name, _, text = line.partition(" ")
                public = base64.b64decode(text)
                if key_name(public) == name:
                    found[name] = public
        if self._given or (self.directory / "signing.key").exists():
            public = self._private().public_key().public_bytes_raw()
            found[self._name] = public
        return found

    def _private(self) -> Ed25519PrivateKey:
        if self._key is None:
            where = "CROSSDOCK_AUDIT_KEY" if self._given else str(self.directory / "signing.key")
            seed = _decoded(self._given or self._kept(), where)
            self._key = Ed25519PrivateKey.from_private_bytes(seed)
            self._name = key_name(self._key.public_key().public_bytes_raw())
            self._tell()
        return self._key

    def _kept(self) -> str:
        """The key in the directory; it is made where there is none."""
        file = self.directory / "signing.key"
        try:
            if not file.exists():
                self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
                made = self.directory / f".{secrets.token_hex(8)}"
                _write(made, base64.b64encode(secrets.token_bytes(_SEED)).decode() + "\n")
                try:
                    os.link(made, file)  # whoever is first makes it; the others take that one
                except FileExistsError:
                    pass
                finally:
                    made.unlink()
            if file.stat().st_mode & 0o077:
                raise Refused(
                    "others may read the key that signs the audit", where=str(file), mend=f"chmod 600 {file}"
                )
            return file.read_text()
        except OSError as error:
            raise Refused(
                f"the key that signs the audit cannot be read or made: {error.strerror}",
                where=str(file),
                mend="let this user write there, or give the key in CROSSDOCK_AUDIT_KEY",
            ) from None

    def _tell(self) -> None:
        """Add the public half to those that are known here; where nothing can be written, it is not kept."""
        assert self._key is not None  # noqa: S101 - it was just made
        file = self.directory / "public-keys"
        line = f"{self._name} {base64.b64encode(self._key.public_key().public_bytes_raw()).decode()}\n"
        try:
            if not file.exists() or line not in file.read_text():
                self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
                with file.open("a") as out:
                    out.write(line)
        except OSError:
            return


def key_name(public: bytes) -> str:
    """What a key is called, by its public half."""
    return hashlib.sha256(public).hexdigest()[:16]


def is_signed(public: bytes, signature: bytes, data: bytes) -> bool:
    """Whether the owner of `public` has signed `data`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _decoded(text: str, where: str) -> bytes:
    try:
        seed = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("this is no key for the audit", where=where, mend=_MEND) from None
    if len(seed) != _SEED:
        raise Refused("this is no key for the audit", where=where, mend=_MEND)
    return seed


def _write(file: Path, text: str) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:  # noqa: PTH123
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
