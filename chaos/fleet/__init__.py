"""The attack on many at once: agents of a fleet, and watchers and workers of a region, on one PostgreSQL."""
