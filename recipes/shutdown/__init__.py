"""Clean shutdown of a service that has something in memory."""
