"""Every fault by name: what the lock does, what the sender sees, and when it strikes."""

import random
from collections.abc import Callable

import pytest

from firmware_sims import profiles
from firmware_sims.clock import VirtualTimebase
from firmware_sims.commands import Command, CommandQueue
from firmware_sims.faults import EXPLAINED, Fault, FaultError, Faults
from firmware_sims.firmware.lock import LockFirmware
from firmware_sims.firmware.model import Answer, Kind, Source, UserStatus, UserType

COMMANDS = frozenset({"set_pin_code", "clear_pin_code", "get_pin_code", "zcl.read_attributes"})


class Bench:
    """A lock with its command queue; answers are words instead of bytes of a protocol."""

    def __init__(self, *, command_time_s: float = 0.0, seed: int = 1) -> None:
        self.time = VirtualTimebase(1_000_000_000)
        profile = profiles.load("kwikset-smartcode")
        self.lock = LockFirmware(
            profile.with_overrides({"command_time_s": command_time_s}), self.time
        )
        self.hits: list[tuple[Fault, str, int | None]] = []
        self.conditions: list[tuple[Fault, bool]] = []
        self.faults = Faults(
            random.Random(seed),
            COMMANDS,
            lambda armed, command, slot: self.hits.append((armed.fault, command, slot)),
            lambda fault, on: self.conditions.append((fault, on)),
        )
        self.queue = CommandQueue(self.lock, self.faults)
        self.answers: list[bytes] = []

    def set_code(self, slot: int, code: str = "482913") -> None:
        def apply() -> bytes:
            status, user_type = UserStatus.ENABLED, UserType.UNRESTRICTED
            answer = self.lock.users.set_code(slot, code, status, user_type, Source.RADIO)
            return answer.value.encode()

        self._submit("set_pin_code", slot, apply, lambda answer: answer.value.encode())

    def get_code(self, slot: int) -> None:
        self._submit("get_pin_code", slot, lambda: b"read", lambda _answer: None)

    def _submit(
        self,
        name: str,
        slot: int,
        apply: Callable[[], bytes],
        pretend: Callable[[Answer], bytes | None],
    ) -> None:
        self.queue.submit(Command(name, slot, apply, pretend, self.answers.append))

    @property
    def held(self) -> set[int]:
        return set(self.lock.users.users)


def test_the_catalogue_explains_every_fault() -> None:
    assert set(EXPLAINED) == set(Fault)


def test_applied_but_answer_lost_strikes_once() -> None:
    bench = Bench()
    bench.faults.arm("applied-but-answer-lost", on="set_pin_code")
    bench.set_code(1)
    assert (bench.held, bench.answers) == ({1}, [])
    bench.set_code(2, "123456")
    assert (bench.held, bench.answers) == ({1, 2}, [b"ok"])


def test_acknowledged_but_not_applied() -> None:
    bench = Bench()
    bench.faults.arm("acknowledged-but-not-applied")
    bench.set_code(1)
    assert (bench.held, bench.answers) == (set(), [b"ok"])
    assert not bench.queue.applied
    assert bench.queue.received["set_pin_code"] == 1


def test_deleted_later_says_nothing() -> None:
    bench = Bench()
    events: list[Kind] = []
    bench.faults.arm("deleted-later", seconds=10)
    bench.set_code(1)
    bench.lock.listeners.append(lambda event: events.append(event.kind))
    assert bench.held == {1}
    bench.time.advance(10)
    assert (bench.held, events) == (set(), [])


def test_slow_applies_and_answers_late_and_twice_when_repeated() -> None:
    bench = Bench()
    bench.faults.arm("slow", seconds=6, count=None)
    bench.set_code(1)
    bench.set_code(1)
    bench.time.advance(5.9)
    assert (bench.held, bench.answers) == (set(), [])
    bench.time.advance(6.2)
    assert bench.answers == [b"ok", b"ok"]
    assert bench.lock.users.writes[1] == 2


@pytest.mark.parametrize(
    ("fault", "answer"),
    [("busy", b"failure"), ("full", b"full"), ("duplicate-always", b"duplicate")],
)
def test_refusals(fault: str, answer: bytes) -> None:
    bench = Bench()
    bench.faults.arm(fault)
    bench.set_code(1)
    assert (bench.held, bench.answers) == (set(), [answer])


