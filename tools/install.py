"""What `make` runs to fill .venv: pip, told in one line, with a count of packages on a terminal.

Only the standard library: nothing is installed yet. Run it with the environment's own Python, from the checkout.
"""

import itertools
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path

CONSTRAINTS = "constraints.txt"
LOOK_EVERY = 0.5
"""Seconds between two looks at how far it is."""
INSTALLING = re.compile("^Installing collected packages: (.*)$", re.MULTILINE)
PIP = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off")


def main() -> int:
    """Install what the checkout needs; pip's exit status. Its output is shown only when it fails."""
    pinned = len(Path(CONSTRAINTS).read_text().splitlines())
    show(f"installing up to {pinned} packages into {Path(sys.prefix).name}: about a minute, and needs the network\n")
    # Both names, as the older pip knows only the first: what builds the package is pinned like the rest.
    environment = os.environ | {"PIP_CONSTRAINT": CONSTRAINTS, "PIP_BUILD_CONSTRAINT": CONSTRAINTS}
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        pip = subprocess.Popen(
            [*PIP, "-c", CONSTRAINTS, "-e", ".[dev]"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        ended = threading.Event()
        watching = threading.Thread(target=watch, args=(log.fileno(), ended))
        watching.start()
        try:
            status = pip.wait()
        finally:
            ended.set()
            watching.join()
        if status:
            log.seek(0)
            show(log.read())
    return status


def watch(log: int, ended: threading.Event) -> None:
    """On a terminal, write again and again how many packages were fetched, then how many of them are installed."""
    if not sys.stdout.isatty():
        return
    before = _installed()
    for turn in itertools.count():
        text = os.pread(log, os.fstat(log).st_size, 0).decode(errors="replace")
        found = INSTALLING.search(text)
        step = f"fetched {text.count('Collecting ')}"
        if found:
            step = f"installed {max(0, _installed() - before)} of {found[1].count(',') + 1}"
        show(f"\r  {'|/-'[turn % 3]} {step}\x1b[K")
        if ended.wait(LOOK_EVERY):
            show("\r\x1b[K")
            return


def _installed() -> int:
    return len(list(Path(sysconfig.get_path("purelib")).glob("*.dist-info")))


def show(text: str) -> None:
    """Write it now."""
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
