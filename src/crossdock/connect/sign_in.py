"""The usual ways to sign in, each as a talk over what the connection knows; others are written likewise."""

from __future__ import annotations

import base64
from collections.abc import Generator, Mapping

from crossdock.connect.contract import Access, Request, Response, Session, SignIn
from crossdock.errors import Refused


def secret_headers(headers: Mapping[str, str]) -> SignIn:
    """Secrets in headers, as they are or after a word: `{"X-Key": "{api_key}", "X-Client": "{client}"}`.

    Names in braces are secrets, else settings, of the connection.
    """

    def sign_in(access: Access) -> Generator[Request, Response, Session]:
        known = {**access.settings, **{name: secret.reveal() for name, secret in access.secrets.items()}}
        try:
            filled = {name: text.format_map(known) for name, text in headers.items()}
        except KeyError as error:
            raise Refused(f"the connection has no {error.args[0]}", mend="set it") from None
        yield from ()  # asks nothing
        return Session(headers=filled)

    return sign_in


def basic(user: str = "user", password: str = "password") -> SignIn:  # noqa: S107 - the name of the secret
    """HTTP Basic; `user` names a setting or secret, `password` a secret."""

    def sign_in(access: Access) -> Generator[Request, Response, Session]:
        name = access.secrets[user].reveal() if user in access.secrets else str(access.settings[user])
        yield from ()  # asks nothing
        return Session(headers={"Authorization": _basic(name, access.secrets[password].reveal())})

    return sign_in


def client_credentials(
    token: str,
    *,
    client_id: str = "client_id",
    client_secret: str = "client_secret",  # noqa: S107 - the name of the secret
    scope: str = "",
    extra: Mapping[str, str] | None = None,
    basic: bool = False,
) -> SignIn:
    """OAuth 2 client credentials: a token from `token` (a path or whole address), kept until it ends.

    `client_id` names a setting or secret, `client_secret` a secret; `extra` goes into the form. The two
    travel in the form or, with `basic`, as HTTP Basic (RFC 6749, section 2.3.1).
    """

    def sign_in(access: Access) -> Generator[Request, Response, Session]:
        known = access.secrets.get(client_id)
        name = known.reveal() if known else str(access.settings[client_id])
        secret = access.secrets[client_secret].reveal()
        form = {
            "grant_type": "client_credentials",
            **({} if basic else {"client_id": name, "client_secret": secret}),
            **({"scope": scope} if scope else {}),
            **(extra or {}),
        }
        headers = {"Authorization": _basic(name, secret)} if basic else {}
        reply = (yield Request("POST", token, form=form, headers=headers, changes=False)).json()
        try:
            seconds = reply.get("expires_in")
            return Session(
                headers={"Authorization": f"Bearer {reply['access_token']}"},
                seconds=None if seconds is None else float(seconds),
            )
        except (KeyError, AttributeError, TypeError, ValueError):
            raise Refused("the answer of the token address holds no access token") from None

    return sign_in


def _basic(name: str, secret: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{secret}'.encode()).decode()}"
