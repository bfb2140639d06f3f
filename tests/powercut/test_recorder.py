"""The recorder on processes of a few lines, and what the method found in the product."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.powercut import recorder
from tests.powercut.images import MAPPED, Disk, Fate, Image, Kind, Op
from tests.powercut.recorder import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is installed")


@pytest.fixture(name="library", scope="module")
def _library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorder.build(tmp_path_factory.mktemp("recorder"))


def recorded(library: Path, state: Path, script: str, *faults: Fault) -> list[Op]:
    """What a Python process with this script did to the folder `state`, which is its only word."""
    state.mkdir(exist_ok=True)
    log = state.parent / "record"
    log.unlink(missing_ok=True)
    environ = os.environ | recorder.environment(library, state, log, *faults)
    subprocess.run([sys.executable, "-c", script, str(state)], check=True, env=environ)
    return list(recorder.read(log))


def disks(base: Image, ops: list[Op]) -> Iterator[tuple[int, Image]]:
    """After each call, one of each fate."""
    disk, random = Disk(base), Random(1)
    for number, op in enumerate(ops, start=1):
        disk.apply(op)
        for fate in Fate:
            yield number, disk.image(fate, random)


DATABASE = """
import os, sqlite3, sys
os.chdir(sys.argv[1])
db = sqlite3.connect("x.db", isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute("CREATE TABLE t (x)")
for n in range(20):
    db.execute("INSERT INTO t VALUES (?)", (bytes(3000),))
db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
db.execute("INSERT INTO t VALUES (1)")
with open("text", "w") as file:
    file.write("one")
with open("text", "a") as file:
    file.write("two")
os.rename("text", "renamed")
os.open("gone", os.O_CREAT | os.O_WRONLY)
os.unlink("gone")
os._exit(0)
"""


def test_the_record_leads_to_what_is_there(library: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    disk = Disk({})
    ops = recorded(library, state, DATABASE)
    for op in ops:
        disk.apply(op)
    real = {path.name: path.read_bytes() for path in state.iterdir()}
    told = disk.contents()
    assert real["renamed"] == b"onetwo"
    assert {n: d for n, d in told.items() if not n.endswith(MAPPED)} == {
        n: d for n, d in real.items() if not n.endswith(MAPPED)
    }
    assert {Kind.SYNC, Kind.TRUNCATE} <= {op.kind for op in ops}


def test_the_chosen_calls_fail(library: Path, tmp_path: Path) -> None:
    script = """
import os, sys
file = os.open(os.path.join(sys.argv[1], "x"), os.O_CREAT | os.O_WRONLY)
said = []
for n in range(4):
    for call in (lambda: os.write(file, b"x"), lambda: os.fsync(file)):
        try:
            call()
        except OSError as error:
            said.append(error.errno)
os.write(file, repr(said).encode())
"""
    faults = (
        Fault(of_sync=False, first=2, count=2, error=errno.ENOSPC),
        Fault(of_sync=True, first=4, count=1, error=errno.EIO),
    )
    ops = recorded(library, tmp_path / "state", script, *faults)
    expected = [errno.ENOSPC, errno.ENOSPC, errno.EIO]
    assert (tmp_path / "state" / "x").read_text() == f"xx{expected}"
    assert [op.error for op in ops if op.kind is Kind.FAILED] == expected


def test_a_small_file_is_the_old_or_the_new_one_at_every_moment(
    library: Path, tmp_path: Path
) -> None:
    script = """
import sys
from pathlib import Path
from gateway.kit.files import write_whole
write_whole(Path(sys.argv[1], "x.json"), b"new" * 1000)
"""
    old, new = b"old", b"new" * 1000
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "x.json").write_bytes(old)
    ops = recorded(library, tmp_path / "state", script)
    found = [(number, image["x.json"]) for number, image in disks({"x.json": old}, ops)]
    assert {data for _, data in found} == {old, new}
    assert {data for number, data in found if number == len(ops)} == {new}


def test_the_radios_database_is_complete_or_not_there(library: Path, tmp_path: Path) -> None:
    script = """
import asyncio, sys
from datetime import UTC
from pathlib import Path
from gateway.radios.zigbee.stack import Application, settings
path = Path(sys.argv[1], "zigbee.db")
async def main():
    chosen = settings("/dev/null", path, 15, baudrate=115_200, flow_control="none")
    application = Application(chosen, UTC)
    await application._load_db()
    await application._dblistener.execute("INSERT INTO groups_v16 VALUES (7, 'kept')")
    await application._dblistener._commit(force=True)
    path.with_name("done").touch()
    await application._dblistener.shutdown()
asyncio.run(main())
"""
    ops = recorded(library, tmp_path / "state", script)
    committed = next(n for n, op in enumerate(ops) if op.name == "done")
    whole = _tables(tmp_path / "state" / "zigbee.db")[0]
    assert len(whole) > 10
    seen = set()
    place = tmp_path / "image"
    for number, image in disks({}, ops):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for name, data in image.items():
            (place / name).write_bytes(data)
        blank = not image.get("zigbee.db")
        seen.add(blank)
        if not blank:
            tables, groups = _tables(place / "zigbee.db")
            assert tables == whole
            assert groups == 1 or number <= committed
        else:
            assert number <= committed
    assert seen == {True, False}


def _tables(path: Path) -> tuple[set[str], int]:
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = {row[0] for row in tables}
        count = connection.execute("SELECT count(*) FROM groups_v16").fetchone()[0]
        return names, int(count)
