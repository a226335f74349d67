"""Who is measured: each contender's name, what it is, how it is started, and what has to be installed for it.

The scripts beside this file are started by path, in their own environments; they share no code with the relay. Their
packages go by name and pinned into `.cache/bench/`, never into the project's environment. What is written in C and Go
is compiled into there, each time anew, against the distribution's libraries.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from benchmarks.system import CACHE, ROOT

HERE = Path(__file__).parent
FASTSTREAM = ["faststream[redis]==0.7.8", "redis==8.1.0", "hiredis==3.5.0"]
NODE = ["redis@6.3.1", "ioredis@6.0.0"]
FASTSTREAM_HOME, NODE_HOME = CACHE / "faststream", CACHE / "node"
C_HOME, GO_HOME = CACHE / "c", CACHE / "go"
C_NEEDS = (
    "the C client needs a compiler and libraries "
    "(Debian, Ubuntu: apt install gcc libc6-dev libhiredis-dev libjansson-dev uthash-dev)"
)
GO_NEEDS = "the Go client needs Go and redigo (Debian, Ubuntu: apt install golang-go golang-github-gomodule-redigo-dev)"
GO = {  # without modules: nothing is fetched, the libraries are those that Debian's packages put there
    "GO111MODULE": "off",
    "GOPATH": "/usr/share/gocode",
    "GOFLAGS": "",
    "GOCACHE": str(GO_HOME / "cache"),
    "CGO_ENABLED": "0",
}


@dataclass(frozen=True, slots=True)
class Contender:
    """One who is measured.

    `words` starts a script: it gets the server's port and the file to append to. A relay has none: it is started with
    the configuration called `config`. `share` is the part of the flood that a slow one gets, so that a round ends.
    """

    name: str
    title: str
    words: tuple[str, ...] = ()
    config: str | None = None
    share: float = 1.0
    archives: bool = True


FLOOR = Contender(
    "floor", "hiredis floor (parse, count)", (sys.executable, str(HERE / "hiredis_floor.py")), archives=False
)
CONTRACT = Contender("contract", "contract's subscriber (redis-py)", (sys.executable, str(HERE / "contract.py")))
RELAY = Contender("relay", "tickstock-relay, default config", config="default")
RELAY_TEN = Contender("relay-10", "tickstock-relay, 10 routes", config="ten")
RELAY_TWO_HUNDRED = Contender("relay-200", "tickstock-relay, 200 routes", config="two_hundred")
RELAY_WEBHOOK = Contender("relay-webhook", "tickstock-relay, 10 routes + webhook 1 %", config="webhook")
ALL = (
    FLOOR,
    CONTRACT,
    Contender("redis-asyncio", "redis-py asyncio", (sys.executable, str(HERE / "redis_asyncio.py"))),
    Contender(
        "faststream",
        "FastStream",
        (str(FASTSTREAM_HOME / "bin" / "python"), str(HERE / "faststream_app.py")),
        share=0.2,
    ),
    Contender("node-redis", "node-redis", ("node", str(HERE / "node_client.mjs"))),
    Contender("ioredis", "ioredis", ("node", str(HERE / "ioredis_client.mjs"))),
    Contender("c-hiredis", "C: hiredis, jansson", (str(C_HOME / "hiredis_client"),)),
    Contender("go-redigo", "Go: redigo, encoding/json", (str(GO_HOME / "redigo_client"),)),
    RELAY,
    RELAY_TEN,
    RELAY_TWO_HUNDRED,
    RELAY_WEBHOOK,
)


def install(chosen: tuple[Contender, ...]) -> None:
    """Installs what the chosen contenders need, once, and compiles those that have to be.

    Raises:
        RuntimeError: a tool is missing or an installation failed; its last lines are in the message.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    programs = [word for contender in chosen for word in contender.words]
    if any(str(FASTSTREAM_HOME) in program for program in programs):
        _once(
            FASTSTREAM_HOME,
            FASTSTREAM,
            [sys.executable, "-m", "venv", str(FASTSTREAM_HOME)],
            [f"{FASTSTREAM_HOME}/bin/python", "-m", "pip", "install", "-c", f"{ROOT}/constraints.txt", *FASTSTREAM],
        )
    if "node" in programs:
        if shutil.which("npm") is None:
            raise RuntimeError("the Node clients need node and npm (Debian, Ubuntu: apt install nodejs npm)")
        _once(NODE_HOME, NODE, ["npm", "install", "--prefix", str(NODE_HOME), "--no-audit", "--no-fund", *NODE])
    for program in map(Path, programs):
        source = HERE / program.name
        if program.parent == C_HOME:
            libraries = ["-lhiredis", "-ljansson"]
            _compile(["gcc", "-O2", "-o", str(program), f"{source}.c", *libraries], {}, C_NEEDS)
        if program.parent == GO_HOME:
            _compile(["go", "build", "-o", str(program), f"{source}.go"], GO, GO_NEEDS)


def _once(home: Path, packages: list[str], *commands: list[str]) -> None:
    done = home / ".installed"
    if done.exists() and done.read_text() == "\n".join(packages):
        return
    print(f"installing {', '.join(packages)} into {home.relative_to(ROOT)}", file=sys.stderr)
    home.mkdir(parents=True, exist_ok=True)
    for command in commands:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{result.stderr[-2000:]}")
    done.write_text("\n".join(packages))


def _compile(words: list[str], environment: dict[str, str], needs: str) -> None:
    if shutil.which(words[0]) is None:
        raise RuntimeError(needs)
    Path(words[words.index("-o") + 1]).parent.mkdir(exist_ok=True)
    result = subprocess.run(words, env=os.environ | environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{needs}; {words[0]} said:\n{result.stderr[-2000:]}")


def relay_command(config: Path) -> list[str]:
    """Our relay, as its user starts it."""
    return [str(Path(sysconfig.get_path("scripts")) / "tickstock-relay"), "run", "--config", str(config)]
