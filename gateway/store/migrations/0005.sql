-- Schema 5. Cards and fingers that were enrolled on site: whose they are. Numbers are not kept.

CREATE TABLE media (
  device_id TEXT NOT NULL,
  kind      TEXT NOT NULL,                           -- card, finger
  id_hash   TEXT NOT NULL,                           -- keyed hash of kind and number
  name      TEXT NOT NULL,
  schedules TEXT NOT NULL,                           -- what was ordered for it
  added_at  INTEGER NOT NULL,
  actor     TEXT NOT NULL,
  PRIMARY KEY (device_id, kind, id_hash)
) STRICT, WITHOUT ROWID;
