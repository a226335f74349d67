"""The floor: large reads from the socket, hiredis parses, a counter counts. No JSON, no file: less is not possible."""

from __future__ import annotations

import socket
import sys

import hiredis
from tally import PATTERN, STOP_CHANNEL, done, ready

READ = 16_384  # the cheapest here: larger reads cost more, since hiredis moves what is left in its buffer


def count(port: int) -> int:
    """Counts messages until the stop message comes."""
    reader = hiredis.Reader()
    stop = STOP_CHANNEL.encode()
    counted = 0
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(f"PSUBSCRIBE {PATTERN}\r\n".encode())
        reader.feed(sock.recv(READ))
        if reader.gets() is False:
            raise ConnectionError("the server did not confirm the subscription in one piece")
        ready()
        buffer = bytearray(READ)
        view = memoryview(buffer)
        while True:
            size = sock.recv_into(buffer)
            if not size:
                raise ConnectionError("the server closed the connection")
            reader.feed(view[:size])
            while (message := reader.gets()) is not False:
                if message[2] == stop:
                    return counted
                counted += 1


if __name__ == "__main__":
    done(count(int(sys.argv[1])))