def test_duplicate_always_means_until_disarmed() -> None:
    bench = Bench()
    bench.faults.arm("duplicate-always")
    bench.set_code(1)
    bench.set_code(1)
    bench.faults.disarm(fault="duplicate-always")
    bench.set_code(1)
    assert bench.answers == [b"duplicate", b"duplicate", b"ok"]


def test_a_phantom_event_beside_a_command() -> None:
    bench = Bench()
    bench.faults.arm("phantom-event")
    phantoms: list[bool] = []
    bench.lock.listeners.append(lambda event: phantoms.append(event.phantom))
    bench.set_code(1)
    assert phantoms == [False, True]
    assert bench.lock.bolt.state.name == "LOCKED"


def test_a_reset_loses_the_command_and_is_deaf_for_a_while() -> None:
    bench = Bench(command_time_s=1.0)
    returned: list[float] = []
    bench.queue.restarted = lambda: returned.append(bench.time.now())
    bench.faults.arm("reset", seconds=2)
    bench.set_code(1)
    bench.set_code(2, "123456")
    bench.time.advance(1)
    bench.set_code(3, "654321")
    bench.time.advance(2)
    assert (bench.held, bench.answers) == (set(), [])
    assert returned == [1_000_000_003]
    bench.set_code(3, "654321")
    bench.time.advance(1)
    assert bench.held == {3}


def test_a_withheld_answer_is_applied_proven_and_released() -> None:
    bench = Bench()
    bench.faults.arm("withhold-answer", on="set_pin_code", slot=2)
    bench.set_code(1)
    bench.set_code(2, "123456")
    assert bench.held == {1, 2}
    assert bench.hits == [(Fault.WITHHOLD_ANSWER, "set_pin_code", 2)]
    assert bench.answers == [b"ok"]
    assert bench.queue.withheld == ["set_pin_code"]
    assert bench.queue.release() == 1
    assert bench.answers == [b"ok", b"ok"]
    assert bench.queue.release() == 0


def test_a_withheld_answer_can_be_thrown_away() -> None:
    bench = Bench()
    bench.faults.arm("withhold-answer")
    bench.set_code(1)
    assert bench.queue.release(drop=True) == 1
    assert not bench.answers


def test_conditions_begin_and_end_once() -> None:
    bench = Bench()
    first = bench.faults.arm("stuck-jam")
    second = bench.faults.arm("stuck-jam")
    bench.faults.disarm(first.number)
    assert bench.faults.lasting(Fault.STUCK_JAM)
    bench.faults.disarm(second.number)
    assert bench.conditions == [
        (Fault.STUCK_JAM, True),
        (Fault.STUCK_JAM, True),
        (Fault.STUCK_JAM, False),
    ]


def test_a_lock_without_power_hears_nothing() -> None:
    bench = Bench()
    bench.lock.lose_power()
    bench.set_code(1)
    assert not bench.queue.received


def test_random_rates_come_from_the_seed() -> None:
    def run(seed: int) -> list[bytes]:
        bench = Bench(seed=seed)
        bench.faults.arm("busy", on="set_pin_code", rate=0.5)
        for _ in range(40):
            bench.set_code(1)
        return bench.answers

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 5 < run(1).count(b"failure") < 35


def test_a_read_has_no_success_to_pretend() -> None:
    bench = Bench()
    bench.faults.arm("acknowledged-but-not-applied", on="get_pin_code")
    bench.get_code(1)
    assert bench.answers == [b"read"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fault": "slo"}, "unknown fault 'slo'; known: applied-but-answer-lost"),
        ({"fault": "slow", "on": "set_pin"}, "no command matches 'set_pin'; known: clear_pin_code"),
        ({"fault": "slow", "count": 0}, "count must be"),
        ({"fault": "slow", "rate": 0.0}, "rate must be"),
    ],
)
def test_a_fault_that_could_never_strike_is_refused(
    arguments: dict[str, str], message: str
) -> None:
    with pytest.raises(FaultError, match=message):
        Bench().faults.arm(**arguments)  # type: ignore[arg-type]  # wrong on purpose


def test_disarming_what_is_not_armed_is_refused() -> None:
    with pytest.raises(FaultError, match="no fault 7"):
        Bench().faults.disarm(7)
