"""One question to a system and its answer as an entry of a HAR 1.2 file, without secrets and personal data.

What is taken out, before anything is kept:

    headers      the value of each that is not on the list of harmless ones
    secrets      texts of the connection's secrets and what signing in gave, wherever they stand and in
                 whatever form; what looks like a secret; values that are named as one is
    signing in   all texts of both bodies
    people       values that are personal by their names, as the model has them and as partners call them;
                 those of the call's own input; addresses of e-mail; each wherever it stands in the exchange
    the address  the system's own: paths stand below https://recorded.example

What is no text, and what is larger than a quarter of a megabyte, is left out as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec

from crossdock.access.redaction import GONE, forms, is_secret_name, is_word
from crossdock.connect.contract import Request, Response
from crossdock.connect.lines import Line
from crossdock.model.personal import is_personal_name, transformed

PLACE = "https://recorded.example"
LARGEST = 256 * 1024  # bytes of a body
_LEAST = 4  # letters of a personal value that is looked for elsewhere; less would blank out words
_HARMLESS = frozenset(
    {
        *("accept", "accept-language", "content-type", "content-language", "content-length", "user-agent"),
        *("date", "link", "retry-after", "deprecation", "sunset", "allow", "vary", "cache-control"),
        *("ratelimit", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
        *("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-total-count"),
    }
)
_OF_TOKENS = frozenset({"token_type", "expires_in", "scope", "expires", "jsonrpc"})
_exact = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
_IS_FORM = re.compile(r"[^\s<>{}=]+=[^\s<>{}]*")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_TAGGED = re.compile(r"<(?P<open>(?:[\w-]+:)?(?P<tag>[\w-]+)(?:\s[^<>]*)?)>(?P<text>[^<>]+)</")


def entry_of(
    line: Line,
    request: Request,
    *,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    answer: Response,
    at: datetime,
    seconds: float,
    signing: bool = False,
    data: Any = None,
) -> dict[str, Any]:
    """The exchange as a HAR entry. `data` is the call's own input; `signing`: it is about signing in."""
    clean = _Clean(line, signing=signing)
    clean.note(data)
    asked, told = clean.read(body or b""), clean.read(answer.body)
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    found: dict[str, Any] = {
        "method": request.method,
        "url": clean.address(url),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": clean.headers(headers),
        "queryString": [],
        "headersSize": -1,
        "bodySize": len(body or b""),
    }
    found["queryString"] = [
        {"name": name, "value": value}
        for name, value in parse_qsl(urlsplit(found["url"]).query, keep_blank_values=True)
    ]
    if body:
        found["postData"] = {"mimeType": kind, "text": clean.written(asked)}
    length = round(seconds * 1000, 1)
    return {
        "startedDateTime": at.isoformat(),
        "time": length,
        "request": found,
        "response": {
            "status": answer.status,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": clean.headers(answer.headers),
            "content": {
                "size": len(answer.body),
                "mimeType": answer.headers.get("content-type", ""),
                "text": clean.written(told),
            },
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": len(answer.body),
        },
        "cache": {},
        "timings": {"send": 0, "wait": length, "receive": 0},
    }


def har_of(entries: Iterable[Any], *, version: str) -> dict[str, Any]:
    """A HAR 1.2 file of these entries."""
    creator = {"name": "Crossdock", "version": version}
    return {"log": {"version": "1.2", "creator": creator, "entries": list(entries)}}


def began(now: datetime, seconds: float) -> datetime:
    """When what ends now began."""
    return now - timedelta(seconds=seconds)


class _Left:
    """A body that is left out, and why."""

    def __init__(self, why: str) -> None:
        self.why = why


class _Form(list[tuple[str, str]]):
    """A body of named values."""


class _Clean:
    """Cleans one exchange: first all of it is looked through, then all is cleaned."""

    def __init__(self, line: Line, *, signing: bool) -> None:
        self._line = line
        self._signing = signing
        self._personal: set[str] = set()
        self._tokens = sorted(
            {form for text in line.tokens for form in forms(text)}, key=lambda one: (-len(one), one)
        )

    def note(self, data: Any) -> None:
        """What is personal in a value is looked for everywhere."""
        transformed(data, self._remember, str)

    def read(self, body: bytes) -> Any:
        """A body as it can be looked through; what is personal in it is noted."""
        if len(body) > LARGEST:
            return _Left(f"{len(body)} bytes, more than are recorded")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return _Left(f"{len(body)} bytes that are no text")
        try:
            value = _exact(text) if text else ""
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if _IS_FORM.fullmatch(text):
                form = _Form(parse_qsl(text, keep_blank_values=True))
                self.note(dict(form))
                return form
            for found in _TAGGED.finditer(text):
                if is_personal_name(found["tag"]):
                    self._remember(found["text"].strip())
            return text
        self.note(value)
        return value

    def _remember(self, value: str | float) -> str:
        text = str(value)
        if len(text) >= _LEAST and not is_word(text):
            self._personal.add(text)
        return text

    def text(self, text: str) -> str:
        """A text without any of it."""
        for one in self._tokens:
            text = text.replace(one, GONE)
        text = self._line.hide(text)
        for one in sorted(self._personal, key=lambda one: (-len(one), one)):
            for form in (one, quote(one, safe=""), urlencode({"": one})[1:]):
                text = text.replace(form, GONE)
        return _MAIL.sub(GONE, text)

    def headers(self, headers: Mapping[str, str]) -> list[dict[str, str]]:
        """Headers, the values of those alone that are harmless."""
        return [
            {"name": name, "value": self.text(value) if name.lower() in _HARMLESS else GONE}
            for name, value in headers.items()
        ]

    def address(self, url: str) -> str:
        """An address below `PLACE`."""
        split = urlsplit(url)
        base = urlsplit(self._line.base)
        path = split.path
        if split.netloc == base.netloc and path.startswith(base.path):
            path = path.removeprefix(base.path)
        pairs = [
            (name, self._value(name, value)) for name, value in parse_qsl(split.query, keep_blank_values=True)
        ]
        query = f"?{urlencode(pairs)}" if pairs else ""
        return f"{PLACE}{self.text(path)}{query}"

    def written(self, body: Any) -> str:
        """A body that was read, cleaned, as text."""
        if isinstance(body, _Left):
            return f"[{body.why}]"
        if isinstance(body, _Form):
            return urlencode([(name, self._value(name, value)) for name, value in body])
        if isinstance(body, str):
            return GONE if self._signing and body else self.text(self._tagged(body))
        # What is personal by its name goes first, then what stands elsewhere.
        masked = transformed(body, lambda value: GONE if isinstance(value, str) else 0, str)
        return _encode(self._cleaned(masked)).decode()

    def _cleaned(self, value: Any, name: str = "") -> Any:
        if isinstance(value, Mapping):
            return {self.text(key): self._cleaned(part, str(key)) for key, part in value.items()}
        if isinstance(value, list):
            return [self._cleaned(part, name) for part in value]
        if isinstance(value, str):
            return self._value(name, value)
        if value is None or isinstance(value, bool):
            return value
        return 0 if is_secret_name(name) or str(value) in self._personal else value

    def _value(self, name: str, value: str) -> str:
        if value and (is_secret_name(name) or is_personal_name(name)):
            return GONE
        if self._signing and value and name not in _OF_TOKENS:
            return GONE
        return self.text(value)

    def _tagged(self, text: str) -> str:
        def put(found: re.Match[str]) -> str:
            hide = is_personal_name(found["tag"]) or is_secret_name(found["tag"])
            return f"<{found['open']}>{GONE if hide else found['text']}</"

        return _TAGGED.sub(put, text)
