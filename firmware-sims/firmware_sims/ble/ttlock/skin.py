"""The simulated TTLock: its parts put together over a lock's firmware.

Here: what a world asks of a family of locks (`ble.device.LockSkin`). Not here: any of the parts.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from firmware_sims.ble.ttlock.chronicle import Chronicle
from firmware_sims.ble.ttlock.core import Core
from firmware_sims.ble.ttlock.facts import Facts
from firmware_sims.ble.ttlock.fields import EPOCH
from firmware_sims.ble.ttlock.oplog import Record
from firmware_sims.ble.ttlock.peripheral import TTLockPeripheral
from firmware_sims.commands import CommandQueue
from firmware_sims.faults import FaultError
from firmware_sims.firmware.model import Source

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from firmware_sims.faults import Faults
    from firmware_sims.firmware.lock import LockFirmware
    from firmware_sims.firmware.tokens import Token


_LONGEST_TAIL = 64


class TTLockSkin:
    """One TTLock; ``core`` is its own state, for tests that look inside."""

    def __init__(
        self,
        firmware: LockFirmware,
        faults: Faults,
        *,
        address: str,
        facts: Facts,
        rng: random.Random,
    ) -> None:
        self.core = Core(firmware, facts, address=address, rng=rng)
        self.queue = CommandQueue(firmware, faults)
        # The log first: what happens is written before it is shown in an advertisement.
        self._chronicle = Chronicle(self.core)
        self.peripheral = TTLockPeripheral(self.core, self.queue, faults)

    @property
    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """A hand on the keypad, the dead-bolt inside, all keys revoked by the owner's app.

        ``write_record`` is for what this lock has no part for: a face, a fob (`oplog`).
        """
        return {
            "touch_keypad": self.peripheral.touch,
            "dead_bolt_on": lambda: self._bolt_inside(on=True),
            "dead_bolt_off": lambda: self._bolt_inside(on=False),
            "revoke_keys": self._revoke,
            "write_record": self._write_record,
        }

    def _bolt_inside(self, *, on: bool) -> None:
        if self.core.setting("bolted_inside") != on:
            self.core.set("bolted_inside", int(on))
            self.core.write(Record.DEAD_BOLT_ON if on else Record.DEAD_BOLT_OFF)
            self.peripheral.refresh()

    def _write_record(self, type: int, tail: str = "") -> dict[str, int]:  # noqa: A002 - its word
        """Any type of record, with its tail in hex."""
        try:
            raw = bytes.fromhex(tail)
        except ValueError:
            raw = bytes(_LONGEST_TAIL + 1)
        if not 0 < type < 256 or len(raw) > _LONGEST_TAIL:
            raise FaultError(f"a type from 1 to 255, and up to {_LONGEST_TAIL} bytes in hex")
        number = self.core.write(type, raw)
        self.peripheral.refresh()
        return {"number": number}

    def _revoke(self) -> dict[str, int]:
        """Another administrator has raised the counter: keys with a lower one get error 0D."""
        self.core.flag_pos += 1
        self.core.firmware.changed()
        return {"flag_pos": self.core.flag_pos}

    def state(self) -> dict[str, Any]:
        """What only a TTLock holds, keys and digits included."""
        core = self.core
        keys, tokens = core.keys, core.firmware.tokens
        wall = EPOCH + timedelta(seconds=core.firmware.clock.local())
        return {
            "claimed": keys is not None,
            "keys": None
            if keys is None
            else {
                "aes_key": keys.aes.hex(),
                "admin_ps": keys.admin_ps,
                "unlock_key": keys.unlock_key,
                "flag_pos": core.flag_pos,
            },
            "wall_clock": f"{wall:%Y-%m-%dT%H:%M:%S}",
            "dormant": self.peripheral.dormant,
            "uses_left": {
                str(slot): user.uses_left
                for slot, user in sorted(core.firmware.users.users.items())
                if user.uses_left is not None
            },
            "cards": {
                str(number): _token(tokens.held[Source.CARD, number])
                for number in tokens.numbers(Source.CARD)
            },
            "fingers": {
                str(number): _token(tokens.held[Source.FINGER, number])
                for number in tokens.numbers(Source.FINGER)
            },
            "passage": [entry.encode().hex() for entry in core.passage],
            "original_codes": {str(slot): code for slot, code in sorted(core.originals.items())},
            "log_records": len(core.log),
            "log_unread": core.log.unread,
        }

    def dump(self) -> dict[str, Any]:
        """Keys, log, and what else is its own."""
        return self.core.dump()

    def load(self, data: dict[str, Any]) -> None:
        """Take up what ``dump`` wrote."""
        self.core.load(data)
        self.peripheral.refresh()

    def restarted(self) -> None:
        """It is on the air again."""
        self.peripheral.hang_up()

    def factory_reset(self) -> None:
        """Nobody's again."""
        self.core.forget()
        self.peripheral.hang_up()


def _token(token: Token) -> dict[str, Any]:
    return {
        "start_s": None if token.window is None else token.window.start_s,
        "end_s": None if token.window is None else token.window.end_s,
        "weekly": [
            {
                "days_mask": day.days_mask,
                "start": f"{day.start_hour:02}:{day.start_minute:02}",
                "end": f"{day.end_hour:02}:{day.end_minute:02}",
            }
            for day in token.weekly
        ],
    }


def build(
    firmware: LockFirmware,
    faults: Faults,
    *,
    address: str,
    settings: Mapping[str, Any],
    rng: random.Random,
) -> TTLockSkin:
    """See `ble.device.LockFamily`; settings are laid over the ``[skin]`` table of the profile."""
    facts = Facts.of({**firmware.profile.skin, **settings})
    return TTLockSkin(firmware, faults, address=address, facts=facts, rng=rng)
