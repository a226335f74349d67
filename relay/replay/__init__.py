"""An archive read again: chosen, marked, paced, and sent to Redis or to sinks."""
