"""The keys of a radio's network: made once, sealed, kept in the database and in a file beside it.

As with the keys of claimed devices (`identities`), the file outlives the database: a network whose
keys are lost has to be built anew, at every door. Not here: what the keys are for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import structlog

from gateway.domain.secret import Secret
from gateway.errors import StoreFull, StoreUnreadable
from gateway.kit.files import write_whole
from gateway.store import meta

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from gateway.store.database import Store
    from gateway.store.keyring import Keyring
    from gateway.store.tx import Tx

log = structlog.get_logger()


class NetworkKeys:
    """`radio` names the network, `path` the file. `random_bytes` must be unguessable."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        path: Path,
        radio: str,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._path = path
        self._context = f"network:{radio}"
        self._row = f"network_keys:{radio}"
        self._random_bytes = random_bytes

    async def load(self, names: Collection[str], size: int) -> dict[str, Secret]:
        """Keys of `size` bytes by name, as hex; those that are missing are made.

        In both places before they are returned. `StoreUnreadable`: there are some that this
        gateway's key does not open; they are left alone, because new ones would lock every door
        out. `StoreFull`: they could not be written down.
        """
        rows = await self._store.fetch_one(meta.text(self._row))
        in_file, in_rows = self._in_file(), rows or ""
        keys = self._opened(in_file, in_rows)
        missing = [name for name in names if name not in keys]
        if missing:
            keys |= {name: self._random_bytes(size).hex() for name in missing}
            log.info("keys of a network are made", network=self._context, number=len(missing))
        if missing or not in_file:
            in_file = self._keyring.seal(Secret(json.dumps(keys)), context=self._context).hex()
            try:
                write_whole(self._path, json.dumps({"sealed": in_file}).encode())
            except OSError as error:
                raise StoreFull(f"could not write {self._path.name}: {error.strerror}") from error
        if in_rows != in_file:
            await self._store.submit(lambda tx: self._write(tx, in_file))
        return {name: Secret(keys[name]) for name in names}

    def _write(self, tx: Tx, sealed: str) -> None:
        meta.put(tx, self._row, sealed)

    def _in_file(self) -> str:
        """Empty where there is none, or none that can be read."""
        try:
            sealed = json.loads(self._path.read_text(encoding="utf-8"))["sealed"]
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("a file of network keys is damaged", file=self._path.name, cause=str(error))
            return ""
        return sealed if isinstance(sealed, str) else ""

    def _opened(self, *places: str) -> dict[str, str]:
        """From the first place that opens. Empty where there is nothing in any."""
        refusal: StoreUnreadable | None = None
        for sealed in places:
            if not sealed:
                continue
            try:
                opened = self._keyring.unseal(bytes.fromhex(sealed), context=self._context)
            except (StoreUnreadable, ValueError):
                refusal = StoreUnreadable(
                    f"could not use the network's keys in {self._path.name}: they are sealed with "
                    "another key; put that key back, or move the file away to form a new network, "
                    "which every device has to join again"
                )
                continue
            found: dict[str, str] = json.loads(opened.reveal())
            return found
        if refusal is not None:
            raise refusal
        return {}
