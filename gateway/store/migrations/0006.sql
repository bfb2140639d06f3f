-- Schema 6. Devices that joined again and were not asked yet what they can do, nor told to report.

ALTER TABLE devices ADD COLUMN interview_due INTEGER NOT NULL DEFAULT 0;
