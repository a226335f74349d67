"""Real parts for all tests; see tests/support. What a test has started or opened ends with it."""

import contextlib
import gc
import os
import signal
import sqlite3
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest
import structlog

from tests.support import RelayProcess, ServiceManager, Valkey
from tests.support.examples import register_profiles

register_profiles()


LONGEST_CHILD = 600.0
"""Seconds after which a program that a quick test has started is killed: it hangs, and so does what reads from it."""


def pytest_configure() -> None:
    """Ctrl-C means Ctrl-C for all that the tests start: a shell that runs them in its background has it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What was imported and collected stays: the collector need not look through it again and again."""
    # Not frozen: in what is, hypothesis does not find who holds its own random numbers, and warns.
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(autouse=True, scope="session")
def _public_authorities_are_few() -> Iterator[None]:
    """Each client reads them all, for 20 ms; no test speaks with a server that has a certificate from one of them."""
    usual, load = {certifi.where(), os.environ.get("SSL_CERT_FILE")}, ssl.SSLContext.load_verify_locations
    text = Path(certifi.where()).read_text(encoding="ascii")
    first = text[text.index("-----BEGIN") : text.index("-----END")] + "-----END CERTIFICATE-----\n"

    def load_few(context: ssl.SSLContext, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        if cafile is not None and str(cafile) in usual:
            cafile, cadata = None, first
        load(context, cafile, capath, cadata)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl.SSLContext, "load_verify_locations", load_few)
        yield


@pytest.fixture(autouse=True)
def _children_end_with_their_test(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A program that a test has left running, or that hangs, is killed, and is the test's failure."""
    started: list[subprocess.Popen[Any]] = []
    start = subprocess.Popen.__init__
    is_quick = not {"faults", "system"} & {mark.name for mark in request.node.iter_markers()}

    def kill_all() -> None:
        for process in started:
            process.kill()

    hung = threading.Timer(LONGEST_CHILD, kill_all)
    hung.daemon = True

    def noted(process: subprocess.Popen[Any], *arguments: Any, **options: Any) -> None:
        start(process, *arguments, **options)
        if is_quick and not started:
            hung.start()
        started.append(process)

    monkeypatch.setattr(subprocess.Popen, "__init__", noted)
    yield
    hung.cancel()
    left = [process for process in started if process.poll() is None]
    for process in left:
        process.kill()
        process.wait()
    assert not left, f"left running: {[process.args for process in left]}"


@pytest.fixture(autouse=True)
def _stores_close_with_their_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """From Python 3.13 an open one is a warning, and so an error of whichever test runs when it is collected."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    yield
    for connection in opened:
        with contextlib.suppress(sqlite3.ProgrammingError):  # of a thread that has ended
            connection.close()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command sets up logging for its process; in a test, that is the next one's too."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[Valkey]:
    """One Valkey for all tests that do it no harm."""
    with Valkey() as valkey:
        yield valkey


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A Valkey for this test alone."""
    with Valkey() as valkey:
        yield valkey


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    """Keeps the descriptors of the relays of this test."""
    with ServiceManager(tmp_path) as manager:
        yield manager


@pytest.fixture
def relay(tmp_path: Path, valkey: Valkey) -> Iterator[RelayProcess]:
    """A running relay with `/metrics` and archive, on this test's Valkey."""
    with RelayProcess(tmp_path, valkey.url) as relay:
        yield relay
