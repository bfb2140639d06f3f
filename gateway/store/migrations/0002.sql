-- Schema 2. Events stamped by a clock that was not proven are corrected once it is.

ALTER TABLE events ADD COLUMN correction_ms INTEGER;  -- added to `at`; NULL: nothing to correct
