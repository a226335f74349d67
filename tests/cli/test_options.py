"""What commands share in their options."""

from pathlib import Path

import pytest

from relay.cli.options import BadConfig, loaded


def test_each_mistake_of_a_configuration_has_a_line_and_does_not_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text('"\\e[31mred\\u202E": 1\nsinks: {"\\e]0;title\\a": {type: telex}}\n')
    with pytest.raises(BadConfig) as wrong:
        loaded(path)
    first, second, third = wrong.value.message.splitlines()
    assert first == f"{path}: 2 problems"
    assert second.startswith("  line 1: [31mred: is not known here (one of ")
    assert third.startswith("  line 2: sinks.]0;title.type: there is no sink of type 'telex' (one of ")
