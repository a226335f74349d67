"""Options of the webhook sink: what is taken, and a mistake is named without the secret."""

import base64
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sinks.base import SinkError
from sinks.testing import make_event
from sinks.webhook import WebhookOptions
from tests.support.webhook_sink import sink_of, started


@pytest.mark.parametrize("size", [24, 25, 26, 64])
@pytest.mark.parametrize("prefix", ["", "whsec_"])
def test_a_signing_key_has_24_to_64_bytes_with_or_without_padding(size: int, prefix: str) -> None:
    text = base64.b64encode(b"k" * size).decode()
    for written in (text, text.rstrip("=")):
        assert sink_of(secret=prefix + written).options.secret is not None


@pytest.mark.parametrize("size", [23, 65])
def test_a_shorter_or_longer_signing_key_is_refused(size: int) -> None:
    with pytest.raises(ValidationError, match=f"must have 24 to 64 bytes, this one has {size}"):
        sink_of(secret=base64.b64encode(b"k" * size).decode())


@pytest.mark.parametrize(
    "headers", [{"X-Team": "ops"}, {"!#$%&'*+.^_`|~-": ""}, {"X": "a\tb ~"}, {"Hosts": "x"}, {"Webhooks": "x"}]
)
def test_a_header_that_http_allows_is_taken(headers: dict[str, str]) -> None:
    given = sink_of(headers=headers).options.headers
    assert {name: value.get_secret_value() for name, value in given.items()} == headers


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "Content-Length",
        "content-type",
        "Content-Encoding",
        "Transfer-Encoding",
        "Connection",
        "webhook-signature",
    ],
)
def test_a_header_that_the_sink_sets_itself_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=f"the header {name} is set by the sink itself"):
        sink_of(headers={"X-Other": "x", name: "x"})


async def test_a_sink_that_was_not_started_says_so_and_can_be_closed() -> None:
    sink = sink_of()
    await sink.close()
    with pytest.raises(SinkError, match=r"^the webhook sink was not started$"):
        await sink.deliver([make_event()], "kit-1")


async def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate", encoding="utf-8")
    for path in (broken, tmp_path / "missing.pem"):
        with pytest.raises(SinkError, match="cannot use ca_file"):
            async with started(url="https://x.example", ca_file=path):
                pass


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({}, "url"),
        ({"url": "https://x.example", "key_file": "/hidden"}, "Value error, key_file goes with cert_file ["),
        ({"url": "http://x.example", "allow_plain_http": "hidde"}, "1 validation error"),
        ({"url": "https://x.example", "secret": "whsec_aGlkZGVu!"}, "error, the signing key must be whsec_… or plain"),
        ({"url": "https://x.example", "order_by": ["runs_id"]}, "such as run_id, channel or payload.symbol ["),
        ({"url": "https://x.example", "headers": {"X": "hiddé"}}, "header X must be printable ASCII in one line ["),
        ({"url": "http://app.example/hidden"}, "plain http leaves this machine"),
        ({"url": "app.example/hidden"}, "https://host/path"),
        ({"url": "https://app.example:port/hidden"}, "host or port"),
        ({"url": "https://app.example/hid den"}, "blanks"),
        ({"url": "https://x.example", "secret": "whsec_hidden!"}, "whsec_… or plain base64"),
        ({"url": "https://x.example", "secret": "aGlkZGVu"}, "24 to 64 bytes, this one has 6"),
        ({"url": "https://x.example", "headers": {"Content-Type": "hidden"}}, "set by the sink itself"),
        ({"url": "https://x.example", "headers": {"Webhook-Id": "hidden"}}, "set by the sink itself"),
        ({"url": "https://x.example", "headers": {"a b": "hidden"}}, "is not a valid header name"),
        ({"url": "https://x.example", "headers": {"X": "hidden\r\nY: z"}}, "in one line"),
        ({"url": "https://x.example", "order_by": ["colour"]}, "is not a field"),
        ({"url": "https://x.example", "order_by": ["payload."]}, "is not a field"),
        ({"url": "https://x.example", "batch": {"max_events": 0}}, "greater than or equal to 1"),
        ({"url": "https://x.example", "body": "xml"}, "'event' or 'original'"),
    ],
)
def test_a_mistake_in_the_options_is_named_without_the_secret(wrong: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        WebhookOptions.model_validate(wrong)
    assert hint in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://app.example/x", "http://127.0.0.1:8000/", "http://[::1]/x", "http://localhost/x"]
)
def test_an_address_that_is_safe_is_taken(url: str) -> None:
    assert WebhookOptions.model_validate({"url": url}).url.get_secret_value() == url


def test_plain_http_elsewhere_is_taken_when_asked_for() -> None:
    assert WebhookOptions.model_validate({"url": "http://app.example/", "allow_plain_http": True}).allow_plain_http
