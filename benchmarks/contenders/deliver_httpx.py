"""The measure of a delivery: bare `httpx.AsyncClient.post`, four workers with a client each, nothing signed or kept.

A shared client costs more, as its pool looks through all connections. Arguments: URL, count, CA file or "".
"""

from __future__ import annotations

import asyncio
import json
import resource
import ssl
import sys
import time
from typing import TYPE_CHECKING

import httpx
import uvloop

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = 4
WARM_UP = 200
BODY = b'{"id":"bench-%d","payload":{"seq": %d,"pad":"%b"}}'
HEADERS = {"Content-Type": "application/json"}


async def work(client: httpx.AsyncClient, url: str, numbers: Iterator[int]) -> None:
    """Posts as long as there are numbers."""
    for number in numbers:
        answer = await client.post(url, content=BODY % (number, 10**9 + number, b"x" * 350), headers=HEADERS)
        answer.raise_for_status()


async def main(url: str, count: int, ca_file: str) -> dict[str, float]:
    """Posts `count` times after a warm-up; what it took."""
    tls = ssl.create_default_context(cafile=ca_file or None)
    clients = [httpx.AsyncClient(verify=tls, trust_env=False) for _ in range(WORKERS)]
    numbers = iter(range(count, count + WARM_UP))
    await asyncio.gather(*(work(client, url, numbers) for client in clients))
    begin, cpu, numbers = time.perf_counter(), time.process_time(), iter(range(count))
    await asyncio.gather(*(work(client, url, numbers) for client in clients))
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
    for client in clients:
        await client.aclose()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"per_second": count / seconds, "cpu_us": 1e6 * cpu / count, "peak_rss_mb": peak * 1024 / 1e6}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))))
