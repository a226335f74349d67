"""The stream of live updates: what is new and nothing else, for few viewers, none of whom can hold anybody up."""

import asyncio
import json
import zlib
from typing import Any

import pytest
from starlette.types import Message

from relay.web.live import MOST_VIEWERS, Live, Lives
from tests.support import eventually

SCOPE: dict[str, Any] = {"type": "http"}


class Viewer:
    """One who looks: takes what is sent, at once or never."""

    def __init__(self, *, takes: int = 10_000) -> None:
        self.sent: list[Message] = []
        self._takes = takes
        self._leaves = asyncio.Event()

    async def send(self, message: Any) -> None:
        if len(self.sent) >= self._takes:
            await asyncio.sleep(3600)
        self.sent.append(message)

    async def receive(self) -> Message:
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    def leave(self) -> None:
        self._leaves.set()

    @property
    def news(self) -> list[dict[str, str]]:
        bodies = [message["body"].decode() for message in self.sent[1:]]
        return [json.loads(body.split("data: ")[1]) for body in bodies if body.startswith("event: parts")]


def watching(live: Live, viewer: Viewer) -> asyncio.Task[None]:
    return asyncio.create_task(live.response()(SCOPE, viewer.receive, viewer.send))


async def test_a_viewer_gets_everything_first_and_then_what_has_changed() -> None:
    shown = {"a": "1", "b": "1"}
    live = Live(lambda: dict(shown), every=0.01)
    viewer = Viewer()
    task = watching(live, viewer)
    await eventually(lambda: viewer.news == [{"a": "1", "b": "1"}])
    shown["b"] = "2"
    await eventually(lambda: viewer.news[1:] == [{"b": "2"}])
    viewer.leave()
    await asyncio.wait_for(task, 120)
    assert live.viewers == 0
    assert viewer.sent[0]["headers"][0] == (b"content-type", b"text/event-stream; charset=utf-8")


async def test_parts_are_made_once_for_all_viewers_and_not_at_all_for_none() -> None:
    made: list[int] = []

    def render() -> dict[str, str]:
        made.append(1)
        return {"a": "1"}

    live = Live(render, every=3600)
    assert made == []
    viewers = [Viewer() for _ in range(5)]
    tasks = [watching(live, viewer) for viewer in viewers]
    await eventually(lambda: all(viewer.news for viewer in viewers))
    assert made == [1]
    live.close()
    await asyncio.wait_for(asyncio.gather(*tasks), 120)


async def test_closing_ends_every_stream_at_once() -> None:
    live = Live(lambda: {"a": "1"}, every=3600)
    viewers = [Viewer() for _ in range(3)]
    tasks = [watching(live, viewer) for viewer in viewers]
    await eventually(lambda: all(viewer.news for viewer in viewers))
    live.close()
    await asyncio.wait_for(asyncio.gather(*tasks), 120)
    assert all(viewer.sent[-1] == {"type": "http.response.body", "body": b""} for viewer in viewers)


@pytest.mark.parametrize("takes", [0, 1, 2])
async def test_a_viewer_who_takes_nothing_is_dropped(takes: int) -> None:
    live = Live(lambda: {"a": "1"}, every=0.01, slow=0.05)
    await asyncio.wait_for(watching(live, Viewer(takes=takes)), 120)
    assert live.viewers == 0


async def test_too_many_viewers_are_told_to_come_back() -> None:
    live = Live(lambda: {"a": "1"}, every=3600)
    tasks = [watching(live, Viewer()) for _ in range(MOST_VIEWERS)]
    await eventually(lambda: live.viewers == MOST_VIEWERS)
    refused = Viewer()
    await asyncio.wait_for(watching(live, refused), 120)
    assert refused.sent[0]["status"] == 503
    live.close()
    await asyncio.wait_for(asyncio.gather(*tasks), 120)
    assert live.viewers == 0


async def test_a_quiet_stream_says_now_and_then_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.web.live.HEARTBEAT", 0.03)
    live = Live(lambda: {"a": "1"}, every=0.01)
    viewer = Viewer()
    task = watching(live, viewer)
    await eventually(lambda: viewer.news.count({}) >= 2)
    viewer.leave()
    await asyncio.wait_for(task, 120)


async def test_each_page_has_its_stream_and_all_viewers_count() -> None:
    lives = Lives()
    made: list[str] = []

    def maker(name: str) -> Live:
        made.append(name)
        return Live(lambda: {"a": name}, every=3600)

    def watch(name: str, viewer: Viewer) -> asyncio.Task[None]:
        response = lives.response(name, lambda: maker(name), compressed=False)
        return asyncio.create_task(response(SCOPE, viewer.receive, viewer.send))

    viewers = [Viewer() for _ in range(MOST_VIEWERS)]
    tasks = [watch("one" if number % 2 else "two", viewer) for number, viewer in enumerate(viewers)]
    await eventually(lambda: all(viewer.news for viewer in viewers))
    assert sorted(made) == ["one", "two"]
    assert {viewer.news[0]["a"] for viewer in viewers[::2]} == {"two"}
    refused = Viewer()
    await asyncio.wait_for(watch("three", refused), 120)
    assert refused.sent[0]["status"] == 503
    lives.close()
    await asyncio.wait_for(asyncio.gather(*tasks), 120)


async def test_a_compressed_stream_reads_the_same_and_repeats_cost_little() -> None:
    shown = {"a": "".join(f"<td>{number}</td>" for number in range(500))}
    live = Live(lambda: dict(shown), every=0.01)
    viewer = Viewer()
    task = asyncio.create_task(live.response(compressed=True)(SCOPE, viewer.receive, viewer.send))
    await eventually(lambda: len(viewer.sent) >= 3)
    shown["a"] = shown["a"].replace("<td>499</td>", "<td>moved</td>")
    await eventually(lambda: len(viewer.sent) >= 4)  # the head, how soon to come back, all, what has changed
    viewer.leave()
    await asyncio.wait_for(task, 120)
    pieces = [message["body"] for message in viewer.sent[1:4]]
    text = zlib.decompressobj(31).decompress(b"".join(pieces)).decode()
    assert json.loads(text.rpartition("data: ")[2]) == {"a": shown["a"]}
    assert len(pieces[2]) < 150 < len(shown["a"]) / 20
    assert (b"content-encoding", b"gzip") in viewer.sent[0]["headers"]


async def test_calm_parts_are_sent_now_and_then_and_others_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {"calm": "0", "other": "0"}

    def moved() -> dict[str, str]:
        shown.update({name: str(int(value) + 1) for name, value in shown.items()})
        return dict(shown)

    monkeypatch.setattr("relay.web.live.CALM_FOR", 0.1)
    live = Live(moved, every=0.01, calm=frozenset({"calm"}))
    viewer = Viewer()
    task = watching(live, viewer)
    await eventually(lambda: len(viewer.news) >= 40)
    viewer.leave()
    await asyncio.wait_for(task, 120)
    calm = sum("calm" in news for news in viewer.news)
    assert 2 <= calm <= len(viewer.news) / 4
    assert all("other" in news for news in viewer.news)
