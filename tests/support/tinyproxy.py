"""A real forward proxy: tinyproxy (apt), with the directives that a test wants."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.waiting import free_port, until

USUAL = "Timeout 10\nMaxClients 20\nListen 127.0.0.1\nAllow 127.0.0.1\n"


@contextlib.contextmanager
def tinyproxy(directory: Path, *directives: str) -> Iterator[int]:
    """Its port on this machine."""
    port = free_port()
    config = directory / "tinyproxy.conf"
    config.write_text(f"Port {port}\n{USUAL}" + "".join(f"{line}\n" for line in directives))
    process = subprocess.Popen(["tinyproxy", "-d", "-c", config], stdout=subprocess.DEVNULL)
    try:
        until(lambda: _answers(port) or process.poll() is not None, what="tinyproxy")
        assert process.poll() is None, "tinyproxy does not take its configuration"
        yield port
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
