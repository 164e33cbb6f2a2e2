"""Azure's metadata service: Scheduled Events and instance metadata."""
