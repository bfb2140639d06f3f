"""Single values of the database: who it is, how far it has come, what it must never go behind.

Not here: the head and the watermark of the ledger (`events`), the check value of the key
(`keyring`), and the change counter's increment (`Tx.next_change`).
"""

from __future__ import annotations

from gateway.domain.instant import Instant
from gateway.store.tx import Select, Tx

EPOCH = "epoch"
REVISION = "revision"
SCHEDULE_HASH = "schedule_hash"
BOOT_COUNTER = "boot_counter"
TIME_FLOOR = "time_floor"
TIME_BELIEF = "time_belief"
TIME_FROM_SEQ = "time_from_seq"
"""The first event that was stamped by the present belief."""
CHANGE = "change"
HEAD = "head"
WATERMARK = "watermark"
KEY_CHECK = "key_check"


def text(key: str) -> Select[str]:
    """Always one row; "" while the value was never set."""
    return Select(
        "SELECT COALESCE((SELECT value FROM meta WHERE key = ?), '')", (key,), lambda row: row[0]
    )


def integer(key: str) -> Select[int]:
    """Always one row; 0 while the value was never set."""
    return Select(
        "SELECT CAST(COALESCE((SELECT value FROM meta WHERE key = ?), '0') AS INTEGER)",
        (key,),
        lambda row: row[0],
    )


def put(tx: Tx, key: str, value: str | int) -> None:
    tx.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, str(value)),
    )


def epoch() -> Select[str]:
    return text(EPOCH)


def revision() -> Select[int]:
    """The schedule revision in force; 0 before the first."""
    return integer(REVISION)


def set_revision(tx: Tx, number: int) -> None:
    """ValueError for a revision behind the one in force: within an epoch it only rises."""
    if number < (tx.one(revision()) or 0):
        raise ValueError(f"could not go back to schedule revision {number}")
    put(tx, REVISION, number)
    tx.touch("schedule")


def schedule_hash() -> Select[str]:
    return text(SCHEDULE_HASH)


def set_schedule_hash(tx: Tx, value: str) -> None:
    put(tx, SCHEDULE_HASH, value)


def time_floor() -> Select[Instant]:
    """The highest time ever proven, as it stood when it was last written; 0: none yet."""
    floor = integer(TIME_FLOOR)
    return Select(floor.sql, floor.params, lambda row: Instant(row[0]))


def set_time(tx: Tx, floor: Instant, belief: str) -> None:
    """What is known of the time, in a document that is `timekeeping`'s, and the floor beside it.

    Nothing here keeps the floor from falling: signed time may lower one that was poisoned.
    """
    put(tx, TIME_FLOOR, floor)
    put(tx, TIME_BELIEF, belief)


def boot_counter() -> Select[int]:
    return integer(BOOT_COUNTER)


def next_boot(tx: Tx) -> int:
    """Count this start of the daemon."""
    number = (tx.one(boot_counter()) or 0) + 1
    put(tx, BOOT_COUNTER, number)
    return number


def change() -> Select[int]:
    """The change counter: rows with a higher `changed` were written later."""
    return integer(CHANGE)
