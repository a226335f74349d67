"""What is happening now: runs and phases, followed from events. Pure."""
