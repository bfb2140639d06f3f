"""The simulated Nuki against a model: codes come, change, go and open, whatever the order."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from firmware_sims.ble.nuki.fields import Error, u16
from tests.unit.sims.nuki_bench import (
    COMPLETE,
    Bench,
    Phone,
    added,
    changed_code,
    listing,
    moment,
    new_code,
    owner,
    terms,
)

ROOM = 4
DIGITS = st.sampled_from([482911, 482912, 482913, 591824, 591825, 999999])
HOURS = st.integers(0, 23)
START = moment(7, 6, 12, 0)


class Codes(RuleBasedStateMachine):
    """`held` is what must be there: by id digits, whether enabled, and from when until when."""

    ids: Bundle[int] = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(idle_disconnect_s=10.0**9)
        self.bench.profile = self.bench.profile.with_overrides(
            {"slots": ROOM, "wrong_code_limit": 0}
        )
        self.bench.make()
        self.phone = owner(self.bench)
        self.held: dict[int, tuple[int, bool, int, int]] = {}
        self.ever: set[int] = set()

    def _window(self, begin: int, length: int) -> tuple[bytes, int, int]:
        start, end = START + begin * 3600, START + (begin + length) * 3600
        return terms(start, end), start, end

    def _digits(self) -> set[int]:
        return {entry[0] for entry in self.held.values()}

    @rule(target=ids, code=DIGITS, begin=HOURS, length=st.integers(1, 48))
    def add(self, code: int, begin: int, length: int) -> Any:
        when, start, end = self._window(begin, length)
        expected = None
        if code in self._digits():
            expected = Error.CODE_ALREADY_EXISTS
        elif len(self.held) == ROOM:
            expected = Error.TOO_MANY_ENTRIES
        if expected is not None:
            assert self.phone.refused(0x41, new_code(code, when=when)) == expected
            return 0
        code_id = added(self.phone, code, when)
        assert code_id not in self.ever
        self.ever.add(code_id)
        self.held[code_id] = (code, True, start, end)
        return code_id

    @rule(code_id=ids, code=DIGITS, enabled=st.booleans(), begin=HOURS)
    def change(self, code_id: int, code: int, begin: int, *, enabled: bool) -> None:
        when, start, end = self._window(begin, 2)
        payload = changed_code(code_id, code, when=when, enabled=enabled)
        if code_id not in self.held:
            assert self.phone.refused(0x46, payload) == Error.BAD_PARAMETER
        elif code in self._digits() - {self.held[code_id][0]}:
            assert self.phone.refused(0x46, payload) == Error.CODE_ALREADY_EXISTS
        else:
            assert self.phone.do(0x46, payload) == [COMPLETE]
            self.held[code_id] = (code, enabled, start, end)

    @rule(code_id=ids)
    def remove(self, code_id: int) -> None:
        if code_id in self.held:
            assert self.phone.do(0x47, u16(code_id)) == [COMPLETE]
            del self.held[code_id]
        else:
            assert self.phone.refused(0x47, u16(code_id)) == Error.BAD_PARAMETER

    @rule(code=DIGITS)
    def somebody_types(self, code: int) -> None:
        now = self.bench.skin.core.now()
        known = [entry for entry in self.held.values() if entry[0] == code]
        opens = any(enabled and start <= now < end for _, enabled, start, end in known)
        assert self.bench.firmware.keypad.type_code(str(code)).opened is opens

    @rule(hours=st.integers(1, 12))
    def time_passes(self, hours: int) -> None:
        self.bench.time.advance(hours * 3600)

    @rule()
    def the_simulator_restarts(self) -> None:
        self.phone.disconnect()
        self.bench.restart()
        self.phone = Phone(self.bench, self.phone.key)

    @invariant()
    def the_list_is_what_must_be_there(self) -> None:
        told = {
            int.from_bytes(entry[:2], "little"): (
                int.from_bytes(entry[2:6], "little"),
                entry[26] == 1,
            )
            for entry in listing(self.phone)
        }
        assert told == {code_id: entry[:2] for code_id, entry in self.held.items()}
        assert self.bench.codes == {str(code) for code in self._digits()}


TestCodes = Codes.TestCase
TestCodes.settings = settings(deadline=None)
