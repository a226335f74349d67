"""Who may see the pages, and what a browser may do with them.

With a token: whoever has it, as a bearer or as the password of basic authentication (so a browser can ask for it).
Without one: whoever is on this machine and asked for it by one of its own names, for a web site that points its name at
127.0.0.1 must not read what is here.
"""

import base64
import binascii
import ipaddress
import secrets
from email.utils import formatdate

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN_PATHS = ("/healthz", "/readyz")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, token: str | None, host: str) -> None:
        """`host` is where it listens."""
        self._app = app
        self._token = token
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or have answered with the headers that every page has."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {"Date": formatdate(usegmt=True), **HEADERS}.items():
                    headers.setdefault(name, value)  # an answer may say for itself how long it may be kept
            await send(message)

        app = self._refusal(Headers(scope=scope), scope["path"]) or self._app
        await app(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers, path: str) -> PlainTextResponse | None:
        if path in OPEN_PATHS:
            return None
        if self._token is not None:
            if _matches(_given(headers.get("authorization", "")), self._token):
                return None
            asks = {"WWW-Authenticate": 'Basic realm="tickstock-relay", charset="UTF-8"'}
            return PlainTextResponse("unauthorized: give the token as bearer or as password\n", 401, asks)
        if _is_ours(headers.get("host", ""), self._host):
            return None
        return PlainTextResponse("misdirected: ask for this page as localhost\n", 421)


def _given(authorization: str) -> str:
    """The token that a request brings, as `Bearer TOKEN` or `Basic base64(anyone:TOKEN)`."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        decoded = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded.partition(":")[2]


def _matches(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(), token.encode())


def _is_ours(host_header: str, listens_on: str) -> bool:
    """Whether the name in `Host` is this machine's own: a loopback address, localhost, or the one listened on."""
    name = host_header.strip().lower()
    name = name.partition("]")[0].lstrip("[") if name.startswith("[") else name.partition(":")[0]
    if name in ("localhost", listens_on.lower()) or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
