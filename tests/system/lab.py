"""A lab: a Debian booted with systemd as PID 1, in namespaces and a cgroup of its own, gone when it is left.

Needs root and systemd-container. Everything that is started in a lab is in its cgroup; a guardian empties and
removes that when the process that booted the lab leaves it or dies, of a SIGKILL even.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INTO_CGROUP = ("sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"')
GUARDIAN = """
    cat
    echo 1 >"$0/cgroup.kill"
    while grep -q "populated 1" "$0/cgroup.events"; do sleep 0.05; done
    find "$0" -depth -type d -exec rmdir {} +
"""
POWER_OFF = signal.SIGRTMIN + 4  # systemd(1): starts poweroff.target


class LabError(Exception):
    """The lab did not come up, or did not do what it was told."""


def wait_until(true: Callable[[], object], what: str, seconds: float = 30.0, every: float = 0.05) -> None:
    """Poll until it holds.

    Raises:
        LabError: It does not after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise LabError(f"after {seconds:.0f} s still waiting until {what}")
        time.sleep(every)


class Lab:
    """A running machine; made by `boot`."""

    def __init__(self, leader: int, cgroup: Path, started: list[subprocess.Popen[bytes]]) -> None:
        self.leader = leader
        self.root = Path(f"/proc/{leader}/root")  # its files, for reading and writing from out here
        self._guests = cgroup / "guests"
        self._guests.mkdir()
        self._started = started

    def run(
        self, *command: str, check: bool = True, timeout: float = 60.0, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the lab, in all its namespaces.

        Raises:
            LabError: It failed, and `check` was asked for; with what it had to say.
        """
        done = subprocess.run(
            ["nsenter", "--target", str(self.leader), "--all", "--", *command],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            input=stdin,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        )
        if check and done.returncode:
            raise LabError(f"{' '.join(command)} exited {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def systemctl(self, *arguments: str, check: bool = True, timeout: float = 90.0) -> str:
        """What systemctl prints."""
        return self.run("systemctl", "--no-pager", *arguments, check=check, timeout=timeout).stdout.strip()

    def host_inside(
        self,
        *command: str,
        stdin: int = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Start a program of the host in the lab's network; it is killed when the lab is left, if not earlier."""
        nsenter = ("nsenter", "--target", str(self.leader), "--net", "--")
        guest = subprocess.Popen(
            [*INTO_CGROUP, str(self._guests), *nsenter, *command],
            stdin=stdin,
            stdout=stdout,
            start_new_session=True,
        )
        self._started.append(guest)
        return guest

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Put a file of root's there."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def copy_in(self, source: Path, path: str) -> None:
        """Copy a file of the host into the lab."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)

    def copy_out(self, path: str, target: Path) -> None:
        """Copy a file or a folder of the lab to the host."""
        source = self.root / path.lstrip("/")
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)


@contextmanager
def boot(tree: Path, log: Path) -> Iterator[Lab]:
    """Boot a tree, whose files stay as they are, and power it off at the end whatever happened.

    Args:
        tree: A directory with a Debian.
        log: Where systemd-nspawn and the boot write what they have to say.

    Raises:
        LabError: It did not come up, or a unit failed.
    """
    with ExitStack() as stack:
        started: list[subprocess.Popen[bytes]] = []
        stack.callback(lambda: [process.wait(10) for process in started])
        cgroup = stack.enter_context(_own_cgroup(f"tickstock-lab-{tree.name}-{os.getpid()}"))
        nspawn = subprocess.Popen(
            [
                *(*INTO_CGROUP, str(cgroup)),
                *("systemd-nspawn", f"--directory={tree}", f"--machine={cgroup.name}", "--boot"),
                *("--volatile=overlay", "--register=no", "--keep-unit", "--private-network", "--console=pipe"),
                # For IPAddressDeny=.
                *("--system-call-filter=bpf", "--capability=CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=stack.enter_context(log.open("wb")),
            stderr=subprocess.STDOUT,
            env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            start_new_session=True,
        )
        started.append(nspawn)
        try:
            lab = Lab(_wait_for_leader(nspawn), cgroup, started)
            stack.callback(_power_off, lab.leader, nspawn)
            wait_until(lambda: _settled(lab), "systemd has started all units")
            lab.run("ip", "link", "set", "lo", "up")
        except LabError as error:
            raise LabError(f"{error}\n{log.read_text(errors='replace')}") from error
        yield lab


@contextmanager
def _own_cgroup(name: str) -> Iterator[Path]:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    cgroup = next(Path(fields[1]) for fields in mounts if fields[2] == "cgroup2") / name
    cgroup.mkdir()
    guardian = subprocess.Popen(["sh", "-c", GUARDIAN, str(cgroup)], stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield cgroup
    finally:
        guardian.communicate(timeout=30)  # the end of its input is its signal


def _wait_for_leader(nspawn: subprocess.Popen[bytes]) -> int:
    """The process that is PID 1 in there: nspawn's child that says so."""
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    found: list[int] = []

    def is_there() -> bool:
        if nspawn.poll() is not None:
            raise LabError(f"systemd-nspawn exited {nspawn.returncode}")
        for child in children.read_text().split():
            status = Path(f"/proc/{child}/status").read_text()
            if any(line.startswith("NSpid:") and line.split()[-1] == "1" for line in status.splitlines()):
                found.append(int(child))
        return bool(found)

    wait_until(is_there, "there is a PID 1")
    return found[0]


def _settled(lab: Lab) -> bool:
    state = lab.systemctl("is-system-running", check=False)
    if state == "degraded":
        raise LabError(f"units failed: {lab.systemctl('list-units', '--failed', '--plain', '--no-legend')}")
    return state == "running"


def _power_off(leader: int, nspawn: subprocess.Popen[bytes]) -> None:
    """Ask for it, and insist by way of the guardian if it takes too long."""
    if nspawn.poll() is None:
        os.kill(leader, POWER_OFF)
        with suppress(subprocess.TimeoutExpired):
            nspawn.wait(20)
