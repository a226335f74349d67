"""A small disk of its own that can be full, read-only and mended: a tmpfs, for which a test has to be root.

Such a test has the marker `faults`: `make test` is for everyone, and mounts nothing.
"""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path


class Disk:
    """A mounted tmpfs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Leave no byte."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 16, 4096, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"x" * size):
                        pass

    def empty(self) -> None:
        """Give the room back."""
        self._ballast.unlink()

    def remount(self, options: str) -> None:
        """`ro`, `rw`."""
        subprocess.run(["mount", "-o", f"remount,{options}", self.path], check=True)


@contextlib.contextmanager
def small_disk(path: Path, size: str = "2m") -> Iterator[Disk]:
    """A disk of that size at `path`."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=True)
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)
