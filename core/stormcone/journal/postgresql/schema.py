"""The journal's tables on PostgreSQL: those of SQLite's, with times as the database's own, and the lease."""

from stormcone.postgresql.versions import Tables

_VERSION_1 = """
CREATE TABLE lives (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    begun timestamptz NOT NULL,
    ended timestamptz,
    provider text NOT NULL,
    machine text NOT NULL,
    name text NOT NULL,
    boot_id text NOT NULL
);
CREATE TABLE machines (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider text NOT NULL,
    machine text NOT NULL,
    name text NOT NULL,
    is_id integer NOT NULL,
    UNIQUE (provider, machine, name, is_id)
);
CREATE TABLE clock (
    id integer PRIMARY KEY CHECK (id = 1),
    date timestamptz NOT NULL,
    steady timestamptz NOT NULL,
    seconds double precision NOT NULL,
    boot_id text NOT NULL
);
CREATE TABLE episodes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    home text NOT NULL,
    provider text NOT NULL,
    machine text NOT NULL,
    key text NOT NULL,
    number integer NOT NULL,
    event text NOT NULL,
    boot_id text NOT NULL,
    first_seen timestamptz NOT NULL,
    seen timestamptz NOT NULL,
    started timestamptz,
    ended timestamptz,
    decision text NOT NULL DEFAULT '',
    UNIQUE (home, provider, machine, key, number)
);
CREATE INDEX episodes_going_on ON episodes (machine) WHERE ended IS NULL;
CREATE INDEX episodes_ended ON episodes (ended);
CREATE TABLE changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    episode bigint NOT NULL REFERENCES episodes ON DELETE CASCADE,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    event text NOT NULL,
    fields text NOT NULL
);
CREATE INDEX changes_of ON changes (episode);
CREATE TABLE runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    episode bigint NOT NULL REFERENCES episodes ON DELETE CASCADE,
    machine text NOT NULL,
    handler text NOT NULL,
    stage text NOT NULL,
    position integer NOT NULL,
    state text NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    due timestamptz,
    again timestamptz,
    begun timestamptz,
    ended timestamptz,
    note text NOT NULL DEFAULT '',
    UNIQUE (episode, machine, handler, stage)
);
CREATE INDEX runs_to_do ON runs (episode) WHERE state IN ('pending', 'running');
CREATE TABLE attempts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run bigint NOT NULL REFERENCES runs ON DELETE CASCADE,
    number integer NOT NULL,
    begun timestamptz NOT NULL,
    ended timestamptz,
    verdict text,
    note text NOT NULL DEFAULT ''
);
CREATE INDEX attempts_of ON attempts (run);
CREATE TABLE approvals (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    episode bigint NOT NULL REFERENCES episodes ON DELETE CASCADE,
    asked timestamptz NOT NULL,
    answered timestamptz,
    accepted integer,
    final integer NOT NULL DEFAULT 0,
    note text NOT NULL DEFAULT '',
    again timestamptz,
    until timestamptz
);
CREATE INDEX approvals_of ON approvals (episode);
CREATE TABLE notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    body text NOT NULL
);
CREATE TABLE sinks (
    name text PRIMARY KEY,
    position bigint NOT NULL,
    until bigint,
    sent bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    dropped bigint NOT NULL DEFAULT 0,
    attempt integer NOT NULL DEFAULT 0,
    again timestamptz,
    error text NOT NULL DEFAULT ''
);
-- One row. Its key is what a takeover changes and a renewal does not: see `lease`.
CREATE TABLE lease (
    epoch bigint PRIMARY KEY,
    holder text NOT NULL,
    name text NOT NULL,
    taken timestamptz NOT NULL,
    until timestamptz NOT NULL
);
INSERT INTO lease VALUES (0, '', 'nobody', 'epoch', 'epoch');
"""

STEPS = (_VERSION_1,)
"""Step n brings a journal from version n to n + 1; never edit one that has been released, add one."""


def tables(name: str) -> Tables:
    """The tables of the journal of that name: each journal of a database has a schema of its own."""
    return Tables(f"stormcone_journal_{name}", "journal", STEPS)
