"""PostgreSQL with a standby: a planned switchover."""
