"""Between the routes and one sink: accept, hold, group, retry, break, dead-letter; and the quarantine."""
