"""The relay behind the proxies of docs/reverse-proxy.md, as they stand there: Debian's nginx and Caddy, with TLS."""

from __future__ import annotations

import base64
import re
import shutil
import socket
import ssl
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from relay.cli import main
from tests.support import RelayProcess, Valkey, free_port, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "reverse-proxy.md").read_text(encoding="utf-8")
TLS = CHECKOUT / "tests" / "testdata" / "tls"
NAME = "relay.example"
TOKEN = "gehe:im"  # noqa: S105 - opens nothing


def block(language: str) -> str:
    """The configuration of that language on the page."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def nginx(directory: Path, port: int, relay_port: int) -> list[str]:
    """Its own file around the page's block; the port, the certificate and the relay's address are the test's."""
    server = block("nginx").replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    server = re.sub(r"(ssl_certificate(?:_key)?\s+)[^;]+", rf"\g<1>{TLS / 'server.pem'}", server)
    server = server.replace("127.0.0.1:9108", f"127.0.0.1:{relay_port}")
    paths = " ".join(f"{name}_temp_path {directory};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    text = f"pid {directory}/pid; daemon off; events {{}}\nhttp {{ access_log off; {paths}\n{server}}}\n"
    (directory / "nginx.conf").write_text(text, encoding="utf-8")
    return ["nginx", "-c", str(directory / "nginx.conf"), "-e", str(directory / "error.log"), "-p", str(directory)]


def caddy(directory: Path, port: int, relay_port: int) -> list[str]:
    """The page's block; as the name is not on the Internet, the certificate is given."""
    site = block("caddy").replace("127.0.0.1:9108", f"127.0.0.1:{relay_port}")
    site = site.replace(f"{NAME} {{", f"https://{NAME}:{port} {{\n    tls {TLS / 'server.pem'} {TLS / 'server.pem'}")
    ours = ["admin off", "grace_period 1s", "auto_https disable_redirects", f"storage file_system {directory}"]
    text = "\n    ".join(["{", *ours]) + f"\n}}\n{site}"
    (directory / "Caddyfile").write_text(text, encoding="utf-8")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(directory / "Caddyfile")]


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            until(lambda: _listens(port) or _is_gone(process, log), what=command[0])
            yield
        finally:
            process.terminate()
            process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def _is_gone(process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    return False


def connected(port: int) -> ssl.SSLSocket:
    """A browser's connection: the proxy's name in Server Name Indication; the certificate is the tests'."""
    context = ssl.create_default_context(cafile=str(TLS / "ca.pem"))
    context.check_hostname = False
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30), server_hostname=NAME)


def request(path: str, token: str | None, name: str = NAME) -> bytes:
    authorization = f"Authorization: Basic {base64.b64encode(f'ops:{token}'.encode()).decode()}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n{authorization}\r\n".encode()


def answer(port: int, path: str, token: str | None = TOKEN) -> tuple[int, str]:
    """Status and the rest of an answer."""
    with connected(port) as browser:
        browser.sendall(request(path, token))
        text = b"".join(iter(lambda: browser.recv(65536), b"")).decode(errors="replace")
    return int(text.split(" ", 2)[1]), text


@pytest.mark.parametrize("proxy", [nginx, caddy], ids=["nginx", "caddy"])
def test_a_link_of_an_alert_opens_by_the_proxy_with_the_token_and_the_page_is_live(
    tmp_path: Path, valkey: Valkey, proxy: object
) -> None:
    assert callable(proxy)
    port = free_port()
    config = {"links": {"public_url": f"https://{NAME}"}, "watchdog": {"enabled": False}, "http": _http(free_port())}
    relay = RelayProcess(tmp_path, valkey.url, config=config, ready=False)
    relay.url = f"http://{config['http']['listen']}"  # type: ignore[index]
    place = tmp_path / "proxy"
    place.mkdir()
    command = proxy(place, port, int(relay.url.rpartition(":")[2]))
    assert shutil.which(command[0]), f"{command[0]} is not installed: apt-get install {command[0]}"
    with relay, running(command, port, place / "log"):
        until(lambda: answer(port, "/readyz", None)[0] == 200, what="the relay behind the proxy")
        assert CliRunner().invoke(main, ["reload", "--config", str(relay.config_path)]).exit_code == 0
        until(lambda: relay.archived("operator_reload"), what="an event of the relay")
        url = relay.archived("operator_reload")[0]["payload"]["url"]
        assert url.startswith(f"https://{NAME}/")
        assert answer(port, url.removeprefix(f"https://{NAME}"))[0] == 200
        status, text = answer(port, "/", None)
        assert (status, "Basic realm" in text) == (401, True)
        assert answer(port, "/", "wrong")[0] == 401
        status, text = answer(port, "/")
        assert (status, "TickStock Relay" in text) == (200, True)
        assert answer(port, "/api/state")[0] == 200
        with connected(port) as browser:
            browser.sendall(request("/live", TOKEN))
            seen = b""
            while b"data:" not in seen:  # not held back until the stream ends, which it never does
                piece = browser.recv(65536)
                assert piece, seen
                seen += piece


def _http(port: int) -> dict[str, str]:
    return {"listen": f"127.0.0.1:{port}", "token": TOKEN}
