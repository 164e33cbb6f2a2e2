"""A journal on SQL: the statements, and rows as values, whichever database has them.

A store adds its `Session`: the connection, what a transaction is, its errors, its tables.
"""
