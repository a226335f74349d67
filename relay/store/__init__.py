"""The one SQLite file: the outbox and the shelves of small state."""
