"""Message -> Event: the usual shapes in one decode, everything else the plain way."""
