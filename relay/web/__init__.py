"""The relay's own pages: metrics, health, status."""
