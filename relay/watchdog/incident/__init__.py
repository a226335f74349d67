"""What is kept of an incident, and how it reads. What belongs together is decided in `relay.watchdog.incidents`."""
