"""Who may see the pages: by token, or by asking for them under one of this machine's own names."""

import base64
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from relay.web.guard import Guard

TOKEN = "gehe:im"  # noqa: S105 - opens nothing


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


def client(token: str | None = None, host: str = "127.0.0.1") -> httpx.AsyncClient:
    app = Starlette(routes=[Route("/", hello), Route("/healthz", hello)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=Guard(app, token, host)), base_url="http://127.0.0.1")


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:9108",
        "localhost",
        "LOCALHOST:80",
        "[::1]:9108",
        "127.0.0.53",
        "relay.localhost:9108",
        "10.1.2.3:9108",
    ],
)
async def test_this_machines_own_names_are_served(host: str) -> None:
    async with client(host="10.1.2.3") as asking:
        assert (await asking.get("/", headers={"Host": host})).text == "hello"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:9108",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "8.8.8.8",
        "",
        "[::2]",
        "[",
    ],
)
async def test_a_foreign_name_that_points_here_is_refused(host: str) -> None:
    async with client() as asking:
        answer = await asking.get("/", headers={"Host": host})
        assert answer.status_code == 421
        assert "hello" not in answer.text
        assert (await asking.get("/healthz", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer {TOKEN}", basic(f"ops:{TOKEN}"), basic(f":{TOKEN}")])
async def test_the_token_opens_as_bearer_and_as_password_under_any_name(given: str) -> None:
    async with client(TOKEN, "0.0.0.0") as asking:  # noqa: S104
        answer = await asking.get("/", headers={"Authorization": given, "Host": "relay.internal"})
        assert answer.text == "hello"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Bearer wrong",
        f"Bearer {TOKEN}x",
        basic("ops:wrong"),
        basic(TOKEN),
        "Basic !!!",
        "Basic /w==",
        TOKEN,
    ],
)
async def test_anything_else_is_asked_for_the_token(given: str) -> None:
    async with client(TOKEN) as asking:
        answer = await asking.get("/", headers={"Authorization": given} if given else {})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert (await asking.get("/healthz")).status_code == 200


@pytest.mark.parametrize("host", ["relay.example", "relay.example:8443", "RELAY.tail1234.ts.net", "192.168.1.9"])
async def test_a_proxys_name_is_served_with_the_token_and_asks_for_it_without(host: str) -> None:
    async with client(TOKEN) as asking:
        headers = {"Host": host, "X-Forwarded-For": "203.0.113.9"}
        assert (await asking.get("/", headers=headers)).status_code == 401
        assert (await asking.get("/", headers={**headers, "Authorization": basic(f":{TOKEN}")})).text == "hello"


async def test_every_answer_has_the_headers_refusals_too() -> None:
    async with client() as asking:
        for headers, path in (({}, "/"), ({"Host": "evil.example"}, "/"), ({}, "/nowhere")):
            got = (await asking.get(path, headers=headers)).headers
            assert "default-src 'none'" in got["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in got["Content-Security-Policy"]
            assert "unsafe" not in got["Content-Security-Policy"]
            assert got["X-Content-Type-Options"] == "nosniff"
            assert got["Referrer-Policy"] == "no-referrer"
            assert got["Cache-Control"] == "no-store"


async def test_every_answer_says_when_it_was_given() -> None:
    async with client() as asking:
        for path in ("/", "/healthz", "/nowhere"):
            before = datetime.now(UTC).replace(microsecond=0)
            given = parsedate_to_datetime((await asking.get(path)).headers["Date"])
            assert before <= given <= datetime.now(UTC)
