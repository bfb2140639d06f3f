"""The gateway's daemon with a stopwatch on its commits: `python -m benchmarks.daemon CONFIG FILE`.

Nothing else differs from `lock-gateway run`. On SIGUSR1 the commits so far are written to FILE:
pairs of doubles, begin and end on the machine's monotonic clock.
"""

from __future__ import annotations

import functools
import signal
import sys
import time
from array import array
from pathlib import Path

from gateway import app
from gateway.store.database import open_store
from gateway.store.writer import ThreadWriter, Transactor

COMMITS = array("d")


class TimedTransactor(Transactor):
    def commit(self) -> None:
        began = time.monotonic()
        super().commit()
        COMMITS.extend((began, time.monotonic()))


def main() -> int:
    config, out = map(Path, sys.argv[1:])

    def dump(*_: object) -> None:
        part = out.with_suffix(".part")
        part.write_bytes(COMMITS[:].tobytes())
        part.replace(out)

    signal.signal(signal.SIGUSR1, dump)
    timed = functools.partial(open_store, writer=ThreadWriter(TimedTransactor))
    app.open_store = timed  # type: ignore[attr-defined]  # the composition root takes no writer
    return app.run(config)


if __name__ == "__main__":
    sys.exit(main())
