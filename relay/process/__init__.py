"""The process and its surroundings: systemd, state lock, control socket, logging."""
