"""config.yaml as its writers meet it: each mistake told with line, key and hint; variables; files with secrets."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from relay.config.load import ConfigError, load
from relay.config.settings import Settings

MISTAKES = sorted((Path(__file__).parents[1] / "testdata" / "config").glob("*.yaml"))
DEFAULT = Path(__file__).parents[2] / "config.yaml"
SWITCH = re.compile(r"^( *)#(?=[\w-])(?!-{3})", re.MULTILINE)
"""A comment sign directly before a word: a line that is ready to be switched on."""
SLACK = "sinks: {ops: {type: slack, token: ${SLACK_BOT_TOKEN}, channel: '#ops'}}\n"


def write(directory: Path, text: str) -> Path:
    path = directory / "config.yaml"
    path.write_text(text)
    return path


def problems(path: Path, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environment or {})
    return [str(problem) for problem in caught.value.problems]


def test_there_is_a_file_for_each_of_many_mistakes() -> None:
    assert len(MISTAKES) >= 60
    assert all(path.with_suffix(".expected").exists() for path in MISTAKES)


def test_a_file_without_an_end_is_not_read_to_its_end() -> None:
    assert problems(Path("/dev/zero")) == ["is larger than 4 MiB: no configuration of ours"]


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.stem)
def test_each_mistake_is_told_with_line_key_and_hint_and_nothing_else_is(path: Path) -> None:
    expected = path.with_suffix(".expected").read_text().splitlines()
    found = problems(path)
    assert len(found) == len(expected), found
    for fragment, problem in zip(expected, found, strict=True):
        assert fragment in problem


def test_the_default_configuration_has_no_mistake_without_any_environment() -> None:
    settings = load(DEFAULT, {})
    assert settings.redis.patterns == ["tickstock:*"]
    assert {options["type"] for options in settings.sinks.values()} == {"prometheus", "jsonl"}


def test_the_default_configuration_says_what_the_code_does_anyway() -> None:
    """A value that is written down as the default must be the default, or its comment lies."""
    written, usual = load(DEFAULT, {}), Settings()
    for name in (
        "redis",
        "tickstockpl",
        "watchdog",
        "http",
        "limits",
        "outbox",
        "quarantine",
        "redaction",
        "log",
        "links",
        "name",
    ):
        assert getattr(written, name) == getattr(usual, name), name
    assert written.shutdown_timeout == usual.shutdown_timeout


def test_everything_that_is_commented_out_in_the_default_is_right_when_switched_on(tmp_path: Path) -> None:
    text = DEFAULT.read_text()
    switched_on = SWITCH.sub(r"\1", text)
    assert switched_on.count("\n") == text.count("\n")
    tokens = {"SLACK_BOT_TOKEN": "xoxb-1", "APP_WEBHOOK_SECRET": "whsec_" + "QUFB" * 8}
    tokens |= {"TICKSTOCKPL_TOKEN": "t", "REDIS_PASSWORD": "p", "SENTINEL_PASSWORD": "s", "RELAY_TOKEN": "r"}
    settings = load(write(tmp_path, switched_on), tokens)
    assert {"slack", "socketio", "webhook"} <= {options["type"] for options in settings.sinks.values()}
    assert settings.watchdog.maintenance


def test_a_variable_needs_no_quotes_between_braces(tmp_path: Path) -> None:
    settings = load(write(tmp_path, SLACK), {"SLACK_BOT_TOKEN": "xoxb-1"})
    assert settings.sinks["ops"]["token"] == "xoxb-1"  # noqa: S105 - of the test


def test_what_a_variable_holds_never_becomes_yaml(tmp_path: Path) -> None:
    path = write(tmp_path, "redis: {username: '${NAME}', password: ${PASSWORD:-a, b}}\n")
    settings = load(path, {"NAME": "relay # }\n- x"})
    assert settings.redis.username == "relay # }\n- x"
    assert settings.redis.password is not None
    assert settings.redis.password.get_secret_value() == "a, b"


def test_a_missing_variable_is_one_problem_and_hides_no_other(tmp_path: Path) -> None:
    (first, second) = problems(write(tmp_path, SLACK + "http: {listen: nowhere}\n"))
    assert "the environment has no SLACK_BOT_TOKEN" in first
    assert "line 2: http.listen" in second


def test_a_section_whose_lines_are_all_commented_out_is_its_default(tmp_path: Path) -> None:
    path = write(tmp_path, "redis:\n  # url: redis://elsewhere\nroutes:\nsinks:\n")
    assert load(path, {}) == Settings()


def test_secrets_come_from_files_and_are_in_no_error(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("hunter2-hunter2\n")
    path = write(tmp_path, f"redis:\n  password_file: {secret}\n")
    settings = load(path, {})
    assert settings.redis.password is not None
    assert settings.redis.password.get_secret_value() == "hunter2-hunter2"
    assert "hunter2" not in repr(settings)
    broken = write(tmp_path, "redis:\n  url: redis://u:hunter2-hunter2@h:port/0\n  patterns: hunter2-hunter2\n")
    assert "hunter2" not in "\n".join(problems(broken))


def test_a_file_that_cannot_be_read_or_is_no_text_is_told_in_one_line(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / "nothing.yaml")
    assert problem.startswith("cannot be read: No such file or directory (name yours with --config")
    assert problems(tmp_path) == ["cannot be read: Is a directory"]
    path = tmp_path / "config.yaml"
    path.write_bytes(b"redis:\n  url: \xff\xfe\n")
    assert problems(path) == ["line 2: is not UTF-8 text"]
    path.write_bytes(b"redis: {}\nlog: \x00\n")
    assert problems(path) == ["line 2: not YAML: the character U+0000 may not stand in it"]


def test_run_refuses_a_wrong_configuration_with_exit_code_2(tmp_path: Path) -> None:
    path = write(tmp_path, "redis: {urll: x}\n")
    program = Path(sys.executable).parent / "tickstock-relay"
    ended = subprocess.run([program, "run", "--config", path], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 2
    assert "did you mean url?" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("text", ["a: &a [*a]", "{a: 1}: 2", "? [x]\n: 1", "'", "- - -", "a: !!int x", "\ue0009\ue001"])
def test_no_text_raises_anything_but_a_config_error(tmp_path: Path, text: str) -> None:
    assert problems(write(tmp_path, text))


def test_yaml_of_the_default_is_plain() -> None:
    """Other tools read it too (`yaml.safe_load`), as long as no variable stands in braces without quotes."""
    assert isinstance(yaml.safe_load(DEFAULT.read_text()), dict)


@pytest.mark.parametrize(
    "second",
    ["directory: same", "directory: ./same/", "directory: link", "directory: link/../same", "directory: $HERE/same"],
)
def test_two_sinks_with_one_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str) -> None:
    (tmp_path / "same").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "same")
    monkeypatch.chdir(tmp_path)
    second = second.replace("$HERE", str(tmp_path))
    text = f"sinks:\n  one: {{type: jsonl, directory: same}}\n  two: {{type: jsonl, {second}}}\nroutes: []\n"
    (found,) = problems(write(tmp_path, text))
    assert "line 3: sinks.two: writes to the same file as the sink one" in found
    assert len(load(write(tmp_path, text.replace("two: {", "two: {prefix: other, ")), {}).sinks) == 2


def test_a_sink_that_writes_the_quarantines_file_is_refused(tmp_path: Path) -> None:
    text = f"state_dir: {tmp_path}\nsinks: {{a: {{type: jsonl, directory: {tmp_path}/quarantine, prefix: quarantine}}}}"
    (found,) = problems(write(tmp_path, text))
    assert "writes to the same file as the quarantine" in found
