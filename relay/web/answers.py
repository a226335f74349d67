"""Answers to a browser: compressed where it takes that, and not sent again where it has them already."""

import gzip
import hashlib

from starlette.requests import Request
from starlette.responses import Response

from relay.web.assets import FOR_EVER, Asset

SMALL = 500
"""Bytes below which compression gains nothing."""
LEVEL = 5
"""Of gzip: the next ones cost twice as much for a hundredth."""


def takes_gzip(request: Request) -> bool:
    """Whether the client says that it can read gzip."""
    return "gzip" in request.headers.get("accept-encoding", "")


def answer(request: Request, text: str | bytes, media_type: str, *, keep: bool = False) -> Response:
    """`text` as it stands; with `keep`, the client may ask next time whether it has changed (ETag)."""
    body = text.encode() if isinstance(text, str) else text
    headers = {"Vary": "Accept-Encoding"}
    if keep:
        headers |= {"ETag": f'W/"{hashlib.sha256(body).hexdigest()[:20]}"', "Cache-Control": "private, no-cache"}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
    if len(body) >= SMALL and takes_gzip(request):
        body = gzip.compress(body, LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=media_type, headers=headers)


def asset_answer(request: Request, found: Asset) -> Response:
    """A file that never changes under its name."""
    headers = {"Vary": "Accept-Encoding", "Cache-Control": FOR_EVER}
    if takes_gzip(request):
        headers["Content-Encoding"] = "gzip"
    body = found.compressed if takes_gzip(request) else found.content
    return Response(body, media_type=found.media_type, headers=headers)
