"""What `make` does with the virtual environment it finds: one that is not of this place is made anew."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ANEW = "-m venv --clear .venv"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout, in a folder with a blank, whose environment is whole, as far as make looks."""
    place = tmp_path / "a checkout"
    (place / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, place)
    (place / ".venv/bin/python").symlink_to(sys.executable)
    script = place / ".venv/bin/tickstock-relay"
    script.write_text(f'#!/bin/sh\n\'\'\'exec\' "{place}/.venv/bin/python" "$0" "$@"\n')
    ready = place / ".venv/.ready"
    ready.touch()
    later = (place / "pyproject.toml").stat().st_mtime + 10
    os.utime(ready, (later, later))
    return place


def would_run(place: Path) -> str:
    """The commands of `make demo`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # `make test` runs us
    done = subprocess.run(
        ["make", "-n", "demo"], cwd=place, env=own, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_an_environment_that_is_whole_is_used(checkout: Path) -> None:
    assert would_run(checkout).startswith(".venv/bin/tickstock-relay demo --seconds 60 ")


@pytest.mark.thorough
def test_a_moved_one_is_made_anew(checkout: Path) -> None:
    assert ANEW in would_run(checkout.rename(checkout.parent / "moved"))


@pytest.mark.thorough
def test_a_copied_one_is_made_anew_though_the_first_still_works(checkout: Path) -> None:
    copied = Path(shutil.copytree(checkout, checkout.parent / "copied", symlinks=True))
    assert ANEW in would_run(copied)
    assert ANEW not in would_run(checkout)


@pytest.mark.thorough
def test_one_whose_python_has_gone_is_made_anew(checkout: Path) -> None:
    python = checkout / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/usr/bin/python3.10-that-was-removed")
    assert ANEW in would_run(checkout)


@pytest.mark.thorough
def test_one_whose_install_was_broken_off_is_made_anew(checkout: Path) -> None:
    (checkout / ".venv/bin/tickstock-relay").unlink()
    assert ANEW in would_run(checkout)


def test_what_builds_the_package_is_pinned() -> None:
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    backend = {requirement.partition(">=")[0] for requirement in required}
    assert backend | {"editables"} <= pinned  # hatchling asks for editables when the install is editable
