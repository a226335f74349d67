"""What is in the files that a section names: a changed certificate or secret is a changed configuration."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_BYTES = 16 << 20
"""So much of a file is compared: it may be `/dev/zero`."""


def contents(options: Any) -> dict[str, str]:
    """A digest of each file named by a key that ends with `_file`, by its path."""
    if isinstance(options, Mapping):
        found: dict[str, str] = {}
        for key, value in options.items():
            if str(key).endswith("_file") and isinstance(value, str | Path):
                found[str(value)] = _digest(Path(value))
            else:
                found |= contents(value)
        return found
    if isinstance(options, list):
        return {path: digest for each in options for path, digest in contents(each).items()}
    return {}


def certificates(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The same for the certificates that the environment names; of a directory, for each file in it."""
    given = os.environ if variables is None else variables
    paths = [Path(part) for part in (given.get("SSL_CERT_FILE", ""), *given.get("SSL_CERT_DIR", "").split(":")) if part]
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    return {str(file): _digest(file) for file in files}


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.sha256(file.read(MAX_BYTES)).hexdigest()
    except OSError as error:
        return type(error).__name__
