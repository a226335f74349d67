"""What a sink gets that is only tried: the daemon's, with a store in memory, and nothing silenced."""

from relay.config.settings import Settings
from relay.lanes.build import SinkEnvironment
from relay.process.clock import Clock
from relay.store.outbox import Outbox
from relay.store.store import Store


def trial_environment(settings: Settings, store: Store) -> SinkEnvironment:
    """The environment of sinks that `check --connect` and `test-alert` make."""
    return SinkEnvironment(
        clock=Clock(),
        store=store,
        outbox=Outbox(store, settings.outbox),
        muted=lambda _: None,
        user_agent="tickstock-relay",
        installation=settings.installation,
        label=settings.name,
        redis=settings.redis,
    )
