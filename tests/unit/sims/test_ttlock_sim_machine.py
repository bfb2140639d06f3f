"""The simulated TTLock under anything a host may send: it answers once, and never breaks.

A handler that raises leaves a host waiting half a minute, which is no fault that has a name here.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware_sims.ble.ttlock.codes import ADD, MODIFY, REMOVE
from firmware_sims.ble.ttlock.commands import TABLE
from firmware_sims.ble.ttlock.frames import FACTORY_KEY, Frame, Version, encrypt
from firmware_sims.ble.ttlock.peripheral import WRITE
from tests.unit.sims.ttlock_bench import (
    END,
    KEY,
    START,
    Bench,
    Phone,
    add_code,
    manager,
    text,
)

OPCODES = sorted({opcode for opcode, _ in TABLE} - {0x52})
OPERATIONS = sorted({(opcode, op) for opcode, op in TABLE if op is not None})


@given(st.lists(st.binary(max_size=20), max_size=30))
def test_noise(pieces: list[bytes]) -> None:
    bench = Bench()
    phone = Phone(bench)
    for piece in pieces:
        bench.peripheral.wrote(WRITE, piece)
    assert phone.heard == []


@given(st.sampled_from(OPCODES), st.binary(max_size=60), st.booleans())
def test_any_payload_has_one_answer(opcode: int, payload: bytes, claimed: bool) -> None:
    phone = manager(Bench()) if claimed else Phone(Bench(claimed=False), FACTORY_KEY)
    before = len(phone.heard)
    phone.say(opcode, payload)
    (answer,) = phone.heard[before:]
    assert answer.echo == opcode
    assert answer.status in (0, 1)


@given(st.sampled_from(OPERATIONS), st.binary(max_size=40))
def test_any_operation_has_one_answer_and_the_memory_is_kept(
    operation: tuple[int, int], payload: bytes
) -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x03, add_code("482913"))
    phone.do(0x05, b"\x02" + bytes.fromhex("00bc614e") + START + END)
    opcode, op = operation
    before = len(phone.heard)
    phone.say(opcode, bytes([op]) + payload)
    (answer,) = phone.heard[before:]
    assert answer.echo == opcode
    before_restart = bench.state
    bench.restart()
    assert bench.state == before_restart


@given(st.binary(min_size=1, max_size=60))
def test_ciphertext_of_nothing(payload: bytes) -> None:
    phone = Phone(Bench())
    phone.write(Frame(Version(), 0x14, payload).encode())
    assert all(heard.status == 0 for heard in phone.heard)


_CODES = st.sampled_from(["1111", "2222", "333333", "444444444"])
_KINDS = st.sampled_from([1, 2, 3])
_STEPS = st.tuples(st.sampled_from([ADD, MODIFY, REMOVE]), _CODES, _CODES, _KINDS)


@given(st.lists(_STEPS, max_size=25))
def test_the_memory_is_what_was_granted(steps: list[tuple[int, str, str, int]]) -> None:
    """Against a set of digits: what is added is held, what is removed is not, the rest refused."""
    bench = Bench()
    phone = manager(bench)
    expected: set[str] = set()
    for op, code, other, kind in steps:
        dates = START if kind == 1 else START + END
        if op == ADD:
            answer = phone.ask(0x03, add_code(code, kind))
            assert answer.status == int(code not in expected)
            expected.add(code)
        elif op == REMOVE:
            answer = phone.ask(0x03, bytes([3, kind]) + text(code))
            assert answer.status == int(code in expected)
            expected.discard(code)
        else:
            answer = phone.ask(0x03, bytes([5, kind]) + text(code) + text(other) + dates)
            allowed = code in expected and (other == code or other not in expected)
            assert answer.status == int(allowed)
            if allowed:
                expected = expected - {code} | {other}
        assert bench.codes == expected
    assert len(bench.skin.core.originals) == len(expected)
    phone.write(Frame(Version(), 0x07, encrypt(bytes(2), KEY)).encode())
    listed = phone.heard[-1].data
    assert all(code.encode() in listed for code in expected)
