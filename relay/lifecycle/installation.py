"""Whether a relay has run here before: then a store that is not there was lost, and is not just new."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from relay.config.settings import Settings
from relay.process import state_lock
from sinks.registry import sink_class


def is_first_start(settings: Settings) -> bool:
    """Whether nothing of an installation is there: no lock, no archive, no quarantine. Ask before they are made."""
    return not any(path.exists() for path in _traces(settings))


def _traces(settings: Settings) -> Iterator[Path]:
    yield settings.state_dir / state_lock.FILE
    yield settings.quarantine_file
    for options in settings.sinks.values():
        kind = sink_class(str(options.get("type")))
        try:
            read = kind.Options.model_validate({key: value for key, value in options.items() if key != "type"})
        except ValidationError:
            continue  # the start tells of it
        if (file := read.writes_to()) is not None:
            yield file
