"""A real Chromium, driven over its DevTools pipe: no driver, no port, no package, and nothing of a user's profile."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import sys
import time
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
]
# DevTools reads from descriptor 3 and writes to 4.
_LAUNCH = """
import os, sys
for kept, number in [(os.dup(int(given)), number) for number, given in enumerate(sys.argv[1:3], 3)]:
    os.dup2(kept, number)
    os.set_inheritable(number, True)
os.execvp(sys.argv[3], sys.argv[3:])
"""
PATIENCE = 30.0
MOST = 64 << 20  # bytes of one answer: a screenshot


class Browser:
    """One page of one browser."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        """Everything that the page's console called a warning or an error, and every uncaught exception."""

    async def listen(self) -> None:
        """Take what the browser says, until it is gone."""
        while True:
            message = json.loads((await self._reader.readuntil(b"\0"))[:-1])
            if "id" in message:
                self._asked.pop(message["id"]).set_result(message)
            else:
                self._note(message.get("method", ""), message.get("params", {}))

    async def do(self, method: str, **params: Any) -> dict[str, Any]:
        """One DevTools command and its result."""
        self._number += 1
        number = self._number
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._writer.write(json.dumps(message).encode() + b"\0")
        answer = await asyncio.wait_for(asked, PATIENCE)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    async def begin(self) -> None:
        """Take hold of a blank page."""
        target = await self.do("Target.createTarget", url="about:blank")
        attached = await self.do("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.do(f"{domain}.enable")

    async def look_like(self, *, width: int, dark: bool = False, height: int = 900, scale: float = 1.0) -> None:
        """Be a window, or a phone, of that size in CSS pixels."""
        await self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.do("Emulation.setEmulatedMedia", features=[scheme])

    async def go(self, url: str) -> None:
        """Open a page and wait until it has been loaded."""
        await self.do("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def ask(self, expression: str) -> Any:
        """What a JavaScript expression comes to."""
        found = await self.do("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def until(self, expression: str, seconds: float = PATIENCE) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + seconds
        while not await self.ask(f"Boolean({expression})"):
            assert time.monotonic() < deadline, f"not within {seconds} s: {expression}"
            await asyncio.sleep(0.05)

    async def picture(self, path: Path, *, whole: bool = True) -> None:
        """A PNG of the page."""
        shot = await self.do("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        _write(path, base64.b64decode(shot["data"]))

    async def violations(self) -> list[str]:
        """What axe-core finds wrong with the page's accessibility."""
        await self.ask(f"{files('axe_core_python').joinpath('axe.min.js').read_text()}; true")
        found = await self.ask(
            "axe.run().then(r => [r.passes.length, r.violations.map(v => v.id + ' ' + v.nodes[0].html)])"
        )
        assert found[0] > 20  # it has looked
        return list(found[1])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 10)
    except TimeoutError:
        process.kill()
        await process.wait()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[Browser]:
    """A browser with a new profile in `profile`."""
    program = shutil.which("chromium")
    assert program is not None, "Debian's chromium is needed: apt-get install chromium"
    there, ours_out = os.pipe()
    ours_in, back = os.pipe()
    command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _LAUNCH,
        str(there),
        str(back),
        *command,
        pass_fds=(there, back),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(there)
    os.close(back)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MOST)
    read, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours_in, "rb", 0))
    write, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(ours_out, "wb", 0))
    browser = Browser(reader, asyncio.StreamWriter(write, protocol, None, loop))
    listening = asyncio.create_task(browser.listen())
    try:
        await browser.begin()
        yield browser
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        write.close()
        read.close()
        await _end(process)
