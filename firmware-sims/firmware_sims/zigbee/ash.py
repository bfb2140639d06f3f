"""ASH, the serial framing under EZSP, from the NCP's end: bytes in, bytes and EZSP frames out.

Here: framing, randomisation, CRC, acknowledgement, retransmission, reject condition and the
faults of a bad serial line. Not here: what an EZSP frame means (``ezsp``) and sockets
(``server``). No socket and no clock of its own; timers come from the loop it is given.

Fact source: Silicon Labs UG101 "UART-EZSP Gateway Protocol Reference" (control bytes, timers,
reserved bytes, generator of the pseudo-random sequence, its example frames).
"""

from __future__ import annotations

import binascii
import random
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

FLAG, ESCAPE, XON, XOFF, SUBSTITUTE, CANCEL = 0x7E, 0x7D, 0x11, 0x13, 0x18, 0x1A
_STUFFED = frozenset((FLAG, ESCAPE, XON, XOFF, SUBSTITUTE, CANCEL))
_RST, _RSTACK, _ERROR, _ACK, _NAK, _RETRANSMITTED, _NOT_READY = (
    0xC0,
    0xC1,
    0xC2,
    0x80,
    0xA0,
    0x08,
    0x08,
)
_ASH_VERSION = 2
_MAX_FRAME = 131 + 3  # a DATA field of at most 128 bytes (UG101: 3..128), some room to spare
_ACK_TIMEOUT_S, _ACK_TIMEOUT_MIN_S, _ACK_TIMEOUT_MAX_S = 1.6, 0.4, 3.2
_MAX_TIMEOUTS = 4
_NOT_READY_S = 1.0


class ResetCode(IntEnum):
    """Why the NCP restarted, or gave up (RSTACK and ERROR frames)."""

    POWER_ON = 0x02
    WATCHDOG = 0x03
    ASSERT = 0x06
    SOFTWARE = 0x0B
    TOO_MANY_ACK_TIMEOUTS = 0x51


def _pseudo_random(length: int) -> bytes:
    value, sequence = 0x42, bytearray()
    for _ in range(length):
        sequence.append(value)
        value = (value >> 1) ^ 0xB8 if value & 1 else value >> 1
    return bytes(sequence)


_SEQUENCE = _pseudo_random(256)


def randomise(data: bytes) -> bytes:
    """XOR a DATA field with the fixed sequence 42 21 A8 54 2A …; its own inverse."""
    size = len(data)
    mixed = int.from_bytes(data, "big") ^ int.from_bytes(_SEQUENCE[:size], "big")
    return mixed.to_bytes(size, "big")


def enclose(frame: bytes) -> bytes:
    """Add CRC (CCITT, start 0xFFFF, big endian), byte stuffing and the closing flag."""
    raw = frame + binascii.crc_hqx(frame, 0xFFFF).to_bytes(2, "big")
    if _STUFFED.isdisjoint(raw):
        return raw + b"\x7e"
    stuffed = bytearray()
    for byte in raw:
        if byte in _STUFFED:
            stuffed += bytes((ESCAPE, byte ^ 0x20))
        else:
            stuffed.append(byte)
    stuffed.append(FLAG)
    return bytes(stuffed)


def data_frame(number: int, acknowledged: int, payload: bytes, *, again: bool = False) -> bytes:
    """Build an unenclosed DATA frame around an EZSP frame."""
    control = number << 4 | (_RETRANSMITTED if again else 0) | acknowledged
    return bytes((control,)) + randomise(payload)


