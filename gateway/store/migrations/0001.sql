-- Schema 1. Times are UTC milliseconds; JSON columns hold our own small documents; digits exist
-- only in `credentials.sealed` (AES-256-GCM) and are destroyed after a confirmed erase.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,        -- epoch, revision, schedule_hash, watermark, boot_counter, time_floor, …
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
  device_id         TEXT PRIMARY KEY,
  radio             TEXT NOT NULL,             -- name of the radio that reaches it
  address           TEXT NOT NULL,             -- EUI-64, MAC, node id: the radio's business
  driver            TEXT NOT NULL,
  kind              TEXT NOT NULL,
  manufacturer      TEXT NOT NULL,
  model             TEXT NOT NULL,
  name              TEXT NOT NULL,
  capabilities      TEXT NOT NULL,             -- JSON of domain.capabilities.Capabilities
  quirks            TEXT NOT NULL,             -- JSON list of names
  joined_at         INTEGER NOT NULL,
  removed_at        INTEGER,
  well_known_key    INTEGER NOT NULL DEFAULT 0,
  simulated         INTEGER NOT NULL DEFAULT 0,
  reachable         INTEGER,                   -- 1, 0, NULL: not known since start
  reachable_since   INTEGER,
  last_heard_at     INTEGER,                   -- written with other work, not for its own sake
  locked            INTEGER,
  door_open         INTEGER,
  jammed            INTEGER NOT NULL DEFAULT 0,
  battery_percent   INTEGER,
  battery_low       INTEGER,
  clock_error_ms    INTEGER,
  clock_bound_ms    INTEGER,
  clock_read_at     INTEGER,
  clock_zone_proven INTEGER,
  schedules_proven  INTEGER NOT NULL DEFAULT 0,
  repair_paused     TEXT,
  inventory_done    INTEGER NOT NULL DEFAULT 0,
  recovering        INTEGER NOT NULL DEFAULT 0, -- the database was lost since it was written to
  changed           INTEGER NOT NULL           -- value of the change counter at the last change
) STRICT;
CREATE UNIQUE INDEX devices_by_address ON devices (radio, address) WHERE removed_at IS NULL;
CREATE INDEX devices_by_change ON devices (changed);

CREATE TABLE credentials (
  credential_id   TEXT PRIMARY KEY,
  version         INTEGER NOT NULL,
  revision        INTEGER NOT NULL,            -- schedule revision that last named it
  name            TEXT NOT NULL,
  subject_id      TEXT,
  subject_class   TEXT NOT NULL,
  origin          TEXT NOT NULL,
  group_id        TEXT,
  window          TEXT NOT NULL,               -- JSON of domain.windows
  use_limit       INTEGER,
  suspended       INTEGER NOT NULL,
  held            INTEGER NOT NULL,
  orphaned        INTEGER NOT NULL DEFAULT 0,  -- missing from a snapshot without a tombstone
  sealed          BLOB,                        -- digits; NULL once destroyed
  digits_hash     TEXT NOT NULL,
  digits_length   INTEGER NOT NULL,
  digits_numeric  INTEGER NOT NULL,
  digits_weakness TEXT,
  accepted_at     INTEGER NOT NULL
) STRICT;

