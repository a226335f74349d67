"""The publisher, a process of its own: prepared RESP bytes down a raw socket, so that it is never the bottleneck.

    python -m benchmarks.publisher --port P --count N [--first N] [--rate PER_SECOND] [--stop]

Without a rate it floods. With one it sends each message when it is due, alone if it can keep up (small reads and
wake-ups are the point of a steady rate), with the publishing time in it. It prints READY, waits for a line on stdin,
publishes, waits until the server has handled everything, and prints the seconds it took.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import time
from typing import Self

from benchmarks import system
from benchmarks.traffic import Traffic, stop_command

BLOCK = 2_000  # messages in one send of a flood


def flood(sock: socket.socket, traffic: Traffic, first: int, count: int) -> None:
    """Sends `count` messages as fast as the server takes them."""
    for start in range(first, first + count, BLOCK):
        sock.sendall(traffic.block(start, min(BLOCK, first + count - start)))


def flood_at(sock: socket.socket, traffic: Traffic, first: int, count: int, rate: float) -> None:
    """Sends blocks of 10 ms, without times in them: for rates at which one send a message would be the bottleneck."""
    begin, sent = time.perf_counter(), 0
    while sent < count:
        due = min(count, int((time.perf_counter() - begin) * rate) + 1)
        if due > sent:
            sock.sendall(traffic.block(first + sent, due - sent))
            sent = due
        time.sleep(0.01)


def pace(sock: socket.socket, traffic: Traffic, first: int, count: int, rate: float) -> None:
    """Sends each message at its due time; when it has fallen behind, what is due goes out together."""
    begin, sent = time.perf_counter(), 0
    while sent < count:
        due = min(count, int((time.perf_counter() - begin) * rate) + 1)
        if due > sent:
            sock.sendall(b"".join([traffic.stamped(first + number) for number in range(sent, due)]))
            sent = due
        time.sleep(max(0.0, begin + sent / rate - time.perf_counter()))


def _publish(arguments: argparse.Namespace) -> float:
    traffic = Traffic(arguments.seed)
    with socket.create_connection(("127.0.0.1", arguments.port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(b"CLIENT REPLY OFF\r\n")
        print("READY", flush=True)
        sys.stdin.readline()
        begin = time.perf_counter()
        if arguments.rate is None:
            flood(sock, traffic, arguments.first, arguments.count)
        elif arguments.blocks:
            flood_at(sock, traffic, arguments.first, arguments.count, arguments.rate)
        else:
            pace(sock, traffic, arguments.first, arguments.count, arguments.rate)
        if arguments.stop:
            sock.sendall(stop_command())
        sock.sendall(b"CLIENT REPLY ON\r\n")
        if not sock.recv(100).startswith(b"+OK"):
            raise RuntimeError("the server did not take what was published")
        return time.perf_counter() - begin


class Publisher:
    """The publisher's process, seen from the harness."""

    def __init__(
        self,
        port: int,
        count: int,
        *,
        rate: float | None = None,
        blocks: bool = False,
        first: int = 0,
        stop: bool = True,
    ) -> None:
        """Starts it and waits until it is ready to publish."""
        command = [sys.executable, "-m", "benchmarks.publisher", "--port", str(port), "--count", str(count)]
        command += ["--first", str(first)] + ["--stop"] * stop + ["--blocks"] * blocks
        command += [] if rate is None else ["--rate", str(rate)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=system.ROOT
        )
        self._line("READY")

    def _line(self, expected: str) -> str:
        if self._process.stdout is None:
            raise RuntimeError("the publisher has no stdout")
        line = self._process.stdout.readline().strip()
        if not line.startswith(expected):
            raise RuntimeError(f"the publisher said {line!r} where {expected} was expected")
        return line

    def go(self) -> None:
        """Begins to publish."""
        if self._process.stdin is None:
            raise RuntimeError("the publisher has no stdin")
        self._process.stdin.write("GO\n")
        self._process.stdin.flush()

    def finish(self) -> float:
        """Waits until the server has handled everything.

        Returns:
            The seconds that publishing took.
        """
        seconds = float(self._line("PUBLISHED").split()[1])
        self._process.wait(timeout=10)
        return seconds

    def publishing(self) -> bool:
        """Whether its process still works."""
        return self._process.poll() is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.publishing():
            self._process.kill()
        self._process.communicate()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Publish recorded-like traffic.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--first", type=int, default=0, help="number of the first message")
    parser.add_argument("--rate", type=float, help="messages a second; without it: a flood")
    parser.add_argument("--blocks", action="store_true", help="pace blocks of 10 ms instead of single messages")
    parser.add_argument("--stop", action="store_true", help="publish the stop message at the end")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    print(f"PUBLISHED {_publish(_arguments()):.3f}")
