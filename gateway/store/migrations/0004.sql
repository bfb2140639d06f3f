-- Schema 4. What meters and sensors told last: one row for each quantity of a device.

CREATE TABLE readings (
  device_id TEXT NOT NULL,
  quantity  TEXT NOT NULL,                           -- energy, water, temperature, door, …
  value     INTEGER NOT NULL,                        -- in `unit`; a state is 1 or 0
  unit      TEXT NOT NULL,                           -- Wh, ml, mW, centi_celsius, …; '' for a state
  at        INTEGER NOT NULL,                        -- when it was heard
  PRIMARY KEY (device_id, quantity)
) STRICT, WITHOUT ROWID;
