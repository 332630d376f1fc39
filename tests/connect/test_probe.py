"""Whether a connection works: each thing that may be wrong is told by its name, with the mend."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from partner_depot import Bench, depot, look, looked

from crossdock.connect import Lines, Registry
from crossdock.connect.contract import exchange
from crossdock.connect.probe import Finding, probe
from crossdock.connect.sign_in import client_credentials
from crossdock.engine import Connections

HEALTH = exchange(look, looked)


async def findings(bench: Bench, url: str | None = None, **changed: object) -> list[Finding]:
    connector = depot(**{"health": HEALTH, **changed})
    await Connections(bench.database).put(
        bench.tenant,
        "depot",
        system="wms",
        connector="depot",
        settings={"url": bench.partner.url if url is None else url},
    )
    lines = Lines(bench.database, Registry.of([connector]), bench.keeps)
    return await probe(await lines.line(bench.tenant.id, "depot"))


def answers(status: int, text: str):
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    return answer


async def test_one_that_works_is_seen_through_to_its_answer(bench: Bench) -> None:
    found = await findings(bench)
    assert [one.step for one in found] == ["address", "name", "connection", "sign in", "health"]
    assert all(one.good for one in found)
    assert not any(method != "GET" for method, *_ in bench.partner.requests)


@pytest.mark.parametrize(
    ("address", "step", "said"),
    [
        ("depot.example", "address", "is no address"),
        ("ftp://depot.example", "address", "is no address"),
        ("http://depot.example:99999", "address", "is no address"),
        ("http://depot.invalid", "name", "the name depot.invalid is not known here"),
        ("http://127.0.0.1:9", "connection", "no connection to 127.0.0.1:9"),
    ],
)
async def test_what_is_wrong_on_the_way_there_is_told(
    bench: Bench, address: str, step: str, said: str
) -> None:
    last = (await findings(bench, address))[-1]
    assert (last.step, last.good) == (step, False)
    assert said in last.detail
    assert last.mend


@pytest.mark.parametrize(
    ("status", "text", "said", "mend"),
    [
        (401, '{"error": "who are you?"}', "answered 401: who are you?", "secrets (key)"),
        (403, "k-secret-1 may not do that", "answered 403: *** may not do that", "secrets (key)"),
        (404, "", "answered 404", "look at the path of `url`"),
        (500, "", "answered 500", "whether it is down"),
        (200, "<html>Welcome</html>", "the answer is not JSON", "not to a page for people"),
        (200, '{"rows": []}', "KeyError: 'items'", "mend the connector"),
    ],
)
async def test_what_is_wrong_with_its_answer_is_told(
    bench: Bench, status: int, text: str, said: str, mend: str
) -> None:
    bench.partner.answer = answers(status, text)
    last = (await findings(bench))[-1]
    assert (last.step, last.good) == ("health", False)
    assert said in last.detail
    assert mend in last.mend


async def test_a_sign_in_that_is_refused_is_told_before_anything_else_is_asked(bench: Bench) -> None:
    bench.partner.answer = answers(401, '{"error": "invalid_client"}')
    sign_in = client_credentials("/token", client_id="key", client_secret="key")
    last = (await findings(bench, sign_in=sign_in))[-1]
    assert (last.step, last.good) == ("sign in", False)
    assert "signing in was refused" in last.detail
    assert "crossdock secrets set depot NAME" in last.mend
    assert [path for _, path, *_ in bench.partner.requests] == ["/token"]


async def test_a_certificate_that_is_not_believed_is_told(bench: Bench, tls: str) -> None:
    last = (await findings(bench, tls))[-1]
    assert (last.step, last.good) == ("certificate", False)
    assert "is not believed: self-signed certificate" in last.detail
    assert "SSL_CERT_FILE" in last.mend


async def test_one_that_speaks_no_tls_is_told(bench: Bench) -> None:
    last = (await findings(bench, bench.partner.url.replace("http:", "https:")))[-1]
    assert (last.step, last.good) == ("certificate", False)
    assert "does not speak TLS as we do" in last.detail


@pytest.fixture
async def tls(tmp_path: Path) -> AsyncIterator[str]:
    """Where a server answers whose certificate nobody has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "depot.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *form) + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    runner = web.AppRunner(web.Application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    yield f"https://localhost:{runner.addresses[0][1]}"
    await runner.cleanup()
