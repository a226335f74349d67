"""Redis pub/sub read so that nothing is lost: connect, socket, whole messages, handover."""
