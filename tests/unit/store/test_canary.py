"""Digits are in no file of the database, in no common encoding: while kept sealed, and after."""

from __future__ import annotations

import base64
import secrets  # noqa: TID251 - digits that no file can hold already
from typing import TYPE_CHECKING

from gateway.domain.devices import Empty, Known, Slot
from gateway.domain.grants import GrantState
from gateway.domain.ids import CredentialId, GrantId
from gateway.domain.instant import Instant
from gateway.domain.schedule import Tombstone
from gateway.domain.secret import Secret
from gateway.store import desired, reported
from tests.unit.store.build import CANARY, FRONT, NOW, read, spec

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.store.database import Store
    from gateway.store.keyring import Keyring
    from gateway.store.tx import Tx

GUEST = CredentialId("guest")


def encodings(digits: str) -> dict[str, bytes]:
    plain = digits.encode()
    found = {
        "plain": plain,
        "reversed": plain[::-1],
        "utf-16": digits.encode("utf-16-le"),
        "utf-16 big": digits.encode("utf-16-be"),
        "hex": plain.hex().encode(),
        "HEX": plain.hex().upper().encode(),
        "bcd": bytes.fromhex(digits + "f"),
        "number": int(digits).to_bytes(4, "big"),
        "number little": int(digits).to_bytes(4, "little"),
    }
    for shift in range(3):  # base64 of a text that holds the digits depends on where they begin
        encoded = base64.b64encode(b"x" * shift + plain)
        found[f"base64 at {shift}"] = encoded[4 if shift else 0 : -4 if len(encoded) % 4 else None][
            :8
        ]
    return found


def found_in(folder: Path, digits: str) -> list[str]:
    return [
        f"{name} in {file.name}"
        for file in folder.iterdir()
        for name, needle in encodings(digits).items()
        if needle in read(file)
    ]


def test_the_search_would_find_them(tmp_path: Path) -> None:
    for number, needle in enumerate(encodings(CANARY).values()):
        (tmp_path / str(number)).write_bytes(b"\x00page\x01" + needle + b"\x00")
    assert len(found_in(tmp_path, CANARY)) >= len(encodings(CANARY))


async def test_no_digits_in_any_file(store: Store, keyring: Keyring, path: Path) -> None:
    def on_lock(tx: Tx) -> None:
        held = Known(keyring.hash(Secret(CANARY)))
        reported.put_slot(tx, FRONT, Slot(3, held, GUEST, (), frozenset(), NOW))
        reported.update_grant(tx, GrantId(GUEST, FRONT), NOW, state=GrantState.ACTIVE)

    await store.submit(lambda tx: desired.upsert_credential(tx, keyring, spec(), 1, NOW))
    await store.submit(lambda tx: desired.stage_chunk(tx, keyring, 2, 0, [spec(version=2)], []))
    assert found_in(path.parent, CANARY) == []
    await store.submit(lambda tx: desired.apply_staged(tx, 2, NOW))
    await store.submit(on_lock)
    assert found_in(path.parent, CANARY) == []


async def test_even_the_sealed_digits_leave_every_file_after_an_erase_and_a_scrub(
    store: Store, keyring: Keyring, path: Path
) -> None:
    def erased(tx: Tx) -> None:
        reported.put_slot(tx, FRONT, Slot(3, Empty(), None, (), frozenset(), NOW))
        reported.update_grant(tx, GrantId(GUEST, FRONT), NOW, state=GrantState.ERASED)

    def sealed_somewhere(blobs: list[bytes]) -> list[str]:
        return [
            file.name
            for file in path.parent.iterdir()
            for blob in blobs
            if blob[13:] in read(file) or blob[:13] in read(file)
        ]

    blobs: list[bytes] = []
    for version in (1, 2):
        wanted = spec(version=version, digits=Secret(str(secrets.randbelow(9 * 10**8) + 10**8)))
        await store.submit(
            lambda tx, wanted=wanted, version=version: bool(  # type: ignore[misc]  # bound per round
                desired.upsert_credential(tx, keyring, wanted, version, NOW)
            )
        )
        blob = await store.fetch_one(desired.digits_of(GUEST))
        assert blob is not None
        blobs.append(blob)
    held = Known(keyring.hash(Secret(CANARY)))
    await store.submit(
        lambda tx: reported.put_slot(tx, FRONT, Slot(3, held, GUEST, (), frozenset(), NOW))
    )
    await store.submit(lambda tx: desired.tombstone(tx, Tombstone(GUEST), 3, Instant(NOW + 1)))
    assert sealed_somewhere(blobs)
    await store.submit(erased)
    assert await store.fetch_one(desired.digits_of(GUEST)) is None
    await store.scrub()
    assert sealed_somewhere(blobs) == []
