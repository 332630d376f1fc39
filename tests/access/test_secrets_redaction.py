"""Secrets are taken out of texts and logs, whoever's they are, and what is none is left alone."""

from __future__ import annotations

import base64
import io
import json
import logging
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from crossdock.access.redaction import GONE, Redaction, forms, hidden

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLWhlcmU"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\ndef\n-----END RSA PRIVATE KEY-----"

LIKELY = {
    "Authorization: Basic dXNlcjpjYW5hcnk=": "Authorization: ***",
    "{'Authorization': 'Token canary:1234'}": "{'Authorization': '***'}",
    "sent Bearer canary-12345678 to it": "sent Bearer *** to it",
    "the key cdk_12_7f3k2q_c4n4ryc4n4ry is known": "the key cdk_12_7f3k2q_*** is known",
    f"token was {JWT}!": "token was ***!",
    f"got {PEM} there": "got *** there",
    "got -----BEGIN PRIVATE KEY-----\nMIIcut off": "got ***",
    "postgresql://owner:can%40ry@db.example/x": "postgresql://owner:***@db.example/x",
    "redis://:canary@cache:6379": "redis://:***@cache:6379",
    "password=canary1 user=anna": "password=*** user=anna",
    '{"client_secret": "canary", "grant_type": "x"}': '{"client_secret": "***", "grant_type": "x"}',
    "POST /token?access_token=canary&x=1": "POST /token?access_token=***&x=1",
    "X-Api-Key: canary-9": "X-Api-Key: ***",
    "Set-Cookie: session=canary; Path=/": "Set-Cookie: ***",
    "whsec_ZmFycm93LWhvb2s is not base64": "*** is not base64",
    "hvs.CAESIJcanary123 was refused": "*** was refused",
}

HARMLESS = [
    "northway answered 422: quantity: must be above 0",
    "no connection to parcels: Connect call failed ('127.0.0.1', 8080)",
    "the secret `key` is missing",
    "basic authentication is needed",
    "http://127.0.0.1:8470/runs/order-to-cash/A-1",
    "at 2026-03-01T12:30:00Z: 12.50 EUR for user@example.org",
    "Bearer of the parcel: A. Smith",
    "eyJust a word",
]


@pytest.mark.parametrize("text", LIKELY)
def test_what_looks_like_a_secret_is_taken_out(text):
    assert hidden(text) == LIKELY[text]
    assert hidden(hidden(text)) == hidden(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_none_is_left_alone(text):
    assert hidden(text) == text


@given(st.text(min_size=4, max_size=60).filter(lambda text: not text.isalpha()), st.text(), st.text())
def test_a_known_secret_is_taken_out_of_any_text_in_any_form(secret, before, after):
    redaction = Redaction()
    redaction.learn([secret])
    for form in forms(secret):
        assert form not in redaction.clean(f"{before}{form}{after}").replace(GONE, "") or form in (
            before + after
        )


def test_a_secret_is_known_as_it_stands_in_addresses_json_and_base64():
    redaction = Redaction()
    secret = 'cänary "7/8'
    redaction.learn([secret])
    for shown in (quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], secret):
        assert redaction.clean(f"<{shown}>") == f"<{GONE}>" or quote(secret) == shown
    whole = base64.b64encode(secret.encode()).decode()
    assert whole.rstrip("=") not in redaction.clean(f"<{whole}>")


def test_plain_words_are_not_blanked_out_of_logs():
    redaction = Redaction()
    redaction.learn(["crossdock", "abc"])
    assert redaction.clean("the table crossdock.run, abc") == "the table crossdock.run, abc"


def test_many_secrets_are_known_and_the_oldest_forgotten():
    redaction = Redaction(["always-1"])
    redaction.learn(f"secret-{n:05}" for n in range(5000))
    assert redaction.clean("secret-04999 always-1") == f"{GONE} {GONE}"
    assert redaction.clean("secret-00001") == "secret-00001"


def test_no_log_of_the_process_shows_one_in_words_in_values_or_in_a_traceback():
    written, handled = io.StringIO(), io.StringIO()
    redaction = Redaction(["canary-always"])
    redaction.learn(["canary-known"])
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(written))
    handler = logging.StreamHandler(handled)
    logging.getLogger("a.library").addHandler(handler)
    log = structlog.get_logger("ours")

    def fail(password: str) -> None:
        raise ValueError(f"{password} did not do")

    try:
        with redaction.over_logs():
            log.warning(
                "said canary-known", text="canary-always", nested={"a": [b"canary-known", {"token": "t"}]}
            )
            log.warning("named", password="short", address="db://u:canary@h", count=7)
            logging.getLogger("a.library").error("said %s to %s", "canary-known", {"x": "canary-always"})
            try:
                fail("canary-known")
            except ValueError:
                log.exception("failed")
                logging.getLogger("a.library").exception("failed")
    finally:
        logging.getLogger("a.library").removeHandler(handler)
        structlog.reset_defaults()
    for text in (written.getvalue(), handled.getvalue()):
        assert "canary" not in text.replace('fail("canary-known")', "")
        assert "did not do" in text
    assert "count" in written.getvalue()
    assert "short" not in written.getvalue()


def test_nobody_writes_a_line_of_a_log_but_us():
    """Texts of partners stay on the line they are told in; a traceback's lines are set in."""
    written, handled = io.StringIO(), io.StringIO()
    forged = "SO-1\n2026-01-01 00:00:00 [info     ] all.well\r\x1b[2J\u202e"
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(written))
    handler = logging.StreamHandler(handled)
    logging.getLogger("a.library").addHandler(handler)
    try:
        with Redaction().over_logs():
            structlog.get_logger("ours").warning("order.refused", key=forged, inner={"key": [forged]})
            logging.getLogger("a.library").error("refused %s", forged)
            try:
                int(forged)
            except ValueError:
                structlog.get_logger("ours").exception("failed")
                logging.getLogger("a.library").exception("failed")
    finally:
        logging.getLogger("a.library").removeHandler(handler)
        structlog.reset_defaults()
    for text in (written.getvalue(), handled.getvalue()):
        assert "all.well" in text
        assert not any(line.startswith("2026-01-01") for line in text.splitlines())
        assert not {"\r", "\u202e"} & set(text)
        assert "[2J" not in text.replace("\\x1b[2J", "")


def test_logs_are_as_before_when_it_is_over():
    before = [*structlog.get_config()["processors"]], logging.getLogRecordFactory()
    with Redaction().over_logs(), Redaction().over_logs():
        pass
    assert ([*structlog.get_config()["processors"]], logging.getLogRecordFactory()) == before
