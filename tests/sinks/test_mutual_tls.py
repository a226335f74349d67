"""A webhook's TLS: a client certificate where the server asks for one, and an outcome for each way that TLS fails."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from relay.config import named_files
from sinks.base import Outcome, Reason, SinkError
from sinks.testing import make_context, make_event
from sinks.webhook import WebhookOptions, WebhookSink
from tests.support import eventually, free_port
from tests.support.certificates import certificate

ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def asking_server(
    own: tuple[Path, Path], trusted: Path | None, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> AsyncIterator[str]:
    """A server that demands a client certificate by `trusted`, if any."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*own)
    context.maximum_version = newest
    if trusted is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(trusted)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}/hook"


async def delivered(url: str, **options: Any) -> Outcome:
    given = WebhookOptions.model_validate({"url": url, "attempts": 1, "timeout": "30s", **options})
    sink = WebhookSink(given, make_context("app"))
    await sink.start()
    try:
        return await sink.deliver([make_event()], "kit-1")
    finally:
        await sink.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_demands_a_certificate_gets_it(tmp_path: Path, version: ssl.TLSVersion) -> None:
    own, (cert, key) = await certificate(tmp_path, "server"), await certificate(tmp_path, "client")
    both = tmp_path / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    async with asking_server(own, cert, version) as url:
        assert (await delivered(url, ca_file=own[0], cert_file=cert, key_file=key)).delivered
        assert (await delivered(url, ca_file=own[0], cert_file=both)).delivered


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_without_the_certificate_it_is_unreachable_and_says_why(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """With TLS 1.3 the alert comes after the handshake."""
    own, (cert, _) = await certificate(tmp_path, "server"), await certificate(tmp_path, "client")
    async with asking_server(own, cert, version) as url:
        outcome = await delivered(url, ca_file=own[0])
    assert outcome.reason is Reason.UNREACHABLE, outcome
    assert outcome.worth_retrying


@asynccontextmanager
async def closing_politely(own: tuple[Path, Path], trusted: Path) -> AsyncIterator[str]:
    """OpenSSL's own server: its alert is read before the connection has gone."""
    port = free_port()
    server = await asyncio.create_subprocess_exec(
        *("openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-www", "-Verify", "1", "-verify_return_error"),
        *("-cert", str(own[0]), "-key", str(own[1]), "-CAfile", str(trusted)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await eventually(lambda: _listens(port))
        yield f"https://localhost:{port}/hook"
    finally:
        server.terminate()
        await server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_openssls_refusal_has_an_outcome(tmp_path: Path) -> None:
    own, (cert, _) = await certificate(tmp_path, "server"), await certificate(tmp_path, "client")
    async with closing_politely(own, cert) as url:
        outcome = await delivered(url, ca_file=own[0])
    assert outcome.reason is Reason.UNREACHABLE
    lost = "the connection broke (ReadError)"  # the end of the connection overtook the alert
    assert outcome.detail in {"TLS failed: TLSV13_ALERT_CERTIFICATE_REQUIRED", lost}


async def test_a_certificate_that_the_server_does_not_trust(tmp_path: Path) -> None:
    own, (trusted, _) = await certificate(tmp_path, "server"), await certificate(tmp_path, "client")
    cert, key = await certificate(tmp_path, "stranger")
    async with asking_server(own, trusted) as url:
        outcome = await delivered(url, ca_file=own[0], cert_file=cert, key_file=key)
    assert outcome.reason is Reason.UNREACHABLE, outcome


async def test_bytes_that_are_no_tls_behind_a_handshake(tmp_path: Path) -> None:
    """The record layer breaks while the answer is awaited: an SSLError that no HTTP library wraps."""
    own = await certificate(tmp_path, "server")

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        plain = writer.transport.get_extra_info("socket")
        await asyncio.to_thread(_send_raw, plain.fileno())
        writer.transport.abort()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*own)
    server = await asyncio.start_server(cut, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        outcome = await delivered(f"https://localhost:{port}/hook", ca_file=own[0])
    assert outcome.reason in {Reason.UNREACHABLE, Reason.BAD_ANSWER}, outcome


def _send_raw(descriptor: int) -> None:
    os.write(descriptor, b"\x17\x03\x03\x00\x20" + b"no TLS record at all, 32 bytes..")


async def test_nothing_about_it_is_a_traceback(tmp_path: Path) -> None:
    own, (cert, _) = await certificate(tmp_path, "server"), await certificate(tmp_path, "client")
    with capture_logs() as logs:
        async with asking_server(own, cert) as url:
            await delivered(url, ca_file=own[0])
    assert logs == []


async def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    cert, key = await certificate(tmp_path, "client")
    _, foreign = await certificate(tmp_path, "other")
    locked_cert, locked_key = await certificate(tmp_path, "locked", "-passout", "pass:hidden")
    wrong = [
        {"cert_file": tmp_path / "missing.pem", "key_file": key},
        {"cert_file": cert},
        {"cert_file": cert, "key_file": foreign},
        {"cert_file": locked_cert, "key_file": locked_key},
    ]
    for files in wrong:
        with pytest.raises(SinkError, match=f"^cannot use cert_file {files['cert_file']}"):
            await delivered("https://localhost:1/hook", **files)


def test_a_key_without_a_certificate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="key_file goes with cert_file"):
        WebhookOptions.model_validate({"url": "https://x.example", "key_file": tmp_path / "key.pem"})


def test_a_renewed_certificate_is_a_changed_sink(tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.write_text("one", encoding="utf-8")
    options = {"type": "webhook", "cert_file": str(cert)}
    before = named_files.contents(options)
    cert.write_text("two", encoding="utf-8")
    assert named_files.contents(options) != before
