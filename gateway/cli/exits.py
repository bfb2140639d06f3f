"""Exit codes, and the one exception that carries one to the outermost frame.

Documented in docs/local-api.md; scripts rely on them.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    """Refused or failed; the message says by whom."""
    USAGE = 2
    NO_DAEMON = 3
    NOT_PERMITTED = 4
    TRY_AGAIN = 75
    """Unconfirmed, or not answered in time: what happened is not known, or nothing did."""
    CONFIG = 78


class Failure(Exception):
    """Ends a command: what could not be done, and what to do next (may be empty)."""

    def __init__(self, message: str, exit_code: Exit, code: str = "", next_step: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code or exit_code.name.lower()
        self.next_step = next_step
