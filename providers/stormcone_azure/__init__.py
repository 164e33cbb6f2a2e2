"""Azure: the metadata service's Scheduled Events."""
