"""Proxies, certificates and directories of the environment: checked like config.yaml, told with the variable's name."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from relay.cli import main
from relay.config.environment import Environment, EnvironmentProblem
from tests.support.relay_process import PROGRAM

PROXY = "http://proxy.test:3128"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    webhook = {"type": "webhook", "url": "https://receiver.test/hook"}
    sections = {"sinks": {"app": webhook}, "routes": [{"name": "all", "to": ["app"]}]}
    path.write_text(yaml.safe_dump({**sections, "state_dir": "${STATE_DIRECTORY:-./state}"}))
    return path


def check(config: Path, **variables: str) -> tuple[int, str]:
    """Exit status and all that was written."""
    ended = CliRunner().invoke(main, ["check", "--config", str(config)], env=variables)
    return ended.exit_code, ended.output


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("HTTPS_PROXY", "http://user:hu#sh@proxy.test:3128", "not written as %23"),
        ("HTTPS_PROXY", "http://user:12#hush@proxy.test:3128", "not written as %23"),
        ("https_proxy", "http://user:12?hush@proxy.test:3128", "not written as %23 or %3F"),
        ("ALL_PROXY", "ftp://hush@proxy.test", "ftp://: only http:// and https:// are supported"),
        ("ALL_PROXY", "socks5://hush@proxy.test:1080", "socks5://: only http:// and https:// are supported"),
        ("HTTP_PROXY", "http://user:hu/sh@proxy.test", "host or port cannot be read"),
        ("HTTP_PROXY", "http://[::1:3128", "host or port cannot be read"),
        ("HTTP_PROXY", "http://proxy.test:99999", "host or port cannot be read"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "names /nowhere/ca.pem: it cannot be read: No such file"),
        ("SSL_CERT_FILE", "/etc/hostname", "it holds no certificate in PEM form"),
        ("SSL_CERT_DIR", "/etc:/nowhere", "names /nowhere: no such directory"),
        ("STATE_DIRECTORY", "/a:/b", "names several directories: /a:/b"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_variable(config: Path, variable: str, value: str, words: str) -> None:
    status, output = check(config, **{variable: value})
    assert status == 2, output
    assert variable in output
    assert words in output
    assert "hush" not in output


def test_the_daemon_does_not_start_with_it_and_says_why(config: Path) -> None:
    variables = {"HTTPS_PROXY": "http://user:12#hush@proxy.test", "NO_PROXY": "fd00::/8,fd00::/200"}
    command = [str(PROGRAM), "run", "--config", str(config)]
    ended = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "HTTPS_PROXY: holds a #" in ended.stderr
    assert "NO_PROXY: holds 'fd00::/200'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "hush" not in ended.stderr


@pytest.mark.parametrize("exceptions", ["localhost,10.0.0.0/99", "user:hush@host", "a b,http://x"])
def test_an_exception_that_is_none_is_told(config: Path, exceptions: str) -> None:
    status, output = check(config, HTTPS_PROXY=PROXY, NO_PROXY=exceptions)
    assert (status, "NO_PROXY" in output, "hush" in output) == (2, True, False), output


@pytest.mark.parametrize(
    ("exceptions", "direct", "by_proxy"),
    [
        ("localhost,127.0.0.1,fd00::/8", "https://[fd00::1]/", "https://[fe80::1]/"),
        ("localhost,[::1],[fd00::1]:8443", "https://[fd00::1]:8443/", "https://[fd00::1]/"),
        ("::1,fd00::1", "https://[fd00::1]/", "https://[fd00::2]/"),
        ("10.0.0.0/8", "https://10.1.2.3/", "https://11.1.2.3/"),
        (".corp.test", "https://a.corp.test/", "https://acorp.test/"),
        ("*.corp.test", "https://corp.test/", "https://corp.test.org/"),
        ("Corp.test:8443", "https://corp.test:8443/", "https://corp.test/"),
    ],
)
def test_exceptions_are_understood(exceptions: str, direct: str, by_proxy: str) -> None:
    environment = Environment.read({"HTTPS_PROXY": PROXY, "NO_PROXY": exceptions})
    assert environment.proxy_for(direct) is None
    found = environment.proxy_for(by_proxy)
    assert found is not None
    assert (found.variable, found.place) == ("HTTPS_PROXY", PROXY)
    assert environment.proxy_for(by_proxy.replace("https", "http")) is None


def test_small_letters_and_a_schemes_own_variable_go_first() -> None:
    given = {"HTTPS_PROXY": "http://a.test", "https_proxy": "https://b.test:444", "ALL_PROXY": "c.test:3128"}
    environment = Environment.read(given)
    places = [environment.proxy_for(f"{scheme}://x.test/") for scheme in ("https", "http")]
    assert [one and one.place for one in places] == ["https://b.test:444", "http://c.test:3128"]


def test_a_password_is_not_shown() -> None:
    environment = Environment.read({"HTTPS_PROXY": "http://user:hush%23@proxy.test"})
    assert "hush" not in repr(environment)
    assert environment.proxies["https"].password == "hush#"  # noqa: S105 - the test's own
    with pytest.raises(EnvironmentProblem) as caught:
        Environment.read({"HTTPS_PROXY": "http://user:hush#@proxy.test"})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:12#secret@host",
        "redis://:12?secret@host",
        "rediss://u:6379#secret@host/0",
        "redis+sentinel://:1#s@h/m",
    ],
)
def test_a_redis_url_with_a_password_that_is_not_escaped_is_refused(config: Path, url: str) -> None:
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"redis": {"url": url}}))
    status, output = check(config)
    assert status == 2
    assert "redis.url" in output
    assert "secret" not in output


@pytest.mark.parametrize(
    "url",
    [
        "rediss://host/0?ssl_ca_certs=/etc/ca.pem",
        "rediss://:secret@host/0?health_check_interval=5&ssl_cert_reqs=none",
        "rediss+sentinel://host:26379/m/0?ssl_certfile=",
    ],
)
def test_tls_in_the_query_of_a_redis_url_which_is_not_read_is_refused(config: Path, url: str) -> None:
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"redis": {"url": url}}))
    status, output = check(config)
    assert status == 2
    assert "redis.url: its ?ssl_… options are not read; write redis.tls with ca_file" in output
    assert "secret" not in output


@pytest.mark.parametrize("url", ["https://u:12#pw@receiver.test/hook", "https://receiver.test/hook#part"])
def test_so_is_a_webhooks(config: Path, url: str) -> None:
    sections = yaml.safe_load(config.read_text())
    sections["sinks"]["app"]["url"] = url
    config.write_text(yaml.safe_dump(sections))
    status, output = check(config)
    assert (status, "%23" in output) == (2, True)
