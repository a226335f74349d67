"""The pages of runs that were played in a small world, served as the relay serves them, without a relay."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from relay.events import Event
from relay.status.collect import Viewpoint
from relay.status.run_list import ListFilter, RunList, run_list
from relay.status.run_report import NoReport, RunReport
from relay.status.run_reports import report
from relay.status.sources import Sources
from relay.web.guard import Guard
from relay.web.live import Lives
from relay.web.pages import asset_routes, page_routes, stream_route
from tests.support.reported import ReportedWorld
from tests.support.waiting import eventually, free_port


class ShownWorld:
    """What the pages ask the living relay for."""

    def __init__(self, world: ReportedWorld) -> None:
        self.world = world

    def report(self, asked: str, *, with_events: bool = True) -> RunReport | NoReport:
        return report(self.sources(), asked, with_events=with_events)

    def run_list(self, chosen: ListFilter) -> RunList:
        return run_list(self.sources(), chosen)

    def sources(self) -> Sources:
        return self.world.sources()

    def hide_in(self, event: Event) -> Event:
        return event


@asynccontextmanager
async def pages_of(shown: ShownWorld) -> AsyncIterator[str]:
    """Their address."""
    viewpoint, lives, port = cast("Viewpoint", shown), Lives(), free_port()
    routes = [stream_route(viewpoint, lives), *page_routes(viewpoint), *asset_routes()]
    app = Starlette(routes=routes, middleware=[Middleware(Guard, token=None, host="127.0.0.1")])
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off", ws="none")
    )
    serving = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        lives.close()
        server.should_exit = True
        await serving
