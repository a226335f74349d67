"""The relay as its users run it, on a machine whose wall clock is set.

libfaketime does that, and leaves CLOCK_BOOTTIME alone.
"""

from pathlib import Path

from tests.support.relay_process import RelayProcess

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class FaketimeRelay(RelayProcess):
    """A relay whose clock differs from ours by what a file says."""

    def set_clock(self, seconds: float) -> None:
        """Have it be so many seconds later than it is, or earlier."""
        path = self.directory / "faketime"
        path.with_suffix(".new").write_text(f"{seconds:+.0f}\n")
        path.with_suffix(".new").rename(path)
        self._environment |= {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