class Deframer:
    """Cuts a byte stream, split anywhere, into frames whose CRC holds.

    ``feed`` yields control byte and data, or None for a frame that was damaged.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._escaped = self._discarding = False

    def feed(self, data: bytes) -> list[bytes | None]:
        """Consume bytes; one entry per finished frame."""
        if not self._buffer and not self._escaped and not self._discarding:
            body = data[:-1]
            if body and data[-1] == FLAG and _STUFFED.isdisjoint(body):  # the usual case, at once
                self._buffer += body
                self._discarding = len(body) > _MAX_FRAME
                return [self._finish()]
        frames: list[bytes | None] = []
        for byte in data:
            if byte == FLAG:
                if self._buffer or self._discarding:
                    frames.append(self._finish())
            elif byte == CANCEL:
                self._clear()
            elif byte == SUBSTITUTE:
                self._discarding = True
            elif byte in (XON, XOFF):
                continue
            elif byte == ESCAPE:
                self._escaped = True
            else:
                self._buffer.append(byte ^ 0x20 if self._escaped else byte)
                self._escaped = False
                self._discarding |= len(self._buffer) > _MAX_FRAME
        return frames

    def _finish(self) -> bytes | None:
        raw, damaged = bytes(self._buffer), self._discarding or self._escaped
        self._clear()
        crc = int.from_bytes(raw[-2:], "big")
        if damaged or len(raw) < 3 or binascii.crc_hqx(raw[:-2], 0xFFFF) != crc:
            return None
        return raw[:-2]

    def _clear(self) -> None:
        self._buffer.clear()
        self._escaped = self._discarding = False


@dataclass(slots=True)
class LineFaults:
    """What a bad serial line or a sick NCP does; rates are probabilities per frame."""

    mute: bool = False
    corrupt_rate: float = 0.0
    nak_rate: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(0))

    def strikes(self, rate: float) -> bool:
        """Draw once from the seeded sequence; draws nothing when the rate is zero."""
        return rate > 0 and self.rng.random() < rate


@dataclass(slots=True)
class _Sent:
    number: int
    payload: bytes


class AshNcp:
    """One ASH session.

    ``write`` takes bytes for the host, ``on_frame`` each EZSP frame once and in order,
    ``on_reset`` is called when the host asks for a reset, before RSTACK is sent. ``time_scale``
    stretches or shrinks all of UG101's timers.
    """

    def __init__(
        self,
        *,
        write: Callable[[bytes], None],
        on_frame: Callable[[bytes], None],
        on_reset: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
        faults: LineFaults | None = None,
        window: int = 5,
        time_scale: float = 1.0,
    ) -> None:
        self.faults = faults or LineFaults()
        self._write, self._on_frame, self._on_reset = write, on_frame, on_reset
        self._loop, self._window, self._scale = loop, window, time_scale
        self._deframer = Deframer()
        self._timer: asyncio.TimerHandle | None = None
        self._ready_timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._restart()

    def _restart(self) -> None:
        self._stop_timers()
        self._next_out = self._next_in = 0
        self._unacknowledged: deque[_Sent] = deque()
        self._responses: deque[bytes] = deque()
        self._callbacks: deque[bytes] = deque()
        self._ack_owed = self._rejecting = self._failed = False
        self._host_ready = True
        self._timeout_s, self._timeouts, self._sent_at = _ACK_TIMEOUT_S * self._scale, 0, 0.0

    @property
    def failed(self) -> bool:
        """Whether the session gave up; only a reset from the host revives it."""
        return self._failed

    def close(self) -> None:
        """Stop for good: the line is gone."""
        self._closed = True
        self._stop_timers()

    def announce_reset(self, code: ResetCode) -> None:
        """Start afresh and tell the host (RSTACK), asked or not."""
        self._restart()
        self._put(bytes((_RSTACK, _ASH_VERSION, code)))

    def send(self, payload: bytes, *, callback: bool = False) -> None:
        """Queue an EZSP frame; callbacks wait for responses and for a host that is ready."""
        (self._callbacks if callback else self._responses).append(payload)
        self._flush()

    def receive(self, data: bytes) -> None:
        """Take bytes from the host."""
        if self.faults.mute:
            return
        for frame in self._deframer.feed(data):
            if self._closed:
                return
            if frame is None:
                self._reject()
            else:
                self._dispatch(frame[0], frame[1:])

    def _dispatch(self, control: int, data: bytes) -> None:
        if control == _RST:
            self._on_reset()
            self.announce_reset(ResetCode.SOFTWARE)
        elif self._failed:
            self._put(bytes((_ERROR, _ASH_VERSION, ResetCode.TOO_MANY_ACK_TIMEOUTS)))
        elif not control & 0x80:
            self._data_received(control, data)
        elif control & 0xE0 == _ACK:
            self._acknowledged(control & 7)
            self._set_host_ready(ready=not control & _NOT_READY)
        elif control & 0xE0 == _NAK:
            self._acknowledged(control & 7)
            self._set_host_ready(ready=not control & _NOT_READY)
            self._retransmit()

    def _data_received(self, control: int, data: bytes) -> None:
        self._acknowledged(control & 7)
        if control >> 4 & 7 != self._next_in:
            if control & _RETRANSMITTED:  # a duplicate of what was accepted: acknowledge only
                self._acknowledge()
            else:
                self._reject()
            return
        if self.faults.strikes(self.faults.nak_rate):
            self._reject()
            return
        self._rejecting = False
        self._next_in = (self._next_in + 1) & 7
        self._ack_owed = True
        self._on_frame(randomise(data))
        if self._ack_owed:  # no response carried it
            self._acknowledge()

    def _reject(self) -> None:
        if not self._rejecting and not self._failed:
            self._rejecting = True
            self._put(bytes((_NAK | self._next_in,)))

    def _acknowledge(self) -> None:
        self._ack_owed = False
        self._put(bytes((_ACK | self._next_in,)))

    def _acknowledged(self, number: int) -> None:
        """Drop what the host has; ``number`` is the frame it expects next."""
        count = (number - (self._next_out - len(self._unacknowledged))) & 7
        if count == 0 or count > len(self._unacknowledged):
            return
        for _ in range(count):
            self._unacknowledged.popleft()
        # UG101: 7/8 of the timeout plus half of the time measured
        measured = self._loop.time() - self._sent_at
        self._set_timeout(self._timeout_s * 7 / 8 + measured / 2)
        self._timeouts = 0
        self._start_timer()
        self._flush()

    def _set_host_ready(self, *, ready: bool) -> None:
        if self._ready_timer is not None:
            self._ready_timer.cancel()
            self._ready_timer = None
        self._host_ready = ready
        if ready:
            self._flush()
        else:
            self._ready_timer = self._loop.call_later(
                _NOT_READY_S * self._scale, lambda: self._set_host_ready(ready=True)
            )

    def _flush(self) -> None:
        while not self._failed and len(self._unacknowledged) < self._window:
            if self._responses:
                payload = self._responses.popleft()
            elif self._callbacks and self._host_ready:
                payload = self._callbacks.popleft()
            else:
                return
            sent = _Sent(self._next_out, payload)
            self._next_out = (self._next_out + 1) & 7
            self._unacknowledged.append(sent)
            self._ack_owed = False
            self._sent_at = self._loop.time()
            self._put(data_frame(sent.number, self._next_in, payload))
            if self._timer is None:
                self._start_timer()

    def _retransmit(self) -> None:
        for sent in self._unacknowledged:
            self._put(data_frame(sent.number, self._next_in, sent.payload, again=True))

    def _start_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._unacknowledged and not self._closed:
            self._timer = self._loop.call_later(self._timeout_s, self._timed_out)

    def _set_timeout(self, seconds: float) -> None:
        low, high = _ACK_TIMEOUT_MIN_S * self._scale, _ACK_TIMEOUT_MAX_S * self._scale
        self._timeout_s = min(max(seconds, low), high)

    def _timed_out(self) -> None:
        self._timer = None
        self._timeouts += 1
        if self._timeouts > _MAX_TIMEOUTS:
            self._failed = True
            self._put(bytes((_ERROR, _ASH_VERSION, ResetCode.TOO_MANY_ACK_TIMEOUTS)))
            return
        self._set_timeout(self._timeout_s * 2)
        self._retransmit()
        self._start_timer()

    def _put(self, frame: bytes) -> None:
        if self._closed or self.faults.mute:
            return
        encoded = enclose(frame)
        if self.faults.strikes(self.faults.corrupt_rate):
            position = self.faults.rng.randrange(len(encoded) - 1)
            encoded = encoded[:position] + bytes((encoded[position] ^ 1,)) + encoded[position + 1 :]
        self._write(encoded)

    def _stop_timers(self) -> None:
        for timer in (self._timer, self._ready_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._ready_timer = None
