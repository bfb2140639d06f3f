"""A simulated TTLock on a bench, in virtual time, and a phone that speaks to it without a radio.

Here: the lock with everything it has done, chunks in and out, logins. Not here: any expectation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_sims.ble import ttlock
from firmware_sims.ble.ttlock.frames import (
    Frame,
    Reassembler,
    Version,
    chunks,
    decrypt,
    encrypt,
)
from firmware_sims.ble.ttlock.peripheral import NOTIFY, WRITE
from firmware_sims.firmware.model import BoltState
from tests.unit.sims.lock_bench import LockBench

if TYPE_CHECKING:
    from firmware_sims.ble.peripheral import Advertising

KEY = bytes(range(0x10, 0x20))
ADMIN_PS, UNLOCK_KEY = 87654321, 98765432
CLAIMED = {"aes_key": KEY.hex(), "admin_ps": ADMIN_PS, "unlock_key": UNLOCK_KEY}
VENDOR = b"SCIENER"


@dataclass(frozen=True)
class Heard:
    """One plaintext from the lock."""

    echo: int
    status: int
    data: bytes

    @property
    def error(self) -> int:
        assert self.status == 0
        return self.data[0]


class Bench(LockBench):
    """A lock with its flags and its log."""

    family = ttlock
    address = "38:38:E5:1D:71:FE"
    skin: ttlock.TTLockSkin

    def __init__(
        self, profile: str = "ttlock-deadbolt", *, claimed: bool = True, **skin: object
    ) -> None:
        settings: dict[str, object] = {**(CLAIMED if claimed else {}), **skin}
        super().__init__(profile, {"auto_relock_s": 0}, settings)

    def air(self) -> Advertising | None:
        """What is advertised now."""
        return self.peripheral.advertising

    def locked(self) -> bool:
        """Whether the bolt is out."""
        return self.firmware.bolt.state is BoltState.LOCKED

    @property
    def flags(self) -> int:
        """The flag byte in the air."""
        advertising = self.peripheral.advertising
        assert advertising is not None
        return advertising.manufacturer_data[0x0305][1]

    @property
    def records(self) -> list[int]:
        """Types in the operation log, oldest first."""
        return [entry.type for entry in self.skin.core.log.entries]


class Phone:
    """A host with a connection to the lock on the bench."""

    def __init__(self, bench: Bench, key: bytes = KEY) -> None:
        self.bench, self.key = bench, key
        self._open = True
        self.raw: list[bytes] = []
        self.heard: list[Heard] = []
        self._reassembler = Reassembler()
        bench.peripheral.connected(self)

    # ---- Line

    def notify(self, characteristic: str, data: bytes) -> None:
        assert characteristic == NOTIFY
        assert self._open
        assert 0 < len(data) <= 20
        for raw in self._reassembler.feed(data):
            self.raw.append(raw)
            plaintext = decrypt(raw[12 : 12 + raw[11]], self.key)
            self.heard.append(Heard(plaintext[0], plaintext[1], plaintext[2:]))

    def disconnect(self) -> None:
        self._open = False
        self.bench.peripheral.disconnected()

    def is_open(self) -> bool:
        """Whether the connection still stands."""
        return self._open

    # ---- the person with the phone

    def say(self, opcode: int, payload: bytes = b"", version: Version | None = None) -> None:
        """Send one command, in chunks."""
        frame = Frame(version or Version(), opcode, encrypt(payload, self.key))
        self.write(frame.encode())

    def write(self, raw: bytes) -> None:
        """Send bytes as they are, in chunks."""
        for piece in chunks(raw):
            self.bench.peripheral.wrote(WRITE, piece)

    def ask(self, opcode: int, payload: bytes = b"") -> Heard:
        """Send one command and return the one thing the lock says to it at once."""
        before = len(self.heard)
        self.say(opcode, payload)
        (answer,) = self.heard[before:]
        assert answer.echo == opcode
        return answer

    def do(self, opcode: int, payload: bytes = b"") -> bytes:
        """The data of an answer that says yes."""
        answer = self.ask(opcode, payload)
        assert answer.status == 1, f"refused with {answer.data.hex()}"
        return answer.data

    def refused(self, opcode: int, payload: bytes = b"") -> int:
        """The error in an answer that says no."""
        return self.ask(opcode, payload).error

    # ---- logins

    def challenge(self, *, uid: int = 7, flag_pos: int = 0) -> int:
        """55 with a window that is always open."""
        payload = user(uid=uid, flag_pos=flag_pos)
        return int.from_bytes(self.do(0x55, payload), "big")

    def login_admin(self, *, uid: int = 7, flag_pos: int = 0) -> int:
        """41 and 30."""
        ps = int.from_bytes(self.do(0x41, admin(uid=uid, flag_pos=flag_pos)), "big")
        assert self.do(0x30, proof(ps)) == b""
        return ps

    def bolt(self, opcode: int, ps: int, record_id: int = 1_790_000_000) -> Heard:
        """47, 58 or 69."""
        return self.ask(opcode, proof(ps) + record_id.to_bytes(4, "big"))


def manager(bench: Bench) -> Phone:
    """A phone that has logged in as administrator."""
    phone = Phone(bench)
    phone.login_admin()
    return phone


def user(
    start: bytes = bytes([0, 1, 31, 14, 0]),
    end: bytes = bytes([99, 11, 30, 14, 0]),
    *,
    uid: int = 7,
    flag_pos: int = 0,
) -> bytes:
    return start + end + flag_pos.to_bytes(3, "big") + uid.to_bytes(4, "big")


def admin(admin_ps: int = ADMIN_PS, *, uid: int = 7, flag_pos: int = 0) -> bytes:
    return admin_ps.to_bytes(4, "big") + flag_pos.to_bytes(3, "big") + uid.to_bytes(4, "big")


def proof(ps: int, unlock_key: int = UNLOCK_KEY) -> bytes:
    return ((ps + unlock_key) % 2**32).to_bytes(4, "big")


def text(code: str) -> bytes:
    return bytes([len(code)]) + code.encode()


def minute(*fields: int) -> bytes:
    """2026 and month, day, hour, minute."""
    return bytes([26, *fields])


START, END = minute(7, 6, 15, 0), minute(7, 8, 11, 0)


def add_code(code: str, kind: int = 3, start: bytes = START, end: bytes = END) -> bytes:
    """Payload of 03/02."""
    return bytes([2, kind]) + text(code) + start + (b"" if kind == 1 else end)
