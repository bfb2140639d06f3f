"""A Nuki on the air: its GATT table, frames, the life of a connection.

Here: bytes to commands and back, and when it is silent or hangs up. Not here: what a command does
(``commands``) or how one is paired (``pairing``). Services from the vendor's "Bluetooth GATT
services" (developer.nuki.io, topic 89).

Assumed: an error about a frame that nobody's key opens is a plain frame on the characteristic it
came by; there is no advertisement while somebody is connected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.ble.nuki import advert, frames
from firmware_sims.ble.nuki.advert import GDIO, SERVICE, USDIO
from firmware_sims.ble.nuki.commands import PUSH, pair, understand
from firmware_sims.ble.nuki.fields import Refused
from firmware_sims.ble.nuki.pairing import SEALED_ID, Pairing
from firmware_sims.ble.nuki.spec import error
from firmware_sims.ble.peripheral import AttError, CharacteristicSpec, ServiceSpec
from firmware_sims.faults import LINK, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from firmware_sims.ble.nuki.core import Core
    from firmware_sims.ble.nuki.frames import Message
    from firmware_sims.ble.peripheral import Advertising, Line
    from firmware_sims.clock import Timer
    from firmware_sims.commands import CommandQueue
    from firmware_sims.faults import Faults

_BOTH_WAYS = frozenset({"write", "indicate"})
_WRITE_NOT_PERMITTED, _READ_NOT_PERMITTED = 0x03, 0x02


def _services(*, ultra: bool) -> tuple[ServiceSpec, ...]:
    pairing = (
        (advert.ULTRA_SERVICE, advert.ULTRA_PAIRING)
        if ultra
        else (advert.PAIRING_SERVICE, advert.PAIRING)
    )
    return (
        ServiceSpec(pairing[0], (CharacteristicSpec(pairing[1], _BOTH_WAYS),)),
        ServiceSpec(SERVICE, tuple(CharacteristicSpec(uuid, _BOTH_WAYS) for uuid in (GDIO, USDIO))),
    )


class NukiPeripheral:
    """The skin's outside. Everything runs at once on the caller's thread, but for its timers."""

    def __init__(self, core: Core, queue: CommandQueue, faults: Faults) -> None:
        self._core, self._queue, self._faults = core, queue, faults
        self._time = core.firmware.timebase
        self.address = core.address
        self.services: Sequence[ServiceSpec] = _services(ultra=core.facts.ultra)
        self._pairing_uuid = self.services[0].characteristics[0].uuid
        self.advertising_changed: Callable[[], None] = lambda: None
        self._line: Line | None = None
        self._pairing = Pairing(core)
        self._speaker: bytes | None = None
        self._idle: Timer | None = None
        self._used_at = self._time.now()
        self._shown = self.advertising
        core.push = self._push
        core.news = self.refresh
        core.firmware.power_lost = self._power_lost
        core.firmware.keypad.listeners.append(lambda _code, _result: self._used())
        queue.stopped = self.hang_up
        faults.condition_changed = self.refresh

    # ---- the air

    @property
    def advertising(self) -> Advertising | None:
        """None while connected, without power or restarting."""
        if self._line is not None or self._queue.deaf or not self._core.firmware.powered:
            return None
        return advert.advertising(self._core, connectable=not self._refuses)

    @property
    def _refuses(self) -> bool:
        """A Nuki does not sleep; this one does while the fault says so."""
        rested = self._time.now() - self._used_at >= self._core.facts.sleeps_after_s
        return self._faults.lasting(Fault.DORMANT) and rested and not self._core.pairing

    def refresh(self) -> None:
        """Say so when the advertisement has another value."""
        now = self.advertising
        if now != self._shown:
            self._shown = now
            self.advertising_changed()

    def touch(self) -> None:
        """A hand is on it."""
        self._used()

    def _used(self) -> None:
        self._used_at = self._time.now()
        self.refresh()
        if self._faults.lasting(Fault.DORMANT):
            self._time.call_later(self._core.facts.sleeps_after_s, self.refresh)

    # ---- the link

    def connected(self, line: Line) -> None:
        """A host has connected."""
        if self._line is not None or self._refuses or self.advertising is None:
            line.disconnect()
            return
        self._line = line
        self._pairing = Pairing(self._core)
        self._speaker = None
        self._idle_again()
        self.refresh()

    def disconnected(self) -> None:
        """The connection is over, whoever ended it: half a pairing is forgotten."""
        if self._line is None:
            return
        self._line = None
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        self._speaker = None
        self._core.link_over()
        self._used()

    def hang_up(self) -> None:
        """The lock ends the connection, if there is one."""
        line = self._line
        self.disconnected()
        if line is not None:
            line.disconnect()
        self.refresh()

    def _power_lost(self) -> None:
        self._core.power_lost()
        self.hang_up()

    def read(self, characteristic: str) -> bytes:
        """Nothing can be read."""
        raise AttError(_READ_NOT_PERMITTED)

    def subscribed(self, characteristic: str, on: bool) -> None:
        """Nothing waits for it."""

    # ---- frames

    def wrote(self, characteristic: str, data: bytes) -> None:
        """A frame from the host, whole."""
        if self._line is None or self._queue.deaf or not self._core.firmware.powered:
            return
        self._idle_again()
        if characteristic == self._pairing_uuid:
            self._pair(data)
        elif characteristic == USDIO:
            self._take(data)
        else:
            raise AttError(_WRITE_NOT_PERMITTED)
        self.refresh()

    def _take(self, raw: bytes) -> None:
        core = self._core
        try:
            sealed = frames.envelope(raw)
            auth = core.authorizations.known(sealed.auth_id)
            message = frames.unseal(auth.key, sealed)
        except Refused as refused:
            self._send_raw(USDIO, [frames.plain(error(refused.error, 0))], LINK, None)
            return
        auth_id = self._speaker = auth.auth_id
        line, key = self._line, auth.key
        name, slot = LINK, None

        def respond(packed: bytes) -> None:
            if line is not self._line:
                return  # nobody is there to hear it
            wrong = bool(self._faults.strike(Fault.WRONG_CRC, name, slot))
            said = [
                self._sealed(key, auth_id, message, wrong=wrong)
                for message in frames.unpack(packed)
            ]
            self._send_raw(USDIO, said, name, slot)

        command = understand(core, auth_id, message, respond)
        name, slot = command.name, command.slot
        self._queue.submit(command)

    def _pair(self, raw: bytes) -> None:
        line, conversation = self._line, self._pairing
        try:
            message = conversation.open(raw)
        except Refused as refused:
            self._send_raw(self._pairing_uuid, [frames.plain(error(refused.error, 0))], LINK, None)
            return
        sealed, name = conversation.sealed, LINK

        def respond(packed: bytes) -> None:
            if line is not self._line:
                return
            wrong = bool(self._faults.strike(Fault.WRONG_CRC, name, None))
            said = [
                self._sealed(conversation.key, SEALED_ID, message, wrong=wrong)
                if sealed
                else frames.plain(message, wrong_crc=wrong)
                for message in frames.unpack(packed)
            ]
            self._send_raw(self._pairing_uuid, said, name, None)

        command = pair(conversation, message, respond)
        name = command.name
        self._queue.submit(command)

    def _sealed(self, key: bytes, auth_id: bytes, message: Message, *, wrong: bool) -> bytes:
        nonce = self._core.rng.randbytes(24)
        return frames.seal(key, auth_id, message, nonce, wrong_crc=wrong)

    def _push(self, message: Message) -> None:
        """Unasked, to whoever has spoken on this connection."""
        auth = None if self._speaker is None else self._core.authorizations.held.get(self._speaker)
        if auth is not None:
            wrong = bool(self._faults.strike(Fault.WRONG_CRC, PUSH, None))
            said = self._sealed(auth.key, auth.auth_id, message, wrong=wrong)
            self._send_raw(USDIO, [said], PUSH, None)

    def _send_raw(
        self, characteristic: str, said: list[bytes], name: str, slot: int | None
    ) -> None:
        line = self._line
        if line is None or self._queue.deaf:
            return
        self._idle_again()
        cut = self._faults.strike(Fault.MID_FRAME, name, slot) is not None
        if cut:
            whole = len(said) // 2
            said = [*said[:whole], said[whole][: len(said[whole]) // 2]]
        for raw in said:
            line.notify(characteristic, raw)
        if cut:
            self.hang_up()

    # ---- idle links

    def _idle_again(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._used_at = self._time.now()
        self._idle = self._time.call_later(self._core.facts.idle_disconnect_s, self._idled)

    def _idled(self) -> None:
        if self._queue.busy or self._core.motor.busy:
            self._idle_again()
        else:
            self.hang_up()
