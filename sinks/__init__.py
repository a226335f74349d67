"""Where events go. A sink knows `relay.events` and `sinks.base`, and nothing of the daemon."""
