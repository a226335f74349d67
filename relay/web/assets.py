"""The style sheet and the script: served under a name that holds their hash, so that a browser asks for them once."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
KINDS = {".css": "text/css", ".js": "text/javascript"}
FOR_EVER = "private, max-age=31536000, immutable"
TAG = 12
"""Digits of the hash in a name."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served; `name` is `style-0123456789ab.css`."""

    name: str
    content: bytes
    compressed: bytes
    media_type: str


@cache
def asset(file: str) -> Asset:
    """The file of `static/`, read at its first use."""
    path = STATIC / file
    content = path.read_bytes()
    tag = hashlib.sha256(content).hexdigest()[:TAG]
    name = f"{path.stem}-{tag}{path.suffix}"
    return Asset(name, content, gzip.compress(content, mtime=0), KINDS[path.suffix])


def address(file: str) -> str:
    """Where it is served, below the root of the pages."""
    return f"assets/{asset(file).name}"


def served(name: str) -> Asset | None:
    """The asset of that name; None when there is none, or the hash is another version's."""
    known = (asset(path.name) for path in STATIC.iterdir())
    return next((each for each in known if each.name == name), None)
