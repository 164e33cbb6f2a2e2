"""PostgreSQL as stormcone uses it: addresses, connections, its errors as ours, versions of tables, a private server.

Nothing here is imported where no PostgreSQL is used; the driver comes with the extra `fleet`.
"""
