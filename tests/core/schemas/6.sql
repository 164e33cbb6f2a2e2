-- Version 6 as it is on disks, with one of everything in it. Such a file is never edited.
PRAGMA application_id = 1400128305;
PRAGMA user_version = 6;
CREATE TABLE approvals (
    id INTEGER PRIMARY KEY,
    episode INTEGER NOT NULL REFERENCES episodes ON DELETE CASCADE,
    asked TEXT NOT NULL,
    answered TEXT,
    accepted INTEGER,
    final INTEGER NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT ''
, again TEXT, until TEXT);
INSERT INTO "approvals" VALUES(1,1,'2026-01-01T00:00:00.000000+00:00',NULL,NULL,0,'prepared by lb','2026-01-01T00:00:01.000000+00:00',NULL);
CREATE TABLE "attempts" (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES "runs" ON DELETE CASCADE,
    number INTEGER NOT NULL,
    begun TEXT NOT NULL,
    ended TEXT,
    verdict TEXT,
    note TEXT NOT NULL DEFAULT ''
);
INSERT INTO "attempts" VALUES(1,1,1,'2026-01-01T00:00:00.000000+00:00','2026-01-01T00:00:01.000000+00:00','succeeded','');
CREATE TABLE changes (
    id INTEGER PRIMARY KEY,
    episode INTEGER NOT NULL REFERENCES episodes ON DELETE CASCADE,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    event TEXT NOT NULL,
    fields TEXT NOT NULL
);
INSERT INTO "changes" VALUES(1,1,'2026-01-01T00:00:00.000000+00:00','announced','{"id":"E-1","id_origin":"reported","provider":"test","native_type":"","native_status":"","impact":"reboot","cause":"maintenance","phase":"scheduled","outcome":null,"outcome_origin":null,"resources":["web-0"],"not_before":"2026-01-01T00:15:00Z","not_before_origin":null,"not_after":null,"duration":null,"approval":"starts","description":"","native":{"EventId":"E-1"}}','[]');
CREATE TABLE clock (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    date TEXT NOT NULL,
    steady TEXT NOT NULL,
    seconds REAL NOT NULL,
    boot_id TEXT NOT NULL
);
INSERT INTO "clock" VALUES(1,'2026-01-01T00:00:00.000000+00:00','2026-01-01T00:00:00.000000+00:00',12.5,'boot-1');
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
    decision TEXT NOT NULL DEFAULT '', seen TEXT, home TEXT NOT NULL DEFAULT '',
    UNIQUE (provider, machine, key, number)
);
INSERT INTO "episodes" VALUES(1,'test','vm-0','e-1',1,'{"id":"E-1","id_origin":"reported","provider":"test","native_type":"","native_status":"","impact":"reboot","cause":"maintenance","phase":"scheduled","outcome":null,"outcome_origin":null,"resources":["web-0"],"not_before":"2026-01-01T00:15:00Z","not_before_origin":null,"not_after":null,"duration":null,"approval":"starts","description":"","native":{"EventId":"E-1"},"listing":"test"}','boot-1','2026-01-01T00:00:00.000000+00:00',NULL,NULL,'prepared by lb','2026-01-01T00:00:00.000000+00:00','test');
CREATE TABLE lives (
    id INTEGER PRIMARY KEY,
    begun TEXT NOT NULL,
    ended TEXT,
    provider TEXT NOT NULL,
    machine TEXT NOT NULL,
    name TEXT NOT NULL,
    boot_id TEXT NOT NULL
);
INSERT INTO "lives" VALUES(1,'2026-01-01T00:00:00.000000+00:00',NULL,'test','vm-0','web-0','boot-1');
CREATE TABLE machines (
    id INTEGER PRIMARY KEY,
    provider TEXT NOT NULL,
    machine TEXT NOT NULL,
    name TEXT NOT NULL,
    is_id INTEGER NOT NULL,
    UNIQUE (provider, machine, name, is_id)
);
INSERT INTO "machines" VALUES(1,'test','vm-0','vm-0',1);
INSERT INTO "machines" VALUES(2,'test','vm-0','web-0',0);
CREATE TABLE "runs" (
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
INSERT INTO "runs" VALUES(1,1,'','lb','prepare',0,'succeeded',1,NULL,NULL,'2026-01-01T00:00:00.000000+00:00','2026-01-01T00:00:01.000000+00:00','');
INSERT INTO "runs" VALUES(2,1,'','db','prepare',1,'pending',0,NULL,NULL,NULL,NULL,'');
CREATE INDEX episodes_going_on ON episodes (machine) WHERE ended IS NULL;
CREATE INDEX changes_of ON changes (episode);
CREATE INDEX approvals_of ON approvals (episode);
CREATE INDEX runs_to_do ON runs (episode) WHERE state IN ('pending', 'running');
CREATE INDEX attempts_of ON attempts (run);
CREATE TABLE notifications (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    body TEXT NOT NULL
);
INSERT INTO "notifications" VALUES(3,'2026-01-01T00:00:00.000000+00:00','{"id":"11111111-2222-4333-8444-555555555555","type":"dev.stormcone.maintenance.scheduled","source":"/stormcone/test/vm-0","subject":"web-0","time":"2026-01-01T00:00:00Z","correlation":"E-1","data":{"text":"reboot of web-0 announced","resource":{"host.name":"web-0"},"affects_machine":true,"event":{"id":"E-1","provider":"test","impact":"reboot","cause":"maintenance","phase":"scheduled","resources":["web-0"],"not_before":"2026-01-01T00:15:00Z","approval":"starts"},"change":{"fields":[],"earlier_id":null},"run":null,"approval":null}}');
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
INSERT INTO "sinks" VALUES('ops',2,NULL,2,0,0,1,'2026-01-01T00:00:01.000000+00:00','it does not answer');
