"""A fleet: agents that share a database, for approval by agreement, limits and one view of all machines."""
