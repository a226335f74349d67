"""Links: what may be written, and what is made of it."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from relay.config.links import Links, LinksOptions
from relay.config.load import ConfigError, load
from relay.config.settings import Settings
from relay.lifecycle.reload import restart_needed

GRAFANA = "https://grafana.example/d/relay?from={from_ms}&to={to_ms}"
AT_1610 = datetime(2025, 1, 27, 21, 10, tzinfo=UTC)
AT_1642 = datetime(2025, 1, 27, 21, 42, tzinfo=UTC)


def links(**options: str) -> Links:
    return Links(LinksOptions(**options))


@pytest.mark.parametrize(
    ("base", "about", "part", "url"),
    [
        ("https://relay.example", "2ec03b4d-4377", "", "https://relay.example/runs/2ec03b4d-4377"),
        ("https://relay.example/", date(2025, 1, 27), "", "https://relay.example/runs/2025-01-27"),
        ("https://host.example:8443/relay/", None, "", "https://host.example:8443/relay/"),
        ("https://relay.example", None, "intake", "https://relay.example/#intake"),
        ("https://relay.example", "a", "errors", "https://relay.example/runs/a#errors"),
        ("https://relay.example", "../../x?<b>#é", "", "https://relay.example/runs/..%2F..%2Fx%3F%3Cb%3E%23%C3%A9"),
    ],
)
def test_a_page_is_that_of_the_run_of_the_day_or_the_status_page(
    base: str, about: str | date | None, part: str, url: str
) -> None:
    assert links(public_url=base).url_of(about, part=part) == url


def test_a_placeholder_is_replaced_and_nothing_else_is() -> None:
    made = links(runbook="https://wiki.example/%7Bx%7D/$alert/%(alert)s#{alert}", dashboard=GRAFANA)
    assert made.runbook("run_failed") == "https://wiki.example/%7Bx%7D/$alert/%(alert)s#run_failed"
    assert made.runbook("a b{alert}") == "https://wiki.example/%7Bx%7D/$alert/%(alert)s#a%20b%7Balert%7D"
    whole = made.dashboard(AT_1610, AT_1642)
    assert whole == "https://grafana.example/d/relay?from=1738011300000&to=1738015020000"
    assert made.dashboard(AT_1610, None) == "https://grafana.example/d/relay?from=1738011300000&to=now"


def test_what_is_not_configured_is_not_linked_to() -> None:
    none = Links()
    assert (none.url_of("a"), none.runbook("a"), none.dashboard(AT_1610, None)) == (None, None, None)


def test_a_reload_changes_what_everybody_who_holds_them_gets() -> None:
    made = links(public_url="https://old.example")
    made.use(LinksOptions(public_url="https://new.example"), "production")
    assert (made.url_of(), made.name) == ("https://new.example/", "production")


def test_links_and_name_need_no_restart_and_the_token_does() -> None:
    changed = Settings.model_validate({"name": "b", "links": {"public_url": "https://b.example"}})
    assert restart_needed(Settings(), changed) == []
    assert restart_needed(Settings(), Settings.model_validate({"http": {"token": "t"}})) == ["http"]


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ("runbook: 'https://wiki.example/{alarm}'", "{alarm} is not known here"),
        ("runbook: 'https://wiki.example/{}'", "{} is not known here"),
        ("runbook: 'https://wiki.example/{Alert}'", "{Alert} is not known here"),
        ("dashboard: 'https://grafana.example/?from={from}'", "{from} is not known here"),
        ("dashboard: 'https://grafana.example/?run={alert}'", "{alert} is not known here"),
        ("public_url: 'https://relay.example/{run_id}'", "{run_id} is not known here"),
        ("runbook: 'https://wiki.example/{alert'", "must be written with %"),
        ("runbook: wiki.example/alerts", "must look like https://host/path"),
        ("runbook: 'javascript:alert(1)'", "must look like https://host/path"),
        ("public_url: 'https://'", "must look like https://host/path"),
        ("public_url: 'https://relay.example:port'", "host or port cannot be read"),
        ("public_url: 'https://relay.example/?a=b'", "no ?query"),
        ("public_url: 'https://relay.example/#a'", "no #fragment"),
        ("public_url: 'https://ops:pw@relay.example'", "no password"),
        ("dashboard: 'https://grafana.example/a b'", "must be written with %"),
        ("dashboard: 'https://grafana.example/>|<!channel>'", "must be written with %"),
        ("wiki: https://wiki.example", "is not known here"),
    ],
)
def test_what_no_phone_could_open_is_refused_with_its_line(tmp_path: Path, section: str, why: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"http: {{token: t0ken}}\nlinks:\n  {section}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    (problem,) = caught.value.problems
    assert why in str(problem)
    assert problem.line == 3
    assert "pw" not in str(problem)


@pytest.mark.parametrize(
    ("http", "why"),
    [
        ("", "opens the relay's pages to other machines (set http.token"),
        ("http: {token: ''}", "opens the relay's pages to other machines (set http.token"),
        ("http: {enabled: false}", "there are no pages: http.enabled is false"),
        ("http: {enabled: false, token: t0ken}", "there are no pages: http.enabled is false"),
    ],
)
def test_pages_for_other_machines_need_a_token_and_pages(tmp_path: Path, http: str, why: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"links:\n  public_url: https://relay.example\n{http}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert [f"line {p.line}" for p in caught.value.problems] == ["line 2"]
    assert why in str(caught.value)


@pytest.mark.parametrize("name", ["production", "Börse 2", "a" * 60])
def test_an_installation_may_have_a_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"name: {name}\n")
    assert load(path, {}).installation == name


@pytest.mark.parametrize("name", ['"a\\nb"', "' a'", f"{'a' * 61}", '"\\u001b[31m"'])
def test_a_name_that_does_not_fit_a_title_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"name: {name}\n")
    with pytest.raises(ConfigError, match="line 1: name"):
        load(path, {})
