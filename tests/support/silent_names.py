"""The relay where names are asked of a server that never answers: a mount namespace with a resolv.conf of its own.

It has to be root, for the namespace and for the port of DNS.
"""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.support.relay_process import PROGRAM, RelayProcess

ADDRESS = "127.0.0.99"
HEALTHY = "healthy.test"
"""A name that the file of hosts has: it is looked up, and found at once."""
_ENTER = 'mount --bind "$0/resolv.conf" /etc/resolv.conf && mount --bind "$0/hosts" /etc/hosts && exec "$@"'


@contextlib.contextmanager
def silent_server(directory: Path) -> Iterator[socket.socket]:
    """A name server that answers nothing, and the files that lead to it."""
    (directory / "resolv.conf").write_text(f"nameserver {ADDRESS}\noptions timeout:30 attempts:5\n")
    (directory / "hosts").write_text(f"127.0.0.1 localhost\n127.0.0.1 {HEALTHY}\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((ADDRESS, 53))
        yield server


class RelayWithSilentNames(RelayProcess):
    """In the namespace; `directory` is the one of `silent_server`."""

    def launch(self) -> None:
        """Run it there; `exec` keeps the process."""
        self.program = ("unshare", "-m", "sh", "-c", _ENTER, str(self.directory), str(PROGRAM))
        super().launch()
