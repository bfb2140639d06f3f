"""An August or Yale on the air: its GATT table, the handshake, its commands, its log, its news.

Source: yalexs-ble `const.py` and `lock.py` for every byte; their order of acknowledgment (AA) and
result (BB) from `session.py`. Assumed: a frame under a wrong key is declined with ATT error 0E,
which the library takes for one; the log holds 64 records; a lock that has no keypad declines its
commands with NOT_FOUND.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from firmware_sims.ble.august.frames import (
    PIN_BYTES,
    SIZE,
    BadFrameError,
    Plain,
    Secure,
    frame,
    pin_bytes,
    pin_of,
)
from firmware_sims.ble.peripheral import Advertising, AttError, CharacteristicSpec, ServiceSpec
from firmware_sims.commands import Command
from firmware_sims.faults import LINK
from firmware_sims.firmware.model import Answer, BoltState, Kind, Source, UserStatus, UserType

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from firmware_sims.ble.peripheral import Line
    from firmware_sims.commands import CommandQueue
    from firmware_sims.firmware.lock import LockFirmware
    from firmware_sims.firmware.model import FirmwareEvent

SERVICE = "0000fe24-0000-1000-8000-00805f9b34fb"
WRITE, NOTIFY, SECURE_WRITE, SECURE_NOTIFY = (
    f"bd4ac61{number}-0b45-11e3-8ffd-0800200c9a66" for number in (1, 2, 3, 4)
)
_TEXTS = {
    f"0000{short}-0000-1000-8000-00805f9b34fb": name
    for short, name in (("2a24", "model"), ("2a25", "serial"), ("2a26", "software"))
}
_NOTIFY, _WRITE, _READ = frozenset({"notify"}), frozenset({"write"}), frozenset({"read"})
SERVICES = (
    ServiceSpec(
        SERVICE,
        (
            CharacteristicSpec(WRITE, _WRITE),
            CharacteristicSpec(NOTIFY, _NOTIFY),
            CharacteristicSpec(SECURE_WRITE, _WRITE),
            CharacteristicSpec(SECURE_NOTIFY, _NOTIFY),
        ),
    ),
    ServiceSpec(
        "0000180a-0000-1000-8000-00805f9b34fb",
        tuple(CharacteristicSpec(uuid, _READ) for uuid in _TEXTS),
    ),
)
YALE = 465
UNLIKELY, READ_NOT_PERMITTED = 0x0E, 0x02
LOG_RECORDS = 64
_AUTO_LOCK = 0x28
_STATUS = {
    BoltState.LOCKED: 0x05, BoltState.UNLOCKED: 0x03, BoltState.NOT_FULLY_LOCKED: 0x07,
}  # fmt: skip
_RESULTS = {
    Answer.OK: 0x00, Answer.DUPLICATE: 0x06, Answer.FULL: 0x07, Answer.INVALID: 0x3A,
    Answer.FAILURE: 0x3A, Answer.DENIED: 0x38,
}  # fmt: skip
_JAMMED, _NOT_FOUND = 0x1F, 0x3F
_NAMES = {
    0x02: "get_status", 0x03: "set_setting", 0x04: "get_setting", 0x0A: "unlock", 0x0B: "lock",
    0x27: "add_code", 0x28: "clear_code", 0x2B: "set_access", 0x2C: "commit_code",
    0x2D: "read_log", 0x39: "get_pin_code",
}  # fmt: skip
UNKNOWN = "link.unknown"
COMMANDS = frozenset({*_NAMES.values(), UNKNOWN, LINK})
_READS = frozenset({"get_status", "get_setting", "read_log", "get_pin_code"})
_SOURCES = {Source.RADIO: 0x00, Source.MANUAL: 0x01, Source.KEYPAD: 0x0B}
_LOCKED = frozenset({Kind.LOCKED, Kind.ONE_TOUCH_LOCKED, Kind.KEY_LOCKED, Kind.MANUAL_LOCKED})
_UNLOCKED = frozenset({Kind.UNLOCKED, Kind.KEY_UNLOCKED, Kind.MANUAL_UNLOCKED})


class AugustPeripheral:
    """The skin's outside. `key` and `key_slot` are what the vendor's account would export."""

    def __init__(
        self,
        firmware: LockFirmware,
        queue: CommandQueue,
        *,
        address: str,
        key: bytes,
        key_slot: int,
        serial: str,
        keypad: bool,
        rng: random.Random,
    ) -> None:
        self.address = address
        self.services: Sequence[ServiceSpec] = SERVICES
        self.advertising_changed: Callable[[], None] = lambda: None
        self.log: deque[bytes] = deque(maxlen=LOG_RECORDS)
        self.news = 0
        self.logins = 0
        self._firmware, self._queue, self._rng = firmware, queue, rng
        self._key, self._key_slot, self._serial, self._keypad = key, key_slot, serial, keypad
        self._line: Line | None = None
        self._half: bytes | None = None
        self._secure: Secure | None = None
        self._plain: Plain | None = None
        self._pending: str | None = None
        firmware.define_setting("auto_lock", 0)
        firmware.listeners.append(self._happened)
        firmware.power_lost = self.hang_up
        queue.stopped = self.hang_up

    # ---- the air

    @property
    def advertising(self) -> Advertising | None:
        """None while connected, without power or restarting."""
        if self._line is not None or self._queue.deaf or not self._firmware.powered:
            return None
        return Advertising(
            name=self._serial[:2] + self._serial[-5:],
            service_uuids=(SERVICE,),
            manufacturer_data={YALE: bytes([self.news])},
            interval_s=0.1,
        )

    def connected(self, line: Line) -> None:
        if self._line is not None or self.advertising is None:
            line.disconnect()
            return
        self._line, self._secure, self._plain = line, Secure(self._key), None
        self._half = self._pending = None
        self.advertising_changed()

    def disconnected(self) -> None:
        if self._line is not None:
            self._line = self._secure = self._plain = None
            self.advertising_changed()

    def hang_up(self) -> None:
        line = self._line
        self.disconnected()
        if line is not None:
            line.disconnect()
        self.advertising_changed()

    def subscribed(self, characteristic: str, on: bool) -> None:
        """Nothing waits for it."""

    def read(self, characteristic: str) -> bytes:
        name = _TEXTS.get(characteristic)
        if name is None:
            raise AttError(READ_NOT_PERMITTED)
        return (
            self._serial if name == "serial" else getattr(self._firmware.profile, name)
        ).encode()

    def wrote(self, characteristic: str, data: bytes) -> None:
        try:
            if characteristic == SECURE_WRITE and self._secure is not None:
                self._handshake(self._secure, data)
            elif characteristic == WRITE and self._plain is not None:
                self._take(self._plain.open(data))
            else:
                raise AttError(UNLIKELY)
        except BadFrameError:
            raise AttError(UNLIKELY) from None

    # ---- the handshake

    def _handshake(self, secure: Secure, data: bytes) -> None:
        plain = secure.open(data)
        match plain[0], plain[17]:
            case 0x01, self._key_slot:
                ours = self._rng.randbytes(8)
                self._half = plain[4:12] + ours
                self._notify(SECURE_NOTIFY, secure.seal(0x02, ours))
                self._secure = Secure(self._half)
            case 0x03, _ if self._half is not None:
                self._plain, self._half = Plain(self._half), None
                self.logins += 1
                self._notify(SECURE_NOTIFY, secure.seal(0x04))
            case 0x05, _ if self._plain is not None:
                self._notify(SECURE_NOTIFY, secure.seal(0x8B))
            case _:
                raise AttError(UNLIKELY)

    # ---- commands

    def _take(self, plain: bytes) -> None:
        opcode, line = plain[1], self._line
        name = _NAMES.get(opcode, UNKNOWN)
        slot = self._slot_of(plain)

        def respond(answer: bytes) -> None:
            if line is self._line:
                for at in range(0, len(answer), SIZE):
                    self._say(answer[at : at + SIZE])

        def pretend(answer: Answer) -> bytes | None:
            if name in _READS:
                return None
            return frame(0xBB, opcode, x4=plain[4], xf=_RESULTS[answer])

        command = Command(name, slot, partial(self._answer, plain, slot), pretend, respond)
        self._queue.submit(command)

    @staticmethod
    def _slot_of(plain: bytes) -> int | None:
        match plain[1]:
            case 0x28 | 0x2C:
                return plain[0x0B] | plain[0x0D] << 8
            case 0x39:
                return int.from_bytes(plain[4:6], "little")
        return None

    def _answer(self, plain: bytes, slot: int | None) -> bytes:
        """The frames that this lock says to it, acknowledgment first."""
        opcode = plain[1]
        match opcode:
            case 0x02:
                return self._status(plain[4])
            case 0x0A | 0x0B:
                ack = frame(0xAA, opcode, x4=plain[4])
                return ack + frame(0xBB, opcode, xf=self._move(opcode))
            case 0x03 | 0x04 if plain[4] == _AUTO_LOCK:
                if opcode == 0x03:
                    self._firmware.settings["auto_lock"] = int.from_bytes(plain[8:12], "little")
                    self._firmware.changed()
                value = int(self._firmware.settings["auto_lock"]).to_bytes(4, "little")
                ack = frame(0xAA, opcode, x4=_AUTO_LOCK)
                return ack + frame(0xBB, opcode, x4=_AUTO_LOCK, x8=value)
            case 0x2D:
                return self.log.popleft() if self.log else frame(0xBB, opcode, x4=0x80)
            case 0x39 if self._keypad and slot is not None:
                user = self._firmware.users.users.get(slot)
                pin = pin_bytes(user.code) if user else b"\xff" * PIN_BYTES
                return frame(0xBB, opcode, x4=slot.to_bytes(2, "little"), x6=pin)
            case 0x27 | 0x28 | 0x2B | 0x2C if self._keypad:
                return frame(0xBB, opcode, xf=_RESULTS[self._write_code(plain, slot or 0)])
        return frame(0xBB, opcode, x4=plain[4:6], xf=_NOT_FOUND)

    def _status(self, kind: int) -> bytes:
        bolt = self._firmware.bolt
        door = (3 if bolt.door_open else 1) if self._firmware.profile.has_door_sensor else 0
        value = {
            0x02: bytes([_STATUS[bolt.state]]),
            0x2E: bytes([door]),
            0x2F: bytes([_STATUS[bolt.state], door]),
            0x0F: self._firmware.battery_mv.to_bytes(2, "little"),
        }.get(kind, b"\0")
        return frame(0xBB, 0x02, x4=kind, x8=value)

    def _move(self, opcode: int) -> int:
        unlock = opcode == 0x0A
        target = BoltState.UNLOCKED if unlock else BoltState.LOCKED
        kind = Kind.UNLOCKED if unlock else Kind.LOCKED
        return 0 if self._firmware.move(target, kind, Source.RADIO, None) else _JAMMED

    def _write_code(self, plain: bytes, slot: int) -> Answer:
        """Set, access and commit are one order in three frames; clearing needs no PIN."""
        users = self._firmware.users
        match plain[1]:
            case 0x28:
                return users.clear_code(slot, Source.RADIO)
            case 0x27:
                try:
                    self._pending = pin_of(plain[4 : 4 + PIN_BYTES])
                except ValueError:
                    self._pending = None
                return Answer.OK if self._pending else Answer.INVALID
            case 0x2B:
                return Answer.OK if self._pending and plain[0x0C] == 0x80 else Answer.INVALID
        pin, self._pending = self._pending, None
        if pin is None or pin_bytes(pin) != plain[4 : 4 + PIN_BYTES]:
            return Answer.INVALID
        return users.set_code(slot, pin, UserStatus.ENABLED, UserType.UNRESTRICTED, Source.RADIO)

    # ---- what it says by itself

    def _happened(self, event: FirmwareEvent) -> None:
        if event.phantom:
            return
        at = int(event.at).to_bytes(4, "little")
        if event.kind in _LOCKED or event.kind in _UNLOCKED or event.kind is Kind.AUTO_LOCKED:
            status = 0x03 if event.kind in _UNLOCKED else 0x05
            if event.source is Source.KEYPAD and event.slot is not None:
                record = frame(0xBB, 0x2D, x4=0x0E, x5=at, xa=event.slot & 0xFF, xc=status)
            else:
                auto = event.kind is Kind.AUTO_LOCKED
                source = 0x05 if auto else _SOURCES.get(event.source, 0xFF)
                record = frame(0xBB, 0x2D, x4=0x00, x5=source, x6=status, x7=0x03, x8=at)
            self.log.append(record)
            if self._plain is not None:
                self._say(self._status(0x02))
        if event.kind is not Kind.BATTERY:
            self.news ^= 1
            self.advertising_changed()

    def _say(self, plain: bytes) -> None:
        if self._plain is not None:
            self._notify(NOTIFY, self._plain.seal(plain))

    def _notify(self, characteristic: str, data: bytes) -> None:
        if self._line is not None and not self._queue.deaf:
            self._line.notify(characteristic, data)
