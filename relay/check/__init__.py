"""The engine of `check`: warnings, route tests, connection tests."""
