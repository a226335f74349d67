"""Texts that are held to the letter against a file in `tests/testdata`, which a reader can go through.

After a change of words: `REWRITE_TESTDATA=1 .venv/bin/pytest …` writes the file anew; its diff is what has changed.
"""

import os
from pathlib import Path

TESTDATA = Path(__file__).parents[1] / "testdata"


def assert_as_written(text: str, name: str) -> None:
    """The lines of `text` are those of that file."""
    file = TESTDATA / name
    if os.environ.get("REWRITE_TESTDATA"):
        file.write_text(text, encoding="utf-8")
    assert text.splitlines() == file.read_text(encoding="utf-8").splitlines()
