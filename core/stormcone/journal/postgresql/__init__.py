"""The journal on PostgreSQL: the store, its tables, and the lease by which one agent at a time writes it."""
