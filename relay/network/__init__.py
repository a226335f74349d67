"""How our HTTP clients connect: names by our own resolver, proxies and certificates by configuration."""
