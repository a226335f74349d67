"""A run's events as NDJSON: read from the archive in a thread, one download at a time, without secrets."""

import asyncio
import re

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from relay.replay.run_events import MOST_BYTES, MOST_SECONDS, FoundEvents, RunSpan, run_events
from relay.status.archive_command import archive_place
from relay.status.collect import Viewpoint
from relay.status.run_report import NoReport, RunReport
from relay.web.answers import answer

NDJSON = "application/x-ndjson"


class Download:
    """Answers `/runs/<run_id>/events.ndjson`."""

    def __init__(self, viewpoint: Viewpoint) -> None:
        self._viewpoint = viewpoint
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, and give what was found; its last line says so when it was cut."""
        request = Request(scope, receive)
        await (await self._answer(request))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        report = self._viewpoint.report(request.path_params["key"], with_events=False)
        if isinstance(report, NoReport) or report.run_id is None or report.began is None:
            return PlainTextResponse("no events are known of this run\n", 404)
        place = archive_place(self._viewpoint.sources().sinks)
        if place is None:
            return PlainTextResponse("there is no archive: no sink of type jsonl is configured\n", 404)
        span = RunSpan(
            run_ids=(report.run_id, report.shared_id or report.run_id),
            began=report.began,
            ended=report.ended or report.at,
            directory=place[0],
            prefix=place[1],
        )
        async with self._turn:
            found = await asyncio.to_thread(run_events, span, self._viewpoint.hide_in)
        made = answer(request, _body(found, report), NDJSON)
        made.headers["Content-Disposition"] = f'attachment; filename="{_file_name(report.run_id)}"'
        return made


def _body(found: FoundEvents, report: RunReport) -> bytes:
    lines = list(found.lines)
    if found.is_cut:
        limits = f"after {MOST_BYTES >> 20} MB or {MOST_SECONDS:.0f} s"
        lines.append(b'{"relay":"cut %b; the rest: see the command on the page of the run"}' % limits.encode())
    elif not lines and report.event_count:
        lines.append(b'{"relay":"the archive has no event of this run any more"}')
    return b"".join(line + b"\n" for line in lines)


def _file_name(run_id: str) -> str:
    return f"run-{re.sub(r'[^A-Za-z0-9_.-]', '_', run_id)[:80]}.ndjson"
