"""Which page is at which address: status, one run, their facts as JSON, live updates, and what pages are made with."""

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from relay.status.collect import Viewpoint
from relay.status.run_list import ListFilter
from relay.status.run_report import NoReport
from relay.web import run_page, runs_page, status_page
from relay.web.answers import answer, asset_answer, takes_gzip
from relay.web.assets import served
from relay.web.download import Download
from relay.web.live import Live, Lives
from relay.web.run_page import EventFilter

HTML, JSON = "text/html", "application/json"
RUN_EVERY = 2.0
"""Seconds between two looks at a run for its viewers."""


def page_routes(viewpoint: Viewpoint) -> list[Route]:
    """The pages; each is made when it is asked for."""

    async def status(request: Request) -> Response:
        return answer(request, status_page.page(viewpoint.snapshot()), HTML)

    async def state(request: Request) -> Response:
        return answer(request, msgspec.json.encode(viewpoint.snapshot()), JSON)

    async def run(request: Request) -> Response:
        chosen = _chosen(request)
        made = viewpoint.report(request.path_params["key"], with_events=chosen.needs_events)
        if isinstance(made, NoReport):
            text = run_page.not_found(made)
            return PlainTextResponse(text, 404, media_type=HTML)
        return answer(request, run_page.page(made, chosen), HTML, keep=not run_page.is_live(made))

    async def runs(request: Request) -> Response:
        chosen = _listed(request)
        return answer(request, runs_page.page(viewpoint.run_list(chosen), chosen), HTML)

    async def runs_facts(request: Request) -> Response:
        return answer(request, msgspec.json.encode(viewpoint.run_list(_listed(request))), JSON)

    async def run_facts(request: Request) -> Response:
        made = viewpoint.report(request.path_params["key"])
        if isinstance(made, NoReport):
            return Response(msgspec.json.encode(made), 404, media_type=JSON)
        return answer(request, msgspec.json.encode(made.facts()), JSON)

    return [
        Route("/", status),
        Route("/api/state", state),
        Route("/runs", runs),
        Route("/runs.json", runs_facts),
        Route("/runs/{key:path}/events.ndjson", Download(viewpoint), methods=["GET"]),
        Route("/runs/{key:path}.json", run_facts),
        Route("/runs/{key:path}", run),
    ]


def stream_route(viewpoint: Viewpoint, lives: Lives) -> Route:
    """Live updates, of the status page or of a run's."""

    async def updates(request: Request) -> Response:
        asked, chosen = request.query_params.get("run"), _chosen(request)

        def of_run() -> dict[str, str]:
            made = viewpoint.report(asked or "", with_events=chosen.needs_events)
            return {} if isinstance(made, NoReport) else run_page.parts(made, chosen)

        def make() -> Live:
            if asked is None:
                return Live(lambda: status_page.parts(viewpoint.snapshot()), calm=status_page.CALM)
            return Live(of_run, every=RUN_EVERY)

        if asked is not None and isinstance(viewpoint.report(asked, with_events=False), NoReport):
            return PlainTextResponse("no such run\n", 404)
        return lives.response((asked, chosen if asked else None), make, compressed=takes_gzip(request))

    return Route("/live", updates)


def asset_routes() -> list[Route]:
    """What the pages are made with."""

    async def file(request: Request) -> Response:
        found = served(request.path_params["name"])
        return asset_answer(request, found) if found else PlainTextResponse("no such file\n", 404)

    async def tab_icon(request: Request) -> Response:
        mood = request.path_params["mood"]
        if mood not in status_page.MOOD_COLOURS:
            return PlainTextResponse("no such icon\n", 404)
        return Response(status_page.icon(mood), media_type="image/svg+xml")

    return [Route("/assets/{name}", file), Route("/icon-{mood}.svg", tab_icon)]


def _chosen(request: Request) -> EventFilter:
    return EventFilter.asked(request.query_params.get("show"), request.query_params.get("phase"))


def _listed(request: Request) -> ListFilter:
    return ListFilter(request.query_params.get("result", ""), request.query_params.get("month", ""))
