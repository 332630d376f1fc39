"""What a browser shows of a session, at every door: its cookie, and the token that a change carries.

The cookie comes along whoever made the browser ask. So a change is taken only with a token that follows from
the session, and that no other site can read: it stands in the forms of pages, and programs in the browser
send it in a header.
"""

from __future__ import annotations

import hashlib
import hmac

_COOKIE = "crossdock_session"


def session_cookie(*, secure: bool) -> str:
    """The name of the cookie. Over https browsers bind it to this host by its prefix."""
    return f"__Host-{_COOKIE}" if secure else _COOKIE


def session_token(session: str) -> str:
    """The token that goes with a session: of no use with another, and none when it has ended."""
    return hmac.new(session.encode(errors="replace"), b"crossdock.form.1", hashlib.sha256).hexdigest()
