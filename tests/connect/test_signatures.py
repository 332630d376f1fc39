"""Which messages are believed to be the sender's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from crossdock.connect.secret import Secret
from crossdock.connect.signatures import NotVerified, Scheme, verify
from crossdock.errors import Refused

SENDERS = {
    "standard-webhooks": Scheme(kind="standard"),
    "easypost": Scheme(
        kind="hmac", header="X-Hmac-Signature", prefix="hmac-sha256-hex=", encoding="hex", key="nfkd"
    ),
    "github": Scheme(kind="hmac", header="X-Hub-Signature-256", prefix="sha256=", encoding="hex"),
    "stripe": Scheme(kind="timestamped", header="Stripe-Signature"),
    "shopify": Scheme(kind="hmac", header="X-Shopify-Hmac-SHA256"),
    "woocommerce": Scheme(kind="hmac", header="X-WC-Webhook-Signature"),
    "aftership": Scheme(kind="hmac", header="aftership-hmac-sha256"),
    "shippo": Scheme(kind="timestamped", header="Shippo-Auth-Signature"),
    "frappe": Scheme(kind="hmac", header="X-Frappe-Webhook-Signature"),
}
CASES = json.loads((Path(__file__).parent / "signature_cases.json").read_text())["cases"]
NOW = 1_700_000_000


def check(scheme, headers, body, *secrets, now=NOW, query=()):
    pairs = list(headers.items()) if isinstance(headers, dict) else headers
    verify(scheme, pairs, body, [Secret(s) for s in secrets], now=now, query=query)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_what_senders_publish(case):
    given = (SENDERS[case["scheme"]], case["headers"], case["body"].encode(), case["secret"])
    if case["expect"] == "valid":
        check(*given, now=case["now"] or NOW)
    else:
        with pytest.raises(NotVerified):
            check(*given, now=case["now"] or NOW)


@pytest.mark.parametrize("case", [c for c in CASES if c["expect"] == "valid"], ids=lambda case: case["id"])
def test_one_changed_byte_another_secret_or_a_second_header_is_refused(case):
    scheme, headers, body = SENDERS[case["scheme"]], case["headers"], case["body"].encode()
    now = case["now"] or NOW
    check(scheme, headers, body, "whsec_AAAA", case["secret"], now=now)  # two hold while rotating
    for bad_body in (body + b" ", body[:-1], b""):
        with pytest.raises(NotVerified):
            check(scheme, headers, bad_body, case["secret"], now=now)
    with pytest.raises(NotVerified):
        check(scheme, headers, body, "whsec_AAAA", now=now)
    with pytest.raises(NotVerified, match="no secret"):
        check(scheme, headers, body, now=now)
    for name, value in headers.items():
        if any(word in name.lower() for word in ("sign", "hmac")):
            twice = [*headers.items(), (name.upper(), value)]
            with pytest.raises(NotVerified, match="given 2 times"):
                check(scheme, twice, body, case["secret"], now=now)
            with pytest.raises(NotVerified, match=r"missing"):
                check(scheme, {k: v for k, v in headers.items() if k != name}, body, case["secret"], now=now)


def hexed(secret, text, algorithm="sha256"):
    return hmac.new(secret.encode(), text, algorithm).hexdigest()


def test_a_signature_with_a_time_holds_for_as_long_as_clocks_may_differ():
    scheme = Scheme(kind="timestamped", header="Sign", tolerance=300)
    headers = {"Sign": f"t={NOW},v0=ab,v1={'0' * 64},v1={hexed('k', b'%d.x' % NOW)}"}
    for off in (-300, 0, 300):
        check(scheme, headers, b"x", "k", now=NOW + off)
    for off in (-301, 301):
        with pytest.raises(NotVerified, match="s is most"):
            check(scheme, headers, b"x", "k", now=NOW + off)


@pytest.mark.parametrize(
    "value",
    ["", "t=1", "v1=ab", "t=,v1=ab", "t=1,t=2,v1=ab", f"t=-{NOW},v1=ab", f"t={NOW}.5,v1=ab", f"t={NOW},v1=xyz", "t=1e9,v1=ab", "t=" + "9" * 40 + ",v1=ab"],
)  # fmt: skip
def test_a_malformed_signature_is_refused(value):
    with pytest.raises(NotVerified):
        check(Scheme(kind="timestamped", header="Sign"), {"Sign": value}, b"x", "k")


def test_a_signed_text_may_hold_the_time_of_another_header():
    scheme = Scheme(
        kind="hmac", header="Sign", encoding="hex", algorithm="sha512", signed="v0:{timestamp}:{body}", timestamp_header="Time"
    )  # fmt: skip
    headers = {"Sign": hexed("k", b"v0:%d:x" % NOW, "sha512"), "Time": str(NOW)}
    check(scheme, headers, b"x", "k")
    with pytest.raises(NotVerified):
        check(scheme, {**headers, "Time": str(NOW + 1)}, b"x", "k")
    with pytest.raises(NotVerified, match="old"):
        check(scheme, headers, b"x", "k", now=NOW + 3600)


def test_a_body_with_braces_is_signed_as_it_is():
    scheme = Scheme(
        kind="hmac", header="Sign", encoding="hex", signed="{timestamp}.{body}", timestamp_header="T"
    )
    body = b"{body}{timestamp}\xff\x00"
    check(scheme, {"Sign": hexed("k", b"%d." % NOW + body), "T": str(NOW)}, body, "k")


def test_a_shared_secret_stands_in_a_header_or_in_the_address():
    check(Scheme(kind="shared", header="X-Token"), {"x-token": "s3"}, b"", "old", "s3")
    check(
        Scheme(kind="shared", header="Authorization", prefix="Bearer "),
        {"Authorization": "Bearer s3"},
        b"",
        "s3",
    )
    in_query = Scheme(kind="shared", query="token")
    check(in_query, {}, b"", "s3", query=[("token", "s3")])
    for query in ([("token", "s4")], [("Token", "s3")], [("token", "s3"), ("token", "s3")], []):
        with pytest.raises(NotVerified):
            check(in_query, {}, b"", "s3", query=query)


def test_http_basic_is_a_proof():
    value = "Basic " + base64.b64encode(b"ups:geheim").decode()
    check(Scheme(kind="basic"), {"Authorization": value}, b"", "ups:geheim")
    with pytest.raises(NotVerified):
        check(Scheme(kind="basic"), {"Authorization": value}, b"", "ups:other")


def test_a_standard_signature_matches_if_any_of_several_does():
    key = base64.b64encode(b"0123456789abcdef01234567").decode()
    mac = base64.b64encode(
        hmac.new(base64.b64decode(key), b"m1.%d.x" % NOW, hashlib.sha256).digest()
    ).decode()
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": str(NOW),
        "webhook-signature": f"v1a,AAAA v1,AAAA v1,{mac}",
    }
    check(Scheme(kind="standard"), headers, b"x", f"whsec_{key}")
    with pytest.raises(NotVerified, match="two names"):
        check(Scheme(kind="standard"), {**headers, "svix-signature": f"v1,{mac}"}, b"x", f"whsec_{key}")
    with pytest.raises(NotVerified, match="not base64"):
        check(Scheme(kind="standard"), headers, b"x", "whsec_not base64!")


# A 2048-bit key made for this test: p and q are the next primes after 3**645 and 5**440, so it is no secret.
def _key():
    def prime(number):
        number |= 1
        while any(pow(base, number - 1, number) != 1 for base in (2, 3, 5, 7)):
            number += 2
        return number

    p, q = prime(3**646), prime(5**441)
    return p * q, 65537, pow(65537, -1, (p - 1) * (q - 1))


def test_an_rsa_signature_is_verified_with_the_key_of_its_id():
    n, e, d = _key()
    assert n.bit_length() >= 2048
    length = (n.bit_length() + 7) // 8

    def number(value):
        return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8)).rstrip(b"=").decode()

    jwks = json.dumps({"keys": [{"kid": "k1", "kty": "RSA", "n": number(n), "e": number(e)}]})
    scheme = Scheme(
        kind="asymmetric", header="Sign", key_id_header="Key", signed="{timestamp}.{body}", timestamp_header="Time"
    )  # fmt: skip
    info = bytes.fromhex("3031300d060960864801650304020105000420")
    ending = b"\x00" + info + hashlib.sha256(b"%d.x" % NOW).digest()
    block = b"\x00\x01" + b"\xff" * (length - 2 - len(ending)) + ending
    signature = base64.b64encode(pow(int.from_bytes(block), d, n).to_bytes(length)).decode()
    headers = {"Sign": signature, "Key": "k1", "Time": str(NOW)}
    check(scheme, headers, b"x", jwks)
    for changed, body in (
        (headers, b"y"),
        ({**headers, "Sign": "AAAA"}, b"x"),
        ({**headers, "Key": "k2"}, b"x"),
    ):
        with pytest.raises(NotVerified):
            check(scheme, changed, body, jwks)
    short = b"\x00\x01" + b"\xff" * 8 + ending + b"\x00" * (length - 10 - len(ending))  # loose padding
    forged = base64.b64encode(pow(int.from_bytes(short), d, n).to_bytes(length)).decode()
    with pytest.raises(NotVerified):
        check(scheme, {**headers, "Sign": forged}, b"x", jwks)
    with pytest.raises(NotVerified, match="not a JSON Web Key Set"):
        check(scheme, headers, b"x", "no jwks")


@pytest.mark.parametrize(
    "given", [{"kind": "hmac"}, {"kind": "shared"}, {"kind": "asymmetric", "header": "S"}]
)
def test_a_scheme_that_leaves_out_what_it_needs_is_refused(given):
    with pytest.raises(Refused, match="which header"):
        Scheme(**given)
