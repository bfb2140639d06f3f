"""A simulated Nuki on a bench, in virtual time, and a phone that speaks to it without a radio.

Here: the lock with everything it has done, frames in and out, pairing. Not here: any expectation.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nacl.bindings import crypto_box_beforenm, crypto_scalarmult_base

from firmware_sims.ble import nuki
from firmware_sims.ble.nuki import frames
from firmware_sims.ble.nuki.advert import APPLE, PAIRING, ULTRA_PAIRING, USDIO
from firmware_sims.ble.nuki.fields import datetime7, text, u8, u16, u32
from firmware_sims.ble.nuki.frames import Message
from firmware_sims.clock import LOCK_EPOCH
from tests.unit.sims.lock_bench import LockBench

if TYPE_CHECKING:
    from firmware_sims.ble.peripheral import Advertising

PIN = 4711
ULTRA_PIN = 482913
STATUS, ERROR = 0x0E, 0x12
COMPLETE, ACCEPTED = Message(STATUS, b"\0"), Message(STATUS, b"\1")
_OUR_SECRET = bytes(range(32))


class Bench(LockBench):
    """A lock with its news and its log."""

    family = nuki
    address = "54:D2:72:1A:2B:3C"
    skin: nuki.NukiSkin

    def __init__(self, profile: str = "nuki-smartlock-3", **skin: object) -> None:
        super().__init__(profile, {}, skin)

    def on_air(self) -> bool:
        """Whether it has told the air that it advertises."""
        return self.seen[-1] is not None

    @property
    def advertising(self) -> Advertising:
        advertising = self.peripheral.advertising
        assert advertising is not None
        return advertising

    def has_news(self) -> bool:
        """Whether the beacon says that the state has changed."""
        return bool(self.advertising.manufacturer_data[APPLE][-1] & 1)

    def act(self, name: str) -> Any:
        """Somebody at the door does this."""
        return self.skin.actions[name]()

    @property
    def records(self) -> list[tuple[int, str]]:
        """Types and data in the log, oldest first."""
        return [(entry.type, entry.data) for entry in self.skin.core.log.entries]


@dataclass
class Key:
    """What a pairing leaves with the client."""

    shared: bytes = field(repr=False)
    auth_id: bytes


class Phone:
    """A host with a connection to the lock on the bench."""

    def __init__(self, bench: Bench, key: Key | None = None, *, pin: int = PIN) -> None:
        self.bench, self.key, self.pin = bench, key, pin
        self.open = True
        self.deaf = False
        """Keeps what it hears as it came, and reads nothing."""
        self.raw: list[bytes] = []
        self.heard: list[Message] = []
        bench.peripheral.connected(self)

    # ---- Line

    def notify(self, characteristic: str, data: bytes) -> None:
        assert self.open
        self.raw.append(data)
        if self.deaf:
            return
        sealed = characteristic == USDIO and len(data) > 30
        if sealed and self.key is not None:
            envelope = frames.envelope(data)
            assert envelope.auth_id == self.key.auth_id
            self.heard.append(frames.unseal(self.key.shared, envelope))
        else:
            self.heard.append(frames.read_plain(data))

    def disconnect(self) -> None:
        self.open = False
        self.bench.peripheral.disconnected()

    # ---- the person with the phone

    def say(self, op: int, payload: bytes = b"") -> None:
        """Send one sealed command."""
        assert self.key is not None
        nonce = self.bench.time.now().hex().encode()[:24].ljust(24, b"\0")
        sealed = frames.seal(self.key.shared, self.key.auth_id, Message(op, payload), nonce)
        self.bench.peripheral.wrote(USDIO, sealed)

    def ask(self, op: int, payload: bytes = b"") -> list[Message]:
        """Send one sealed command and return what the lock says to it at once."""
        before = len(self.heard)
        self.say(op, payload)
        return self.heard[before:]

    def challenge(self) -> bytes:
        (answer,) = self.ask(0x01, u16(0x04))
        assert answer.op == 0x04
        return answer.payload

    def do(self, op: int, payload: bytes = b"", *, pin: int | None = -1) -> list[Message]:
        """A command with a challenge, and with the PIN unless it is None."""
        chosen = self.pin if pin == -1 else pin
        pin_size = 4 if self.bench.skin.core.facts.ultra else 2
        tail = b"" if chosen is None else chosen.to_bytes(pin_size, "little")
        return self.ask(op, payload + self.challenge() + tail)

    def refused(self, op: int, payload: bytes = b"", *, pin: int | None = -1) -> int:
        """The error in an answer that says no, which names the command."""
        (answer,) = self.do(op, payload, pin=pin)
        return error_of(answer, op)

    def act(self, action: int, suffix: bytes = b"") -> list[Message]:
        """A lock action."""
        return self.do(0x0D, u8(action) + u32(77) + u8(0) + suffix, pin=None)

    def states(self) -> bytes:
        (answer,) = self.ask(0x01, u16(0x0C))
        assert answer.op == 0x0C
        return answer.payload

    def since(self, mark: int) -> list[tuple[int, int]]:
        """What was said from a place on: the command, and of states the lock's, else byte one."""
        return [
            (said.op, said.payload[1] if said.op == 0x0C else said.payload[0])
            for said in self.heard[mark:]
        ]

    # ---- pairing

    def plain(self, op: int, payload: bytes = b"") -> Message:
        """One step on the pairing characteristic, and its one answer."""
        before = len(self.heard)
        uuid = ULTRA_PAIRING if self.bench.skin.core.facts.ultra else PAIRING
        self.bench.peripheral.wrote(uuid, frames.plain(Message(op, payload)))
        (answer,) = self.heard[before:]
        return answer

    def pair(self, client: int = 0, name: str = "gateway", secret: bytes = _OUR_SECRET) -> Key:
        """All steps of a generation 3."""
        peer = self.plain(0x01, u16(0x03))
        assert peer.op == 0x03
        shared = crypto_box_beforenm(peer.payload, secret)
        ours = crypto_scalarmult_base(secret)

        def sign(*parts: bytes) -> bytes:
            return hmac.digest(shared, b"".join(parts), "sha256")

        first = self.plain(0x03, ours)
        assert first.op == 0x04
        second = self.plain(0x05, sign(ours, peer.payload, first.payload))
        assert second.op == 0x04
        nonce = bytes(range(100, 132))
        data = u8(client) + u32(77) + text(name, 32) + nonce
        given = self.plain(0x06, sign(data, second.payload) + data)
        assert given.op == 0x07
        proof, said = given.payload[:32], given.payload[32:]
        assert proof == sign(said, nonce)
        auth_id, challenge = said[:4], said[20:]
        assert self.plain(0x1E, sign(auth_id, challenge) + auth_id) == COMPLETE
        return Key(shared, auth_id)


