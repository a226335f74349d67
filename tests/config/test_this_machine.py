"""This machine is asked directly, whatever proxies the environment names."""

import pytest

from relay.config.environment import Environment

ENVIRONMENT = Environment.read({"HTTP_PROXY": "http://proxy.test:3128", "HTTPS_PROXY": "http://proxy.test:3128"})


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "LOCALHOST", "localhost.", "[::1]"])
def test_no_proxy_for_this_machine(scheme: str, host: str) -> None:
    assert ENVIRONMENT.proxy_for(f"{scheme}://{host}:8080/api") is None


@pytest.mark.parametrize("host", ["localhost.test", "127.0.0.1.test", "128.0.0.1", "[::2]", "0.0.0.0"])  # noqa: S104 - no binding
def test_a_proxy_for_what_only_looks_like_it(host: str) -> None:
    assert ENVIRONMENT.proxy_for(f"http://{host}:8080/api") is not None
