"""Health and scrapes are answered at once, pages in turn; and the metrics are made once for all who ask."""

import asyncio

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from relay.web.admission import AT_ONCE, MOST_PAGES, Admission, SharedMetrics
from tests.support import eventually


class Pages:
    """An application whose pages end when they may."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()
        routes = [Route("/", self._page), *(Route(path, self._short) for path in AT_ONCE)]
        app = Starlette(routes=routes, middleware=[Middleware(Admission)])
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")

    async def _page(self, _: Request) -> Response:
        self.begun += 1
        await self.may_end.wait()
        return PlainTextResponse("page\n")

    async def _short(self, _: Request) -> Response:
        return PlainTextResponse("ok\n")


async def test_health_and_scrapes_are_answered_while_there_are_too_many_pages() -> None:
    pages = Pages()
    async with pages.client as client:
        asked = [asyncio.create_task(client.get("/")) for _ in range(MOST_PAGES)]
        await eventually(lambda: pages.begun == MOST_PAGES)
        refused = await client.get("/")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
        assert [(await client.get(path)).status_code for path in AT_ONCE] == [200] * len(AT_ONCE)
        pages.may_end.set()
        assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
        assert (await client.get("/")).status_code == 200


async def test_other_work_comes_between_two_pages() -> None:
    pages = Pages()
    pages.may_end.set()
    most_at_once = 0

    async def other_work() -> None:
        nonlocal most_at_once
        while True:
            before = pages.begun
            await asyncio.sleep(0)
            most_at_once = max(most_at_once, pages.begun - before)

    async with pages.client as client:
        working = asyncio.create_task(other_work())
        await asyncio.gather(*(client.get("/") for _ in range(MOST_PAGES)))
        working.cancel()
    assert most_at_once == 1


class Made(Collector):
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    def collect(self) -> list[Metric]:
        self.times += 1
        return [GaugeMetricFamily("times", "How often.", value=self.times)]


def shared(max_age: float) -> tuple[Made, SharedMetrics]:
    registry, made = CollectorRegistry(), Made()
    registry.register(made)
    made.times = 0  # registering asks once, for the names
    return made, SharedMetrics(lambda: [registry], max_age)


@pytest.mark.parametrize("at_once", [1, 40])
async def test_scrapes_share_what_was_made(at_once: int) -> None:
    made, metrics = shared(max_age=3600)
    texts = await asyncio.gather(*(metrics.text() for _ in range(at_once)))
    texts.append(await metrics.text())
    assert made.times == 1
    assert len(set(texts)) == 1
    assert b"times 1.0" in texts[0]


async def test_what_is_too_old_is_made_anew() -> None:
    made, metrics = shared(max_age=0.05)
    await metrics.text()
    await asyncio.sleep(0.06)
    assert b"times 2.0" in await metrics.text()
    assert made.times == 2


async def test_a_scrape_that_is_given_up_leaves_the_others_theirs() -> None:
    _, metrics = shared(max_age=3600)
    given_up = asyncio.create_task(metrics.text())
    await asyncio.sleep(0)
    given_up.cancel()
    assert b"times" in await asyncio.wait_for(metrics.text(), 120)


async def test_a_registry_that_fails_fails_one_scrape() -> None:
    class Failing(Collector):
        def collect(self) -> list[Metric]:
            raise RuntimeError

    registry = CollectorRegistry(auto_describe=False)
    failing = Failing()
    registries = [registry]
    metrics = SharedMetrics(lambda: registries, 3600)
    registry.register(failing)
    with pytest.raises(RuntimeError):
        await metrics.text()
    registry.unregister(failing)
    assert await metrics.text() == b""
