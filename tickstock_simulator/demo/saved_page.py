"""A page of the relay as a file that opens from disk as it looked: with its style inside, and without its script."""

import re

import httpx

STYLE = re.compile(r'<link rel="stylesheet" href="([^"]+)">')
SCRIPT = re.compile(r'<script src="[^"]+" defer></script>\n?')
ICON = re.compile(r'<link rel="icon"[^>]*>\n?')
STREAM = re.compile(r' data-at="[^"]*" data-stream="[^"]*"')


async def saved_page(client: httpx.AsyncClient, path: str) -> str:
    """The page at `path`, which need not stand below the root.

    Raises:
        httpx.HTTPError: the relay does not answer.
    """
    answer = await client.get(path)
    page = STREAM.sub("", ICON.sub("", SCRIPT.sub("", answer.text)))
    if style := STYLE.search(page):
        css = (await client.get(answer.url.join(style[1]))).text
        page = f"{page[: style.start()]}<style>\n{css}</style>{page[style.end() :]}"
    return page
