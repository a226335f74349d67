"""Whom we trust as a client, of HTTP and of Redis, and how we show who we are."""

import ssl
from pathlib import Path

from relay.config.environment import Environment, why_unusable


def tls_context(
    environment: Environment,
    ca_file: Path | None = None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
    *,
    authorities: str | None = None,
) -> ssl.SSLContext:
    """The authorities in `ca_file`; else those that the environment names, else `authorities`, else the system's.

    `cert_file` (with `key_file`, where the key is not in it) is our own certificate, for a server that asks for one.

    Raises:
        ValueError: one of the files cannot be read, or does not hold what it should.
    """
    try:
        tls = ssl.create_default_context(cafile=str(ca_file)) if ca_file else environment.tls(authorities)
    except OSError as error:
        what = f"ca_file {ca_file}" if ca_file else f"SSL_CERT_FILE {environment.ca_file}"
        raise ValueError(f"cannot use {what}: {why_unusable(error)}") from None
    if cert_file is not None:
        _show(tls, cert_file, key_file)
    return tls


def _show(tls: ssl.SSLContext, cert_file: Path, key_file: Path | None) -> None:
    try:
        tls.load_cert_chain(cert_file, key_file, password="")
    except OSError as error:
        what = f"cert_file {cert_file}" + (f" with key_file {key_file}" if key_file else "")
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise ValueError(f"cannot use {what}: {why or 'no certificate with its key, without a passphrase'}") from None
