"""What must not be read by others is taken out of texts: of logs, kept errors, and records of the history.

Two kinds are taken out:

    known    texts of secrets that were opened here; also as they stand in addresses, in JSON, and in base64
    likely   what looks like one, whoever's it is: authorization headers, keys and tokens of ours (cd?_),
             JSON web tokens, private keys, passwords in addresses, `password: ...` and its like

`hidden` does the second kind and is pure. A `Redaction` does both, for all logs of the process while it is
on: structlog's and the standard library's, with their tracebacks.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, quote_plus

import structlog

from crossdock.legible import one_line, visible

GONE = "***"
_LEAST_KNOWN = 4  # letters; less would blank out words
_LONGEST_WORD = 12
_KEEP_KNOWN = 4096  # texts
_KEEP_SECONDS = 3600.0
_DEEPEST = 12

_NAME = (
    r"(?:[\w-]*(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|private[_-]?key|access[_-]?token|"
    r"refresh[_-]?token|id[_-]?token|auth[_-]?token)|pwd|token|x-[\w-]*(?:key|token|secret|auth)|"
    r"(?:proxy-)?authorization|(?:set-)?cookie)"
)
# Each with what stands for what it found. Order counts: the long forms first.
_LIKELY = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL if flags else re.DOTALL), put)
    for pattern, put, flags in (
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", GONE, False),
        (r"\beyJ[\w-]{8,}(?:\.[\w-]*){2,4}", GONE, False),
        (r"\bcd([klst])_(\d{1,10})_([0-9A-Za-z]{1,32})_[\w-]{8,}", rf"cd\1_\2_\3_{GONE}", False),
        (r"\b(?:whsec_|hvs\.|hvb\.|sk_live_|sk_test_|gh[pousr]_|xox[abprs]-)[\w+/=.-]{8,}", GONE, False),
        (r"\b([a-z][a-z0-9+.-]*://[^\s:/@'\"]*):[^\s@/'\"]+@", rf"\1:{GONE}@", True),
        (
            r"\b((?:proxy-)?authorization['\"]?\s*[:=]\s*b?['\"]?)(?!\s*\*\*\*)[^'\"\r\n]{4,}",
            rf"\1{GONE}",
            True,
        ),
        (r"\b((?:set-)?cookie['\"]?\s*[:=]\s*b?['\"]?)(?!\s*\*\*\*)[^'\"\r\n]{4,}", rf"\1{GONE}", True),
        (r"\b(bearer|basic|digest|negotiate)\s+(?=\S*[\d=_.+/-])[\w.~+/=-]{8,}", rf"\1 {GONE}", True),
        (rf"\b({_NAME}['\"]?\s*[:=]\s*b?['\"]?)(?!\*\*\*)[^\s'\"&,;)}}\]]{{4,}}", rf"\1{GONE}", True),
    )
)
_WHOLE = re.compile(rf"{_NAME}s?", re.IGNORECASE)  # names whose values never show
_NEAR = re.compile(
    r"://|[:=]|eyJ|cd[klst]_|BEGIN|whsec_|hv[sb]\.|sk_|gh[pousr]_|xox|bearer|basic|digest|negot",
    re.IGNORECASE,
)

_OF_LINES = frozenset({"exception", "stack"})


def hidden(text: str) -> str:
    """The text without what looks like a secret."""
    if _NEAR.search(text):
        for pattern, put in _LIKELY:
            text = pattern.sub(put, text)
    return text


def forms(text: str) -> set[str]:
    """A secret text, and as it may stand elsewhere: in an address, in JSON, in base64."""
    found = {text, quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1]}
    if len(text) >= 8:
        found |= {base64.b64encode(text.encode()).decode().rstrip("=")}
    return {one for one in found if len(one) >= _LEAST_KNOWN}


def is_word(text: str) -> bool:
    """Whether it is a plain word, as names of users are: to blank it out would spoil much else."""
    return len(text) <= _LONGEST_WORD and text.isalpha() and text.islower()


def is_secret_name(name: str) -> bool:
    """Whether what bears this name is a secret, whatever it is."""
    return _WHOLE.fullmatch(name) is not None


def _indented(text: Any) -> Any:
    """A text of several lines, all but the first set in: none of them looks like a line of the log."""
    return visible(text).replace("\n", "\n    ") if isinstance(text, str) else text


class Redaction:
    """Knows the secrets that were opened here of late, and takes them out of whatever is logged."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Know these for ever."""
        self._always = [one for text in known for one in forms(text)]
        self._seen: dict[str, float] = {}
        self._pattern: re.Pattern[str] | None = None

    def learn(self, texts: Iterable[str]) -> None:
        """These are secret; forgotten an hour after they were last learned."""
        now = time.monotonic()
        for text in texts:
            if len(text) >= _LEAST_KNOWN and not is_word(text):
                if text not in self._seen:
                    self._pattern = None
                self._seen.pop(text, None)
                self._seen[text] = now  # the newest stand last
        while len(self._seen) > _KEEP_KNOWN or (
            self._seen and now - next(iter(self._seen.values())) > _KEEP_SECONDS
        ):
            del self._seen[next(iter(self._seen))]
            self._pattern = None

    def clean(self, text: str) -> str:
        """The text without secrets, known ones and likely ones."""
        if self._pattern is None:
            every = {form for text_ in self._seen for form in forms(text_)} | set(self._always)
            longest_first = sorted(every, key=lambda one: (-len(one), one))
            self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        return hidden(self._pattern.sub(GONE, text))

    def cleaned(self, value: Any, depth: int = 0) -> Any:
        """A value of a log line likewise: texts wherever they stand, and all that is named as a secret is."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, bytes):
            return self.clean(value.decode(errors="replace"))
        if value is None or isinstance(value, bool | int | float) or depth > _DEEPEST:
            return value if depth <= _DEEPEST else GONE
        if isinstance(value, Mapping):
            return {
                name: GONE
                if isinstance(name, str) and _WHOLE.fullmatch(name) and isinstance(part, str | bytes)
                else self.cleaned(part, depth + 1)
                for name, part in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.cleaned(part, depth + 1) for part in value]
        return self.clean(str(value))

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """As a processor of structlog; tracebacks are rendered here, so that they are cleaned too."""
        event = structlog.processors.format_exc_info(_logger, _method, dict(event))
        cleaned = {name: self.cleaned({name: value})[name] for name, value in event.items()}
        return {
            name: _indented(value)
            if name in _OF_LINES
            else one_line(value)
            if isinstance(value, str)
            else value
            for name, value in cleaned.items()
        }

    @contextlib.contextmanager
    def over_logs(self) -> Iterator[None]:
        """While inside, everything this process logs is cleaned before it is written."""
        processors = structlog.get_config()["processors"]
        make = logging.getLogRecordFactory()

        def cleaned(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = make(*args, **kwargs)
            said = record.getMessage()
            if (clean := _indented(self.clean(said))) != said:
                record.msg, record.args = clean, ()
            if record.exc_info and record.exc_info[0] is not None:
                # A formatter takes this where it is there, and renders the traceback itself where not.
                record.exc_text = _indented(self.clean(logging.Formatter().formatException(record.exc_info)))
            return record

        processors.insert(len(processors) - 1, self)  # the last one renders
        logging.setLogRecordFactory(cleaned)
        try:
            yield
        finally:
            if logging.getLogRecordFactory() is cleaned:
                logging.setLogRecordFactory(make)
            if self in processors:
                processors.remove(self)
