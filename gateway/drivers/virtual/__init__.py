"""A lock in memory: the smallest correct driver, for rehearsals and as a measure of others."""
