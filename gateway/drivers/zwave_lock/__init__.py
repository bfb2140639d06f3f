"""Z-Wave locks: user codes or credentials, schedules, bolt, clock and log by command classes."""
