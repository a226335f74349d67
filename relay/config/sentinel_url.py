"""The URL of a Redis behind Sentinels, taken apart."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """`redis+sentinel://[user:password@]host:port,host:port/master[/db]`."""

    nodes: list[tuple[str, int]]
    master: str
    db: int
    username: str | None
    password: str | None
    tls: bool


def parse_sentinel_url(url: str) -> SentinelUrl:
    """Take a Sentinel URL apart.

    Raises:
        ValueError: the text is no such URL; the message does not repeat it.
    """
    parts = urlsplit(url)
    userinfo, _, hosts = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    path = parts.path.strip("/").split("/")
    if not path[0] or len(path) > 2 or not re.fullmatch(r"\d*", path[-1] if len(path) == 2 else ""):
        raise ValueError("write redis+sentinel://host:26379,host:26379/master-name/0")
    nodes = []
    for node in hosts.split(","):
        host, _, port = node.rpartition(":") if re.search(r":\d+$", node) else (node, "", "26379")
        nodes.append((host.strip("[]"), int(port)))
    return SentinelUrl(
        nodes=nodes,
        master=path[0],
        db=int(path[1]) if len(path) == 2 and path[1] else 0,
        username=unquote(username) or None,
        password=unquote(password) or None,
        tls=parts.scheme == "rediss+sentinel",
    )
