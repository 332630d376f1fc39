"""Tokens of personal data: made, opened, hidden, and the words by which a subject is found.

    ⟦p:HANDLE:CIPHER⟧     AES-SIV (RFC 5297): the same for the same subject and value
    ⟦p:HANDLE:CIPHER…     one that somebody has shortened: it opens no more

Pure: keys are given, and whose they are `subjects` knows.
"""

from __future__ import annotations

import base64
import hmac
import re
import unicodedata
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from crossdock.model.personal import transformed

ERASED = "[erased]"
HIDDEN = "[hidden]"  # from whoever may not read it
CUT = "[…]"  # a token that somebody has shortened

TOKEN = re.compile(r"⟦p:([\w-]{16}):([\w-]+)⟧")
MARK = "⟦p:".encode()
_BROKEN = re.compile(r"⟦p:[\w:-]*⟧?")
_WORD = re.compile(r"[^\W_]{2,}")
_MOST_WORDS = 32  # of one value
_NUMBER = b"\0"  # before what is no text, as JSON has it


@dataclass(slots=True)
class Seal:
    """Makes the tokens of one subject; `words` are those by which it shall be found besides.

    `found` are the tokens by whose words it is found already: the same value is the same token.
    """

    handle: str
    _index: bytes
    _cipher: AESSIV | None  # None where the subject was erased: what comes late is not kept at all
    _about: list[bytes]
    found: AbstractSet[str] = frozenset()
    words: set[bytes] = field(default_factory=set)
    made: dict[str | float, str] = field(default_factory=dict)

    @property
    def erased(self) -> bool:
        """Whether nothing can be sealed any more."""
        return self._cipher is None

    def token(self, value: str | float) -> str:
        """The token of a value, by which the subject can be found from now on."""
        if self._cipher is None:
            return ERASED
        token = self.made.get(value)
        if token is None or isinstance(value, int | float):
            plain = safe(value) if isinstance(value, str) else value
            data = plain.encode() if isinstance(plain, str) else _NUMBER + msgspec.json.encode(plain)
            token = self.made[value] = self.of_bytes(data)
            if token not in self.found:
                self.words.update(words_of(self._index, str(plain)))
        return token

    def of_bytes(self, data: bytes) -> str:
        """The token of bytes as they came; nobody is found by it."""
        if self._cipher is None:
            return ERASED
        sealed = base64.urlsafe_b64encode(self._cipher.encrypt(data, self._about)).decode().rstrip("=")
        return f"⟦p:{self.handle}:{sealed}⟧"

    def hide(self, data: Any, *, event: str = "") -> Any:
        """A document with its personal values as tokens; brackets of tokens in it taken out."""
        return transformed(data, self.token, safe, event=event)


@dataclass(frozen=True, slots=True)
class Opened:
    """A value without tokens. `said`: what those said that it had, None where it had none; `gone`: whether
    one opened no more.
    """

    data: Any
    said: set[str] | None
    gone: bool


def safe(text: str) -> str:
    """A text of somebody else's, which can hold no token."""
    return text.replace("⟦", "[").replace("⟧", "]") if "⟦" in text or "⟧" in text else text


def shortened(text: str, most: int, end: str = "…") -> str:
    """At most so many letters, for which a token counts as a few; none is cut in two."""
    left, found, at = most, [], 0
    for match in TOKEN.finditer(text):
        found += [text[at : match.start()], match.group()]
        at = match.end()
    found.append(text[at:])
    for n, part in enumerate(found):
        size = 12 if n % 2 else len(part)
        if size > left:
            kept = "" if n % 2 else part[: max(0, left - len(end))]
            return "".join(found[:n]) + kept + end
        left -= size
    return text


Ciphers = Mapping[str, tuple[AESSIV, list[bytes]]]


def bound_to(tenant: int, handle: str) -> list[bytes]:
    """What a token of that subject holds for besides its key: it opens as no other's."""
    return [b"crossdock.personal.1", str(tenant).encode(), handle.encode()]


def _plain(text: str) -> str:
    """As it is compared: without accents, in lower case."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in apart if not unicodedata.combining(one))


def _blind(index: bytes, word: str) -> bytes:
    return hmac.digest(index, b"word\0" + word.encode(), "sha256")[:16]


def _terms(text: str) -> Iterable[str]:
    """By what a value is found: an e-mail address as a whole, a number by its digits, a name by its words."""
    plain = _plain(text).strip()
    if "@" in plain and " " not in plain:
        return {plain}
    digits = re.sub(r"\D", "", plain)
    if len(digits) >= 6 and not re.search(r"[a-z]", plain):
        return {digits}
    return set(_WORD.findall(plain)[:_MOST_WORDS])


def words_of(index: bytes, text: str) -> set[bytes]:
    """The words of a text, each hashed with the key of the index."""
    return {_blind(index, term) for term in _terms(text)}


def open_token(match: re.Match[str], ciphers: Ciphers) -> bytes | None:
    """What a token says; None where its key is gone, or where it is none."""
    handle, text = match.groups()
    try:
        cipher, about = ciphers[handle]
        return cipher.decrypt(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), about)
    except (KeyError, ValueError, InvalidTag):
        return None


def plain_value(data: bytes) -> Any:
    """The value that was sealed."""
    if data.startswith(_NUMBER):
        return msgspec.json.decode(data[len(_NUMBER) :])
    return data.decode(errors="replace")


@dataclass(slots=True)
class Opening:
    """Opens the tokens in a value, and gathers what they say."""

    ciphers: Ciphers
    said: set[str] = field(default_factory=set)
    gone: bool = False

    def value(self, data: Any) -> Any:
        """The same value, opened."""
        if isinstance(data, str):
            if "⟦" not in data:
                return data
            whole = TOKEN.fullmatch(data)
            if whole is not None:
                return self._one(whole)
            return _BROKEN.sub(CUT, TOKEN.sub(lambda match: str(self._one(match)), data))
        if isinstance(data, list | tuple):
            return [self.value(value) for value in data]
        if isinstance(data, dict | Mapping):  # to ask for the class itself is the faster
            return {self.value(name): self.value(value) for name, value in data.items()}
        return data

    def _one(self, match: re.Match[str]) -> Any:
        found = open_token(match, self.ciphers)
        if found is None:
            self.gone = True
            return ERASED
        plain = plain_value(found)
        self.said.add(str(plain))
        return plain
