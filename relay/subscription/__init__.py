"""Redis pub/sub read so that nothing is lost: connect, wire, whole messages, handover, gaps."""
