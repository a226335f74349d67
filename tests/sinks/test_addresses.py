"""Where a remote sink may send, and what of an address may be told."""

from base64 import b64encode

import pytest

from sinks.addresses import is_loopback, place_of, secrets_of, usable_url

UNREADABLE = "the URL's host or port cannot be read"
BLANKS = "the URL holds blanks, control or non-ASCII characters"
NO_ADDRESS = "the URL must look like https://host/path"
FRAGMENT = "the URL holds a #: write it as %23, in a password too"
PLAIN = "plain http leaves this machine unencrypted: use https (or say allow_plain_http: true)"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://a.example/a b", BLANKS),
        ("https://a.example/\x7f", BLANKS),
        ("https://a.example/é", BLANKS),
        ("ftp://a.example/", NO_ADDRESS),
        ("https:///path", NO_ADDRESS),
        ("a.example", NO_ADDRESS),
        ("https://a.example/#x", FRAGMENT),
        ("https://u:a#b@a.example/", UNREADABLE),
        ("https://a.example:99999/", UNREADABLE),
        ("https://[::1/", UNREADABLE),
        ("http://a.example/", PLAIN),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_it(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"the URL|plain http") as refused:
        usable_url(url)
    assert str(refused.value) in {message, FRAGMENT}
    assert "a.example" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://a.example", "https://a.example:8443/x?y=%20", "http://localhost:1/", "http://[::1]"]
)
def test_an_address_that_can_be_used_is_taken_as_it_is(url: str) -> None:
    assert usable_url(url) == url
    assert usable_url("http://a.example/", allow_plain_http=True) == "http://a.example/"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://user:secret@a.example/path?query", "https://a.example"),
        ("http://a.example:8080/path", "http://a.example:8080"),
        ("https://[::1]:8443/path", "https://[::1]:8443"),
        ("https://[::1]/path", "https://[::1]"),
    ],
)
def test_of_an_address_scheme_host_and_port_may_be_shown(url: str, place: str) -> None:
    assert place_of(url) == place


def basic(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("url", "target", "more"),
    [
        ("https://a.example", "", []),
        ("https://a.example/", "", []),
        ("https://a.example/hook", "hook", []),
        ("https://a.example/hook/1234567/12345678", "hook/1234567/12345678", ["12345678"]),
        ("https://a.example/v1?key=abcdefgh&b=hijklmno;c", "v1?key=abcdefgh&b=hijklmno;c", ["abcdefgh", "hijklmno"]),
        ("https://user:p%40ss@a.example/x", "x", ["p@ss", basic("user:p@ss")]),
        ("https://user@a.example/x", "x", [basic("user:")]),
        ("https://:pass@a.example/x", "x", ["pass", basic(":pass")]),
    ],
)
def test_what_of_an_address_must_not_be_told(url: str, target: str, more: list[str]) -> None:
    assert secrets_of(url) == [url, *([target] if target else []), *more]


@pytest.mark.parametrize(
    ("host", "is_it"),
    [
        ("localhost", True),
        ("app.localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104 - it is no address to send to
        ("128.0.0.1", False),
        ("localhost.example", False),
        ("mylocalhost", False),
        ("a.example", False),
    ],
)
def test_what_is_this_machine(host: str, is_it: bool) -> None:
    assert is_loopback(host) is is_it
