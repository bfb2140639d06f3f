"""A TTLock on the air: its GATT table, frames in chunks, the life of a connection, its sleep.

Here: bytes to commands and back, and when it is silent, hangs up or refuses. Not here: what a
command does (``commands``). Sources: kind3r/ttlock-sdk-js, issue #5 and "Bad CRC quest";
roquerodrigo/ttlock-ble, client.py; roquerodrigo/ha-ttlock-ble #46 and #52 for idle links and sleep.

Assumed: a payload that cannot be decrypted gets no answer, except from a lock that nobody has
claimed, which answers "no admin" under the factory key; a connection that is refused is one that is
never answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.ble.peripheral import AttError, CharacteristicSpec, ServiceSpec
from firmware_sims.ble.ttlock import advert, frames
from firmware_sims.ble.ttlock.commands import understand
from firmware_sims.ble.ttlock.core import Session, refusal
from firmware_sims.ble.ttlock.fields import Error
from firmware_sims.ble.ttlock.frames import BadFrame, Frame, Reassembler
from firmware_sims.faults import LINK, Fault
from firmware_sims.firmware.model import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from firmware_sims.ble.peripheral import Advertising, Line
    from firmware_sims.ble.ttlock.core import Core
    from firmware_sims.clock import Timer
    from firmware_sims.commands import CommandQueue
    from firmware_sims.faults import Faults
    from firmware_sims.firmware.model import FirmwareEvent


def _uuid(short: int) -> str:
    return f"{short:08x}-0000-1000-8000-00805f9b34fb"


WRITE, NOTIFY, BATTERY = _uuid(0xFFF2), _uuid(0xFFF4), _uuid(0x2A19)
MANUFACTURER, MODEL, FIRMWARE, HARDWARE = (_uuid(n) for n in (0x2A29, 0x2A24, 0x2A26, 0x2A27))
_DFU = "0000{}-1212-efde-1523-785feabcd123"

_READ = frozenset({"read"})
SERVICES = (
    ServiceSpec(
        advert.SERVICE,
        (
            CharacteristicSpec(WRITE, frozenset({"write_without_response"})),
            CharacteristicSpec(NOTIFY, frozenset({"notify"})),
        ),
    ),
    ServiceSpec(_uuid(0x180F), (CharacteristicSpec(BATTERY, _READ),)),
    ServiceSpec(
        _uuid(0x180A),
        tuple(
            CharacteristicSpec(uuid, _READ) for uuid in (MANUFACTURER, MODEL, FIRMWARE, HARDWARE)
        ),
    ),
    ServiceSpec(
        _DFU.format("1530"),
        (
            CharacteristicSpec(_DFU.format("1531"), frozenset({"write", "notify"})),
            CharacteristicSpec(_DFU.format("1532"), frozenset({"write_without_response"})),
        ),
    ),
)
_READ_NOT_PERMITTED, _WRITE_NOT_PERMITTED, _INVALID_LENGTH = 0x02, 0x03, 0x0D
_BATTERY_ALWAYS = 100
"""What the standard characteristic says whatever the battery is (roquerodrigo/ttlock-ble,
client.py); the truth is in the frames and in the advertisement."""


class TTLockPeripheral:
    """The skin's outside. Everything runs at once on the caller's thread, but for its timers."""

    def __init__(self, core: Core, queue: CommandQueue, faults: Faults) -> None:
        self._core, self._queue, self._faults = core, queue, faults
        self._time = core.firmware.timebase
        self.address = core.address
        self.services: Sequence[ServiceSpec] = SERVICES
        self.advertising_changed: Callable[[], None] = lambda: None
        self._line: Line | None = None
        self._reassembler = Reassembler()
        self._idle: Timer | None = None
        self._sleep: Timer | None = None
        self._hand: Timer | None = None
        self._touched = False
        self._dormant = False
        self._shown: Advertising | None = None
        core.say = self._say
        core.firmware.listeners.append(self._happened)
        core.firmware.keypad.listeners.append(lambda _code, _result: self.touch())
        core.firmware.reader.listeners.append(lambda _of, _number, _result: self.touch())
        core.firmware.power_lost = self.hang_up
        queue.stopped = self.hang_up
        faults.condition_changed = self.refresh
        self._used()
        self._shown = self.advertising

    # ---- the air

    @property
    def dormant(self) -> bool:
        """Whether it sleeps."""
        return self._dormant

    @property
    def advertising(self) -> Advertising | None:
        """None while connected, without power or restarting."""
        if self._line is not None or self._queue.deaf or not self._core.firmware.powered:
            return None
        return advert.advertising(
            self._core,
            touched=self._touched,
            dormant=self._dormant,
            connectable=not self._refuses,
        )

    @property
    def _refuses(self) -> bool:
        return self._dormant and (
            self._core.facts.refuses_when_dormant or self._faults.lasting(Fault.DORMANT)
        )

    def refresh(self) -> None:
        """Say so when the advertisement has another value."""
        now = self.advertising
        if now != self._shown:
            self._shown = now
            self.advertising_changed()

    def connected(self, line: Line) -> None:
        """A host has connected; that wakes it."""
        if self._line is not None or self._refuses or self.advertising is None:
            line.disconnect()
            return
        self._line = line
        self._core.session = Session()
        self._reassembler = Reassembler()
        self._used()
        self._idle_again()
        self.refresh()

    def disconnected(self) -> None:
        """The connection is over, whoever ended it: logins and half a claim are forgotten."""
        if self._line is None:
            return
        self._line = None
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        self._core.session = Session()
        self._core.firmware.reader.reset()
        self._used()
        self.refresh()

    def hang_up(self) -> None:
        """The lock ends the connection, if there is one."""
        line = self._line
        self.disconnected()
        if line is not None:
            line.disconnect()
        self.refresh()

    def read(self, characteristic: str) -> bytes:
        """A standard characteristic."""
        profile = self._core.firmware.profile
        values = {
            BATTERY: bytes([_BATTERY_ALWAYS]),
            MANUFACTURER: profile.manufacturer.encode(),
            MODEL: profile.model.encode(),
            FIRMWARE: profile.software.encode(),
            HARDWARE: self._core.facts.hardware.encode(),
        }
        if characteristic not in values:
            raise AttError(_READ_NOT_PERMITTED)
        return values[characteristic]

    def subscribed(self, characteristic: str, on: bool) -> None:
        """Nothing waits for it."""

    # ---- sleep

    def touch(self) -> None:
        """Somebody lays a hand on it."""
        if not self._core.firmware.powered:
            return
        self._touched = True
        if self._hand is not None:
            self._hand.cancel()
        self._hand = self._time.call_later(self._core.facts.keypad_awake_s, self._let_go)
        self._used()
        self.refresh()

    def _let_go(self) -> None:
        self._touched = False
        self.refresh()

    def _used(self) -> None:
        """It is in use now: awake, and for a while longer."""
        self._dormant = False
        if self._sleep is not None:
            self._sleep.cancel()
            self._sleep = None
        if self._core.facts.dormant_after_s:
            self._sleep = self._time.call_later(self._core.facts.dormant_after_s, self._fall_asleep)

    def _fall_asleep(self) -> None:
        if self._line is None:
            self._dormant = True
            self.refresh()

    def _happened(self, event: FirmwareEvent) -> None:
        if event.kind is not Kind.BATTERY and not event.phantom:
            self._used()
        self.refresh()

    # ---- frames

    def wrote(self, characteristic: str, data: bytes) -> None:
        """A chunk from the host."""
        if characteristic != WRITE:
            raise AttError(_WRITE_NOT_PERMITTED)
        if len(data) > frames.CHUNK:
            raise AttError(_INVALID_LENGTH)
        self._idle_again()
        for raw in self._reassembler.feed(data):
            self._take(raw)

    def _take(self, raw: bytes) -> None:
        line, key, opcode = self._line, self._core.aes, raw[9]
        if line is None:
            return
        name, slot = LINK, None

        def respond(plaintext: bytes) -> None:
            if line is not self._line:
                return  # nobody is there to hear it
            self._send(plaintext, key, name=name, slot=slot)

        try:
            frame = Frame.decode(raw, strict=self._core.facts.strict_crc)
        except BadFrame:
            respond(refusal(opcode, Error.CRC))
            return
        ours = self._core.version
        if (frame.version.protocol_type, frame.version.protocol_version) != (
            ours.protocol_type,
            ours.protocol_version,
        ):
            return
        try:
            payload = frames.decrypt(frame.payload, key)
        except BadFrame:
            if self._core.setting_mode:
                respond(refusal(opcode, Error.NO_ADMIN))
            return
        command = understand(self._core, frame.command, payload, respond)
        name, slot = command.name, command.slot
        self._queue.submit(command)
        self.refresh()

    def _say(self, plaintext: bytes) -> None:
        if self._line is not None and not self._core.setting_mode:
            self._send(plaintext, self._core.aes, name="link.push", slot=None)

    def _send(self, plaintext: bytes, key: bytes, *, name: str, slot: int | None) -> None:
        line = self._line
        if line is None or self._queue.deaf:
            return
        wrong = self._core.facts.wrong_crc or bool(self._faults.strike(Fault.WRONG_CRC, name, slot))
        frame = Frame(self._core.version, frames.RESPONSE, frames.encrypt(plaintext, key))
        pieces = frames.chunks(frame.encode(wrong_crc=wrong))
        cut = self._faults.strike(Fault.MID_FRAME, name, slot) is not None
        for piece in pieces[: len(pieces) // 2] if cut else pieces:
            line.notify(NOTIFY, piece)
        if cut:
            self.hang_up()
        else:
            self._idle_again()

    # ---- idle links: nothing said in either direction

    def _idle_again(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = self._time.call_later(self._core.facts.idle_disconnect_s, self._idled)

    def _idled(self) -> None:
        if self._queue.busy or self._core.firmware.reader.learning:
            self._idle_again()
        else:
            self.hang_up()
