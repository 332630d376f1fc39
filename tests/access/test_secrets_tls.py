"""Headers on every answer, https by itself, and which proxies are believed."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crossdock.assemble import opened
from crossdock.cli.serving import pages
from crossdock.errors import Refused
from crossdock.settings import Settings

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000"


def read(folder: Path, url: str, **more: str) -> Settings:
    given = {"DATABASE_URL": url, "CROSSDOCK_PACKS": "", "CROSSDOCK_PORT": "0", **more}
    return Settings.read(folder, given)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that signed itself; its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "crossdock")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "tls.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return tmp_path / "tls.pem"


async def test_every_answer_of_every_door_has_the_usual_headers(tmp_path, url):
    async with (
        opened(read(tmp_path, url), set_up=True) as system,
        pages(system, port=0) as address,
        aiohttp.ClientSession() as http,
    ):
        for path in ("/", "/runs", "/nowhere", "/static/icon.svg", "/hooks/default/nobody", "/hooks/x"):
            for ask in (http.get, http.post):
                async with ask(address + path) as reply:
                    missing = {name: reply.headers.get(name) for name in ALWAYS} | {
                        "Cache-Control": "no-store" if "Cache-Control" in reply.headers else None
                    }
                    assert missing == ALWAYS, path
                    policy = reply.headers.getall("Content-Security-Policy")
                    assert len(policy) == 1
                    assert policy[0].startswith("default-src 'none'"), path
                    assert "frame-ancestors 'none'" in policy[0]
                    assert "Strict-Transport-Security" not in reply.headers  # it is http
                    assert "Server" not in reply.headers
                    if path.startswith("/hooks"):
                        assert "script-src" not in policy[0]


async def test_it_serves_https_by_itself_and_tells_browsers_to_stay_with_it(tmp_path, url, certificate):
    settings = read(tmp_path, url, CROSSDOCK_TLS_CERTIFICATE="tls.pem", CROSSDOCK_TLS_KEY="tls.key")
    trusting = ssl.create_default_context(cafile=certificate)
    async with (
        opened(settings, set_up=True) as system,
        pages(system, port=0) as address,
        aiohttp.ClientSession() as http,
    ):
        assert address.startswith("https://127.0.0.1:")
        for path in ("/", "/hooks/default/nobody"):
            async with http.get(address + path, ssl=trusting) as reply:
                assert reply.headers["Strict-Transport-Security"] == HSTS
        async with http.get(f"{address}/runs", ssl=trusting) as reply:
            assert "; Secure" in reply.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("proxies", "believed"), [("127.0.0.1", True), ("127.0.0.0/8", True), ("10.0.0.0/8", False), ("", False)]
)
async def test_a_proxy_is_believed_only_where_the_setting_names_it(tmp_path, url, proxies, believed):
    async with (
        opened(read(tmp_path, url, CROSSDOCK_PROXIES=proxies), set_up=True) as system,
        pages(system, port=0) as address,
        aiohttp.ClientSession() as http,
        http.get(address, headers={"X-Forwarded-Proto": "https"}) as reply,
    ):
        assert reply.headers.get("Strict-Transport-Security") == (HSTS if believed else None)


def test_a_certificate_without_its_key_is_refused(tmp_path, url):
    with pytest.raises(Refused, match="a certificate needs its key"):
        read(tmp_path, url, CROSSDOCK_TLS_CERTIFICATE="tls.pem")


async def test_a_certificate_that_cannot_be_used_is_told_plainly(tmp_path, url):
    (tmp_path / "tls.pem").write_text("no certificate")
    settings = read(tmp_path, url, CROSSDOCK_TLS_CERTIFICATE="tls.pem", CROSSDOCK_TLS_KEY="gone.key")
    async with opened(settings, set_up=True) as system:
        with pytest.raises(Refused, match="cannot be served with this certificate"):
            async with pages(system, port=0):
                pass
