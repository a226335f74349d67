"""Certificates that sign themselves, made by openssl."""

import asyncio
from pathlib import Path


async def openssl(*arguments: str) -> None:
    """Run it."""
    made = await asyncio.create_subprocess_exec("openssl", *arguments, stderr=asyncio.subprocess.DEVNULL)
    assert await made.wait() == 0


async def certificate(
    directory: Path, name: str, *more: str, hosts: tuple[str, ...] = ("localhost",)
) -> tuple[Path, Path]:
    """One for `hosts`, and its key."""
    cert, key = directory / f"{name}.pem", directory / f"{name}.key"
    usual = more or ("-nodes",)
    await openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"),
        *("-subj", "/CN=localhost", "-addext", f"subjectAltName={','.join(f'DNS:{host}' for host in hosts)}"),
        *("-keyout", str(key), "-out", str(cert), *usual),
    )
    return cert, key
