"""The gateway's only memory. The one place that imports sqlite3."""
