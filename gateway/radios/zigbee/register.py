"""A file beside the library's database: who joined under the well-known key, who was forgotten.

Losing it is harmless: a flag on a device, and a node that must be forgotten once more.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gateway.kit.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path


class Register:
    """Two sets of addresses, written at each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.well_known: set[str] = set()
        self.forgotten: set[str] = set()
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            self.well_known.update(found["joined_under_well_known_key"])
            self.forgotten.update(found["forgotten"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # missing or damaged: start anew

    def joined(self, address: str, *, well_known_key: bool) -> None:
        self.forgotten.discard(address)
        self.well_known.discard(address)
        if well_known_key:
            self.well_known.add(address)
        self._write()

    def forget(self, address: str) -> None:
        self.well_known.discard(address)
        self.forgotten.add(address)
        self._write()

    def _write(self) -> None:
        text = json.dumps(
            {
                "joined_under_well_known_key": sorted(self.well_known),
                "forgotten": sorted(self.forgotten),
            }
        )
        write_whole(self._path, text.encode())
