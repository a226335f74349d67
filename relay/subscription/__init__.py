"""Redis pub/sub read so that nothing is lost: dial, wire, whole messages, handover, gaps."""
