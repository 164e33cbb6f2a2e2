"""The journal in a file of SQLite's: the store, its file, lock and tables, and what becomes of a damaged one."""

from stormcone.journal.sqlite.store import Journal as Journal
