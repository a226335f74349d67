"""What must not leave the machine: secrets are hidden before an event goes to another host."""
