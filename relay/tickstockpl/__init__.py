"""TickStockPL's HTTP API: the client, and what it answers."""
