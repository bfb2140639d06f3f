"""The database's files: made, checked, migrated, or set aside before anyone works with them.

Here: what `open_store` does before the writer starts, and how every connection is set up. Not
here: transactions (`writer`) and reading (`database`).

Rules: a database is created under another name and renamed when complete, so an empty or partial
`state.db` is damage and never a fresh start. Damaged files are renamed, never deleted. A database
from a newer release is left exactly as it was found.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from gateway.domain.instant import Instant, to_datetime
from gateway.errors import StoreBusy, StoreError, StoreFull, StoreUnreadable
from gateway.kit.files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMPANIONS = ("", "-wal", "-shm", "-journal")
_COPY_SUFFIX = ".before-migration"

NO_ROOM = frozenset(
    {
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_DIR_FSYNC,
        sqlite3.SQLITE_IOERR_TRUNCATE,
        sqlite3.SQLITE_IOERR_SHMSIZE,
    }
)
"""How a full disk shows besides SQLITE_FULL, on file systems that allocate late."""

_BAD_SECTOR = frozenset(
    {
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_CORRUPTFS,
        sqlite3.SQLITE_IOERR_DATA,
    }
)


@dataclass(frozen=True, slots=True)
class OpenReport:
    """How the database was found. `fresh`: nothing is known, so no lock may be touched yet."""

    fresh: bool
    set_aside: Path | None
    """Where the damaged database went, if there was one."""
    epoch: str


class _Damaged(Exception):
    """The file is there but is not a database of ours that can be trusted."""


def connect(path: Path) -> sqlite3.Connection:
    """A read-write connection with every durable setting made. Transactions are explicit."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    for pragma in (
        "busy_timeout = 5000",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",
        "journal_size_limit = 4194304",
        "trusted_schema = OFF",
        "mmap_size = 0",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def migrations() -> list[str]:
    """The numbered scripts in order; script n (from 1) leads to `user_version` n."""
    folder = files("gateway.store") / "migrations"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


class FileLock:
    """Held while the database is open, so that a second gateway cannot work on it."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise StoreBusy(
                f"could not open the store: another gateway is running on {path.parent}"
            ) from error

    def release(self) -> None:
        os.close(self._fd)


def prepare(
    path: Path, now: Instant, new_epoch: Callable[[], str], scripts: list[str] | None = None
) -> OpenReport:
    """Bring `path` to a sound database of the schema that `scripts` lead to; say what was found.

    StoreUnreadable: from a newer release, or not ours to read; nothing was touched.
    """
    scripts = migrations() if scripts is None else scripts
    try:
        epoch = _check(path, len(scripts)) if path.exists() else None
        damaged = epoch is None and any(_beside(path, part).exists() for part in COMPANIONS)
    except _Damaged:
        epoch, damaged = None, True
    try:
        if epoch is None:
            epoch = new_epoch()
            whole = _create(path, scripts, epoch)  # first: without a new one, the old one stays
            set_aside = _set_aside(path, now) if damaged else None
            whole.rename(path)
            sync_folder(path.parent)
            return OpenReport(fresh=True, set_aside=set_aside, epoch=epoch)
        path.chmod(0o600)
        _migrate(path, scripts)
    except (OSError, sqlite3.Error) as error:
        raise _refusal(path, error) from error
    return OpenReport(fresh=False, set_aside=None, epoch=epoch)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _refusal(path: Path, error: Exception) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0)
    full = code & 0xFF == sqlite3.SQLITE_FULL or code in NO_ROOM
    if full or getattr(error, "errno", None) == errno.ENOSPC:
        return StoreFull(f"could not open {path}: no space left")
    return StoreUnreadable(f"could not open {path}: {error}")


def _check(path: Path, newest: int) -> str:
    """The database's epoch. _Damaged or StoreUnreadable if it cannot be worked with."""
    if path.stat().st_size == 0:
        raise _Damaged
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA busy_timeout = 5000")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > newest:
                raise StoreUnreadable(
                    f"could not open {path}: its schema {version} is from a newer release"
                    f" (this one knows {newest}); install that release again"
                )
            if [row[0] for row in connection.execute("PRAGMA quick_check(1)")] != ["ok"]:
                raise _Damaged
            row = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
            if version < 1 or row is None:
                raise _Damaged
            return str(row[0])
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF == sqlite3.SQLITE_ERROR or code in _BAD_SECTOR:  # the former: no table meta
            raise _Damaged from error
        raise _refusal(path, error) from error
    except sqlite3.DatabaseError as error:
        raise _Damaged from error


def _set_aside(path: Path, now: Instant) -> Path:
    """Rename the database with its log, so that somebody can look at it."""
    stamp = to_datetime(now).strftime("%Y%m%dT%H%M%SZ")
    target = _beside(path, f".damaged-{stamp}")
    number = 1
    while any(_beside(target, part).exists() for part in COMPANIONS):
        number += 1
        target = _beside(path, f".damaged-{stamp}-{number}")
    try:
        for part in COMPANIONS:
            with suppress(FileNotFoundError):
                _beside(path, part).rename(_beside(target, part))
    except OSError as error:
        raise StoreUnreadable(f"could not set {path} aside: {error}") from error
    return target


def _create(path: Path, scripts: list[str], epoch: str) -> Path:
    """A database under another name, complete and closed."""
    unfinished = _beside(path, ".new")
    for part in COMPANIONS:
        _beside(unfinished, part).unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
        for number, script in enumerate(scripts, start=1):
            _apply(connection, number, script)
        connection.execute("INSERT INTO meta (key, value) VALUES ('epoch', ?)", (epoch,))
    return unfinished


def _migrate(path: Path, scripts: list[str]) -> None:
    copy = _beside(path, _COPY_SUFFIX)
    with closing(connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == len(scripts):
            copy.unlink(missing_ok=True)  # it holds sealed digits; one good start is enough
            return
        copy.unlink(missing_ok=True)
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(copy)) as target:
            connection.backup(target)
        sync_folder(path.parent)
        for number, script in enumerate(scripts[version:], start=version + 1):
            _apply(connection, number, script)


def _apply(connection: sqlite3.Connection, number: int, script: str) -> None:
    try:
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\n;PRAGMA user_version = {number};\nCOMMIT;"
        )
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