-- A grant: what is wanted (left) and how it stands (right).
CREATE TABLE grants (
  credential_id      TEXT NOT NULL REFERENCES credentials (credential_id),
  device_id          TEXT NOT NULL,            -- may name a device that has not joined yet
  accepted_at        INTEGER NOT NULL,
  removed            TEXT,                     -- why it is to go; NULL while wanted

  state              TEXT NOT NULL DEFAULT 'pending',
  reason             TEXT,
  since              INTEGER NOT NULL,
  slot               INTEGER,
  opens              TEXT NOT NULL DEFAULT 'none',
  closes             TEXT NOT NULL DEFAULT 'none',
  evidence           TEXT NOT NULL DEFAULT '[]',
  attempts           INTEGER NOT NULL DEFAULT 0,  -- since the last success
  next_attempt_at    INTEGER,
  erase_due_at       INTEGER,                  -- when what is on the lock must be gone
  erase_alarm_at     INTEGER,                  -- when the cloud was told that an erase is overdue
  refused_version    INTEGER,                  -- the version a final refusal was met for
  refused_reason     TEXT,
  removed_externally INTEGER NOT NULL DEFAULT 0,
  writes_day         INTEGER,                  -- day number (UTC) of `writes_today`
  writes_today       INTEGER NOT NULL DEFAULT 0,
  programmed_at      INTEGER,                  -- last proof that it is on the lock
  erased_at          INTEGER,
  early_exposure_ms  INTEGER,
  late_revocation_ms INTEGER,
  uses               INTEGER NOT NULL DEFAULT 0,
  first_used_at      INTEGER,
  last_used_at       INTEGER,
  changed            INTEGER NOT NULL,
  PRIMARY KEY (credential_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_by_device ON grants (device_id);
CREATE INDEX grants_by_change ON grants (changed);
CREATE INDEX grants_by_erase_due ON grants (erase_due_at) WHERE erase_due_at IS NOT NULL;

CREATE TABLE slots (
  device_id   TEXT NOT NULL,
  slot        INTEGER NOT NULL,
  content     TEXT NOT NULL,                   -- empty | known | opaque
  digits_hash TEXT,                            -- when known
  opaque      TEXT,                            -- the reason, when opaque
  owner       TEXT,                            -- credential_id; NULL: not ours
  schedules   TEXT NOT NULL DEFAULT '[]',
  evidence    TEXT NOT NULL DEFAULT '[]',
  observed_at INTEGER,
  PRIMARY KEY (device_id, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX slots_by_owner ON slots (owner) WHERE owner IS NOT NULL;

-- Who held a slot when, for attributing events that arrive late.
CREATE TABLE slot_history (
  device_id     TEXT NOT NULL,
  slot          INTEGER NOT NULL,
  credential_id TEXT NOT NULL,
  from_at       INTEGER NOT NULL,
  to_at         INTEGER,
  PRIMARY KEY (device_id, slot, from_at)
) STRICT, WITHOUT ROWID;

-- Digits of erased codes, not to be given out again on that lock for a while.
CREATE TABLE quarantine (
  device_id   TEXT NOT NULL,
  digits_hash TEXT NOT NULL,
  until_at    INTEGER NOT NULL,
  PRIMARY KEY (device_id, digits_hash)
) STRICT, WITHOUT ROWID;

-- Written before the lock is spoken to; an open row at start means: outcome unknown.
CREATE TABLE attempts (
  attempt_id    INTEGER PRIMARY KEY AUTOINCREMENT,
  device_id     TEXT NOT NULL,
  slot          INTEGER,
  credential_id TEXT,
  action        TEXT NOT NULL,
  started_at    INTEGER NOT NULL,
  finished_at   INTEGER,
  outcome       TEXT                           -- confirmed | refused | unconfirmed | unreachable
) STRICT;
CREATE INDEX attempts_open ON attempts (device_id) WHERE finished_at IS NULL;

-- Ledger and outbox in one: a fact is numbered in the transaction that made it true.
CREATE TABLE events (
  seq           INTEGER PRIMARY KEY,           -- dense within the epoch
  at            INTEGER NOT NULL,
  device_time   INTEGER,
  trust         TEXT NOT NULL,
  type          TEXT NOT NULL,
  device_id     TEXT,
  credential_id TEXT,
  body          TEXT NOT NULL                  -- JSON, no secrets
) STRICT;

-- Commands, the cloud's and local ones: journaled before acting; the same id gets the same answer.
CREATE TABLE commands (
  command_id  TEXT PRIMARY KEY,
  kind        TEXT NOT NULL,
  device_id   TEXT,
  body        TEXT NOT NULL,
  actor       TEXT NOT NULL,                   -- cloud | local:<user>
  received_at INTEGER NOT NULL,
  not_after   INTEGER,
  state       TEXT NOT NULL,                   -- received | started | done
  result      TEXT,                            -- JSON, when done
  finished_at INTEGER,
  told_at     INTEGER                          -- when the cloud was sent the result
) STRICT;
CREATE INDEX commands_open ON commands (received_at) WHERE state <> 'done';

-- A snapshot being received, until its last chunk; digits are sealed here as well. Columns as in
-- `credentials`, so that the whole of it is merged by set-based statements.
CREATE TABLE staged_credentials (
  revision        INTEGER NOT NULL,
  credential_id   TEXT NOT NULL,
  chunk           INTEGER NOT NULL,
  version         INTEGER NOT NULL,
  name            TEXT NOT NULL,
  subject_id      TEXT,
  subject_class   TEXT NOT NULL,
  origin          TEXT NOT NULL,
  group_id        TEXT,
  window          TEXT NOT NULL,
  use_limit       INTEGER,
  suspended       INTEGER NOT NULL,
  held            INTEGER NOT NULL,
  sealed          BLOB NOT NULL,
  digits_hash     TEXT NOT NULL,
  digits_length   INTEGER NOT NULL,
  digits_numeric  INTEGER NOT NULL,
  digits_weakness TEXT,
  PRIMARY KEY (revision, credential_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE staged_grants (
  revision      INTEGER NOT NULL,
  credential_id TEXT NOT NULL,
  device_id     TEXT NOT NULL,
  chunk         INTEGER NOT NULL,
  PRIMARY KEY (revision, credential_id, device_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE staged_tombstones (
  revision      INTEGER NOT NULL,
  credential_id TEXT NOT NULL,
  device_id     TEXT NOT NULL,                 -- '' for every device
  chunk         INTEGER NOT NULL,
  PRIMARY KEY (revision, credential_id, device_id)
) STRICT, WITHOUT ROWID;
