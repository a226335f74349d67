"""The daemon: from Redis messages to events in the hands of sinks.

Start reading at `relay.intake`; `relay.daemon` is the life of the process.
"""
