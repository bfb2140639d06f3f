"""The lock-gateway daemon: what the cloud wants of each door lock, done on site and on time.

Nothing but the version lives here; importing the package starts nothing. ARCHITECTURE.md draws the
layers below it, and import-linter holds the code to them.
"""

__version__ = "0.1.0"
"""As in pyproject.toml, which a test compares: asking the installed package would cost 60 ms."""
