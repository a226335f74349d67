"""A secret file whose content becomes unreadable while the relay runs: an error without the secret."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from relay.config.settings import RedisOptions
from relay.subscription.connect import ConnectError, Connector
from sinks.options import FileSecret
from tests.support import Valkey


def options_with(url: SecretStr) -> RedisOptions:
    """As after the start: a file's content is not validated again."""
    return RedisOptions().model_copy(update={"url": url})


@pytest.mark.parametrize(
    "rotated",
    [
        "redis://:hunter2/x@host:6379",
        "redis://:hunter2#x@host:6379",
        "redis://:hunter2?x@host:6379",
        "redis://:hunter2[x@host",
        "redis+sentinel://:hunter2[x@host/m",
        "hunter2",
    ],
)
def test_a_url_that_has_become_unreadable_is_an_error_without_its_password(tmp_path: Path, rotated: str) -> None:
    file = tmp_path / "url"
    file.write_text("redis://127.0.0.1:1")
    connector = Connector(options_with(FileSecret(file)))
    file.write_text(rotated)
    for attempt in (connector.connect, connector.check):
        with pytest.raises(ConnectError) as caught:
            attempt()
        assert "hunter2" not in str(caught.value)


def test_it_is_read_again_at_the_next_attempt(tmp_path: Path, shared_valkey: Valkey) -> None:
    file = tmp_path / "url"
    file.write_text(shared_valkey.url)
    connector = Connector(options_with(FileSecret(file)))
    file.write_text("redis://:pa[ss@host")
    with pytest.raises(ConnectError):
        connector.check()
    file.write_text(shared_valkey.url)
    assert connector.check().problem == ""
