"""The journal's tables, their version, and the way up from every older one."""

import sqlite3

APPLICATION_ID = 0x53744331  # "StC1": tells a journal from any other SQLite file

_VERSION_1 = """
CREATE TABLE lives (
    id INTEGER PRIMARY KEY,
    begun TEXT NOT NULL,
    ended TEXT,
    provider TEXT NOT NULL,
    machine TEXT NOT NULL,
    name TEXT NOT NULL,
    boot_id TEXT NOT NULL
);
CREATE TABLE episodes (
    id INTEGER PRIMARY KEY,
    provider TEXT NOT NULL,
    machine TEXT NOT NULL,
    key TEXT NOT NULL,
    number INTEGER NOT NULL,
    event TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    started TEXT,
    ended TEXT,
    decision TEXT NOT NULL DEFAULT '',
    UNIQUE (provider, machine, key, number)
);
CREATE INDEX episodes_going_on ON episodes (machine) WHERE ended IS NULL;
CREATE TABLE changes (
    id INTEGER PRIMARY KEY,
    episode INTEGER NOT NULL REFERENCES episodes ON DELETE CASCADE,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    event TEXT NOT NULL,
    fields TEXT NOT NULL
);
CREATE INDEX changes_of ON changes (episode);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    episode INTEGER NOT NULL REFERENCES episodes ON DELETE CASCADE,
    handler TEXT NOT NULL,
    stage TEXT NOT NULL,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    due TEXT,
    begun TEXT,
    ended TEXT,
    note TEXT NOT NULL DEFAULT '',
    UNIQUE (episode, handler, stage)
);
CREATE INDEX runs_to_do ON runs (episode) WHERE state IN ('pending', 'running');
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    number INTEGER NOT NULL,
    begun TEXT NOT NULL,
    ended TEXT,
    verdict TEXT,
    note TEXT NOT NULL DEFAULT ''
);
CREATE INDEX attempts_of ON attempts (run);
CREATE TABLE approvals (
    id INTEGER PRIMARY KEY,
    episode INTEGER NOT NULL REFERENCES episodes ON DELETE CASCADE,
    asked TEXT NOT NULL,
    answered TEXT,
    accepted INTEGER,
    final INTEGER NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT ''
);
CREATE INDEX approvals_of ON approvals (episode);
"""

# What a machine has ever been known for: its id, and what events call it. `machine` is its key, which never changes.
_VERSION_2 = """
CREATE TABLE machines (
    id INTEGER PRIMARY KEY,
    provider TEXT NOT NULL,
    machine TEXT NOT NULL,
    name TEXT NOT NULL,
    is_id INTEGER NOT NULL,
    UNIQUE (provider, machine, name, is_id)
);
INSERT OR IGNORE INTO machines (provider, machine, name, is_id)
    SELECT provider, machine, machine, machine <> lower(name) FROM lives ORDER BY id;
INSERT OR IGNORE INTO machines (provider, machine, name, is_id)
    SELECT provider, machine, lower(name), 0 FROM lives ORDER BY id;
ALTER TABLE approvals ADD COLUMN due TEXT;
"""

# What lasts goes by a steady time, what is a date by the wall clock; until now there was the wall clock alone.
_VERSION_3 = """
CREATE TABLE clock (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    date TEXT NOT NULL,
    steady TEXT NOT NULL,
    seconds REAL NOT NULL,
    boot_id TEXT NOT NULL
);
ALTER TABLE episodes ADD COLUMN seen TEXT;
UPDATE episodes SET seen = first_seen;
ALTER TABLE runs ADD COLUMN again TEXT;
ALTER TABLE approvals RENAME COLUMN due TO again;
"""

# A handler works for each machine of an event, one agent may watch several providers, and each listing has a name.
# The tables are made anew, children first: to drop a parent would empty them.
_VERSION_4 = """
ALTER TABLE episodes ADD COLUMN home TEXT NOT NULL DEFAULT '';
UPDATE episodes SET home = provider;
UPDATE episodes SET event = json_set(event, '$.listing', provider) WHERE ended IS NULL;
CREATE TABLE new_runs (
    id INTEGER PRIMARY KEY,
    episode INTEGER NOT NULL REFERENCES episodes ON DELETE CASCADE,
    machine TEXT NOT NULL DEFAULT '',
    handler TEXT NOT NULL,
    stage TEXT NOT NULL,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    due TEXT,
    again TEXT,
    begun TEXT,
    ended TEXT,
    note TEXT NOT NULL DEFAULT '',
    UNIQUE (episode, machine, handler, stage)
);
INSERT INTO new_runs (id, episode, handler, stage, position, state, attempt, due, again, begun, ended, note)
    SELECT id, episode, handler, stage, position, state, attempt, due, again, begun, ended, note FROM runs;
CREATE TABLE new_attempts (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES new_runs ON DELETE CASCADE,
    number INTEGER NOT NULL,
    begun TEXT NOT NULL,
    ended TEXT,
    verdict TEXT,
    note TEXT NOT NULL DEFAULT ''
);
INSERT INTO new_attempts SELECT id, run, number, begun, ended, verdict, note FROM attempts;
DROP TABLE attempts;
DROP TABLE runs;
ALTER TABLE new_runs RENAME TO runs;
ALTER TABLE new_attempts RENAME TO attempts;
CREATE INDEX runs_to_do ON runs (episode) WHERE state IN ('pending', 'running');
CREATE INDEX attempts_of ON attempts (run);
"""

# A request may be to put an event off, until then, in place of to approve it.
_VERSION_5 = "ALTER TABLE approvals ADD COLUMN until TEXT;"

# What sinks are still to be told. A number is never given twice, also where all have been removed: each sink's place
# is the number of the last one that it is done with; `until`, of one that is not told any more, the last that is its.
_VERSION_6 = """
CREATE TABLE notifications (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE sinks (
    name TEXT NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL,
    until INTEGER,
    sent INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0,
    attempt INTEGER NOT NULL DEFAULT 0,
    again TEXT,
    error TEXT NOT NULL DEFAULT ''
);
"""

UPGRADES = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5, _VERSION_6)
"""Statement n brings a journal from version n to n + 1; never edit one that has been released, add one."""

VERSION = len(UPGRADES)


def is_older(connection: sqlite3.Connection) -> bool:
    """Whether an earlier version wrote the journal."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    return 0 < int(found) < VERSION


def upgrade(connection: sqlite3.Connection) -> bool:
    """Bring an open journal to this version, all steps in one transaction, which is left for the caller to commit.

    Answers whether there was anything to do.

    Raises:
        sqlite3.Error: it cannot be written; the transaction is open still, and ends with the connection.
    """
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found == VERSION:
        return False
    steps = "".join(UPGRADES[found:])
    connection.executescript(
        f"BEGIN IMMEDIATE;{steps}PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {VERSION};"
    )
    return True
