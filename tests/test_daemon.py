"""What a reload puts in force, part by part."""

from pathlib import Path

from relay.config.settings import Settings
from relay.daemon import Daemon
from relay.lanes.build import LaneSet


async def test_a_reload_changes_the_limits_of_the_outbox(tmp_path: Path) -> None:
    daemon = Daemon(Settings.model_validate({"state_dir": tmp_path}), tmp_path / "config.yaml")
    fewer = Settings.model_validate({"state_dir": tmp_path, "outbox": {"max_rows": 2}})
    daemon._use(fewer, LaneSet({}, {}, []))
    for number in range(3):
        daemon.outbox.stage("app", b"%d" % number, now=100.0)
    daemon.outbox.commit()
    assert daemon.outbox.dropped == {"app": 1}
    daemon.store.close()
