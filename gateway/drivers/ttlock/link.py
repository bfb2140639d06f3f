"""Carries a conversation to a TTLock over a Bluetooth radio, under one deadline.

Here: login and the number it gives, chunks and encryption, what silence means. Not here: the link
itself and asking again (carrier); what is said (session, codes, …) and what it means.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.drivers import carrier
from gateway.drivers.carrier import Carrier
from gateway.drivers.steps import Become
from gateway.drivers.ttlock import commands, crypto, mapping, wire
from gateway.drivers.ttlock.commands import Answer, Command, Login, answer_of
from gateway.drivers.ttlock.dialogue import HeardVersion, Prove, Step, done
from gateway.errors import DeviceRefused, OutcomeUnknown, PeerProtocolError, Refusal, Unreachable

if TYPE_CHECKING:
    from gateway.drivers.claims import KeepAgreed, Numbers
    from gateway.drivers.ttlock.keys import Keys
    from gateway.radios.gatt import GattLink, GattRadio

ANSWER_S = 5.0
"""How long the lock may take to answer; the motor runs before it does."""

_WRONG_TIME = (mapping.KEY_EXPIRED, mapping.KEY_NOT_YET_VALID)


@dataclass(slots=True)
class Settled(carrier.Settled):
    """With what the login left: the number that the lock gave."""

    login: Login = Login.NONE
    number: int = 0


class Talk(Carrier[Step, Command, Answer, Login]):
    """One conversation with a TTLock."""

    def __init__(
        self,
        radio: GattRadio,
        address: str,
        keys: Keys,
        numbers: Numbers | None = None,
        *,
        deadline_s: float,
        settled: Settled | None = None,
        keep: KeepAgreed | None = None,
    ) -> None:
        """With `keep` it is a pairing: on one link only, because what is agreed on goes with it."""
        self.keys = keys
        self._proved = Settled() if settled is None else settled
        self._frames: deque[wire.Frame] = deque()
        self._reassembler = wire.Reassembler()
        self._version = keys.version
        super().__init__(
            radio, address, numbers, deadline_s=deadline_s, settled=self._proved, keep=keep
        )

    async def _do(self, step: Step) -> Any:
        match step:
            case Prove(login):
                await self.ready(login)
            case Become(keys):
                self.keys = keys
                self._proved.login = Login.NONE
            case HeardVersion():
                return self._version
            case _:
                return await super()._do(step)
        return None

    async def _say(self, command: Command) -> Answer:
        link = self._open_link()
        payload = command.payload
        if command.summed:
            payload = commands.u32(self._proved.number + self.keys.unlock_key) + payload
        frame = wire.encode(self.keys.version, command.code, crypto.encrypt(payload, self.keys.aes))
        link.drain()
        self._frames.clear()
        self._reassembler = wire.Reassembler()
        until = self._by(ANSWER_S)
        parts = list(wire.chunks(frame))
        for index, part in enumerate(parts, 1):
            try:
                await link.write(wire.WRITE, part, response=False, deadline_s=self._left(until))
            except OutcomeUnknown as error:
                # Without its last part the lock has no frame, and a question changes nothing.
                if index < len(parts) or command.asks_only:
                    raise Unreachable(str(error)) from error
                raise
        return await self._hear_until(command, until)

    async def _hear(self, command: Command, within_s: float) -> Answer:
        return await self._hear_until(command, self._by(within_s))

    async def _hear_until(self, command: Command, until: float) -> Answer:
        """The next word about this command; whatever else the lock says is no answer to it."""
        link, strange = self._open_link(), False
        while True:
            while self._frames:
                frame = self._frames.popleft()
                plain = crypto.decrypt(frame.payload, self.keys.aes)
                answer = None if plain is None else answer_of(plain)
                if answer is None:
                    strange |= frame.crc_right
                elif answer.code == command.code and not _is_push(answer):
                    self._version = frame.version
                    return answer
            try:
                name, value = await link.receive(deadline_s=max(0.0, until - self._now()))
            except Unreachable as error:
                if strange:
                    raise PeerProtocolError(
                        f"could not understand {self._address}: it speaks with another key; it "
                        "was reset or has another owner: pair it again"
                    ) from error
                if command.asks_only:
                    raise
                raise OutcomeUnknown(
                    f"could not tell what {self._address} did: no answer came"
                ) from error
            if name == wire.NOTIFY:
                self._frames += self._reassembler.feed(value)

    async def _listen(self, link: GattLink) -> None:
        await link.listen(wire.NOTIFY, deadline_s=self._left(self._by(ANSWER_S)))

    async def _prove(self, login: Login) -> None:
        """Log in as at least that."""
        if self._proved.login >= login:
            return
        if login is Login.USER:
            answer = await self._say(commands.check_user(self.keys))
            if answer.error in _WRONG_TIME and self.keys.admin_ps is not None:
                login = Login.ADMIN  # a lock that lost its time still knows its owner
            else:
                self._take_number(answer)
        if login is Login.ADMIN:
            if self.keys.admin_ps is None:
                raise DeviceRefused(
                    f"could not manage {self._address}: the key we have may only open it",
                    Refusal.NOT_AUTHORISED,
                )
            self._take_number(await self._say(commands.check_admin(self.keys)))
            done(await self._say(commands.check_random()), f"log in at {self._address}")
        self._proved.login = login

    def _take_number(self, answer: Answer) -> None:
        done(answer, f"log in at {self._address}")
        self._proved.number = commands.number(answer.data, 0, 4, "the lock's number")


def _is_push(answer: Answer) -> bool:
    """The lock tells of a use in the same words as of its state, only longer."""
    return answer.code == wire.Code.STATUS and len(answer.data) >= 15
