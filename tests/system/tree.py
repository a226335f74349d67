"""The file system that a lab boots: a Debian with the relay's dependencies in /opt/tickstock-relay.

Built once for each release and set of dependencies, kept under `.cache/lab/`. A lab never changes it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[2]
CACHE = CHECKOUT / ".cache" / "lab"
PROGRAM = "/opt/tickstock-relay"
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,procps,iproute2,make"
RELEASES = ("bookworm", "trixie")
"""Debian 12 with systemd 252 and Python 3.11, Debian 13 with 257 and 3.13."""


@contextmanager
def tree(release: str) -> Iterator[Path]:
    """Lend the tree of a Debian release to one lab at a time, built if need be (about a minute)."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{release}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = CACHE / f"{release}-{_fingerprint()}"
        if not place.exists():
            for outdated in CACHE.glob(f"{release}-*"):
                shutil.rmtree(outdated)
            _build(release, place)
        yield place


def relay_wheel(directory: Path) -> Path:
    """Build the checkout's wheel."""
    _pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(directory), str(CHECKOUT))
    [wheel] = directory.glob("tickstock_relay-*.whl")
    return wheel


def _dependencies() -> list[str]:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    return [str(requirement) for requirement in project["dependencies"]]


def _fingerprint() -> str:
    inputs = [PACKAGES, *_dependencies(), (CHECKOUT / "constraints.txt").read_text(), Path(__file__).read_text()]
    return hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:12]


def _build(release: str, place: Path) -> None:
    """Bootstrap beside the final place and move there at the end: what stands there is whole."""
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="building-", ignore_cleanup_errors=True) as scratch:
        root = Path(scratch) / "root"
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", release, str(root)],
            check=True,
        )
        _install_dependencies(root)
        root.rename(place)


def _install_dependencies(root: Path) -> None:
    """Fetch wheels for the tree's own Python out here, install them in there, without network."""
    asked = ["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    python = subprocess.run(["chroot", str(root), *asked], check=True, capture_output=True, text=True).stdout
    wheels = root / "wheels"
    constraints = ["--constraint", str(CHECKOUT / "constraints.txt")]
    target = ["--python-version", python.strip(), "--implementation", "cp", "--only-binary=:all:"]
    # Which packages are needed, pip decides by the Python that runs it: redis wants this one before 3.11.3.
    wanted = [*_dependencies(), "async-timeout"]
    _pip("download", "--quiet", *target, "--dest", str(wheels), *constraints, *wanted)
    in_tree = ["chroot", str(root), "env", "-i", "PATH=/usr/bin:/bin"]
    subprocess.run([*in_tree, "python3", "-m", "venv", PROGRAM], check=True)
    pip = [*in_tree, f"{PROGRAM}/bin/pip", "install", "--quiet", "--no-index", "--find-links=/wheels"]
    subprocess.run([*pip, *_dependencies()], check=True)
    shutil.rmtree(wheels)


def _pip(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", *arguments],
        check=True,
        env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    for name in sys.argv[1:] or RELEASES:
        with tree(name) as there:
            print(there)  # noqa: T201 - for .ci/run
