"""What moves the daemon on beside batches: the tick and its parts, reload, the first start."""
