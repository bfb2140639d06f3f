-- Schema 3. Devices claimed on site: their keys, slot numbers for locks that know codes by digits
-- only, and how far a lock's own log was read.

ALTER TABLE devices ADD COLUMN log_news INTEGER;     -- 1: it holds records that nobody has read
ALTER TABLE devices ADD COLUMN log_cursor TEXT;      -- where to go on, in the driver's words
ALTER TABLE devices ADD COLUMN log_read_at INTEGER;

CREATE TABLE device_keys (
  device_id TEXT PRIMARY KEY,
  sealed    BLOB NOT NULL                            -- the family's own text, AES-256-GCM
) STRICT, WITHOUT ROWID;

CREATE TABLE numbers (
  device_id   TEXT NOT NULL,
  digits_hash TEXT NOT NULL,
  slot        INTEGER NOT NULL,
  handle      INTEGER,                               -- the lock's own number for the code
  current     INTEGER NOT NULL,                      -- 0: an earlier code of this slot
  PRIMARY KEY (device_id, digits_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX numbers_by_slot ON numbers (device_id, slot);