def error_of(answer: Message, op: int) -> int:
    """The error in a report about that command."""
    assert answer.op == ERROR
    assert answer.payload[1:] == u16(op)
    return answer.payload[0]


def paired(bench: Bench, **arguments: Any) -> Key:
    """The button is held, somebody pairs, and hangs up."""
    bench.act("press_pairing_button")
    phone = Phone(bench)
    key = phone.pair(**arguments)
    phone.disconnect()
    bench.time.advance(0)
    return key


def owner(bench: Bench) -> Phone:
    """A phone that has just been paired."""
    return Phone(bench, paired(bench))


def moment(*fields: int) -> int:
    """A time of 2026 on the lock's clock: month, day, hour, minute."""
    return int(datetime(2026, *fields, tzinfo=UTC).timestamp()) - LOCK_EPOCH  # type: ignore[arg-type, misc]  # mypy counts no star


def terms(
    start: int | None = None,
    end: int | None = None,
    days: int = 0,
    begin: tuple[int, int] = (0, 0),
    until: tuple[int, int] = (0, 0),
    *,
    limited: bool = True,
) -> bytes:
    """When a code opens."""
    return u8(limited) + datetime7(start) + datetime7(end) + u8(days) + bytes(begin) + bytes(until)


ALWAYS = terms(limited=False)


def new_code(code: int, name: str = "guest", when: bytes = ALWAYS) -> bytes:
    """Payload of 41."""
    return u32(code) + text(name, 20) + when


def changed_code(
    code_id: int, code: int, name: str = "guest", when: bytes = ALWAYS, *, enabled: bool = True
) -> bytes:
    """Payload of 46."""
    return u16(code_id) + u32(code) + text(name, 20) + u8(enabled) + when


def added(phone: Phone, code: int, when: bytes = ALWAYS) -> int:
    """Add a code; its id."""
    answer = phone.do(0x41, new_code(code, when=when))[0]
    assert answer.op == 0x42
    return int.from_bytes(answer.payload[:2], "little")


def listing(phone: Phone) -> list[bytes]:
    """Every entry of 43."""
    count, *entries = phone.do(0x43, u16(0) + u16(100))
    assert entries.pop() == COMPLETE
    assert count.op == 0x44
    assert count.payload == u16(len(entries))
    return [entry.payload for entry in entries]
