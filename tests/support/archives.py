"""Archives for a replay, and the command `replay` on them."""

import gzip
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import zstandard

from relay.events import encode
from relay.replay.archive import Archive, ReplaySelection
from tests.support.wire import event, utc

PROGRAM = str(Path(sys.executable).parent / "tickstock-relay")
BEGIN = utc("2025-01-27 21:10")
SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("tickstock:errors", {"error_id": "e1", "severity": "error", "category": "x", "timestamp": "2025-01-27T21:10:00Z"}),
    ("tickstock:monitoring", {"event_type": "METRIC_UPDATE", "metrics": {"a": 1}, "timestamp": "2025-01-27T21:10:00Z"}),
    ("tickstock:market:ticks", {"symbol": "AAPL", "price": 1.5, "timestamp": 1738012200}),
    (
        "tickstock:cache:started",
        {"event": "cache_started", "timestamp": "2025-01-27T21:10:00Z", "payload": {"a": "é\n"}},
    ),
    ("tickstock:import:completed", {"event": "data_import_completed", "source": "job", "payload": {"run_id": "r1"}}),
    (
        "tickstock:streaming:session_started",
        {"event": "s", "timestamp": "2025-01-27T21:10:00Z", "data": {"session_id": 5}},
    ),
    ("tickstock:nobody:knows", {}),
    ("tickstock:nobody:knows", {"replayed": False, "payload": {"replayed": True}}),
]


def lines(count: int, *, every: float = 1.0, begin: datetime = BEGIN) -> list[bytes]:
    """An archive of so many events, so many seconds apart."""
    moments = [begin + timedelta(seconds=number * every) for number in range(count)]
    return [encode(event("job:status", "numbered", at, n=number)) for number, at in enumerate(moments)]


def write(path: Path, content: list[bytes]) -> Path:
    """The archive with these lines at `path`, compressed as its name says."""
    data = b"\n".join([*content, b""])
    if path.suffix == ".zst":
        data = zstandard.ZstdCompressor().compress(data)
    elif path.suffix == ".gz":
        data = gzip.compress(data)
    path.write_bytes(data)
    return path


def replayed(*paths: Path, mark: bool = False, selection: ReplaySelection | None = None) -> list[bytes]:
    """The lines that a replay of these files gives."""
    archive = Archive(paths, selection or ReplaySelection(), mark=mark)
    return b"".join(archive.blocks()).split(b"\n")[:-1]


def replay(*arguments: str | Path, code: int = 0, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """`tickstock-relay replay` with these arguments, which ends with this exit code."""
    command = [PROGRAM, "replay", *map(str, arguments)]
    ended = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=120)
    assert ended.returncode == code, ended.stderr.decode()
    assert b"Traceback" not in ended.stderr
    return ended
