"""Rules of believing, against worlds in which the truth is known and weak sources lie."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.instant import DAY, SECOND, ClockTrust, Instant
from gateway.domain.timebelief import FloorLowered, Limits, Reading, Refused, Source
from gateway.domain.timetrust import SLACK_MS, begin, judge

TRUE = Instant(1_800_000_000_000)
LIMITS = Limits()
WEAK = st.sampled_from([Source.KERNEL, Source.CLOUD_UNSIGNED, Source.RTC])


class Reality:
    """What time it is, and a machine whose crystal is off by `ppm`."""

    def __init__(self, ppm: float, floor: Instant | None = TRUE) -> None:
        self.true = float(TRUE) + 5_000
        self.rate = 1 + ppm / 1e6
        self.uptime_s = 5.0 * self.rate
        self.belief = begin(Instant(0), self.uptime_s, floor, floor, LIMITS)
        self.findings: list[object] = []

    def pass_by(self, seconds: float) -> None:
        self.true += seconds * 1000
        self.uptime_s += seconds * self.rate

    def off(self, seconds: float) -> None:
        """The power goes; what the keeper wrote down is all that is left."""
        before, at = self.belief, self.uptime_s
        last = before.now(at) if before.base else before.least_at(at, LIMITS)
        self.true += (seconds + 5) * 1000
        self.uptime_s = 5.0 * self.rate
        floor = before.floor_at(at, LIMITS) or None
        weak = before.floor is not None and before.floor.weak
        self.belief = begin(
            Instant(0),
            self.uptime_s,
            floor,
            last or None,
            LIMITS,
            weak=weak,
            doubted=before.doubted,
        )

    def hear(self, *readings: Reading) -> None:
        self.belief, found = judge(self.belief, readings, self.uptime_s, LIMITS)
        self.findings += found

    def say(self, source: Source, off_ms: float, error_ms: int) -> Reading:
        at = Instant(round(self.true + off_ms))
        return Reading.of(source, at, error_ms, self.uptime_s)

    @property
    def floor(self) -> Instant:
        return self.belief.floor_at(self.uptime_s, LIMITS)

    @property
    def acted_on(self) -> Instant:
        """As `Moment.effective`."""
        if self.belief.trust is ClockTrust.UNTRUSTED:
            return self.floor
        return max(self.belief.now(self.uptime_s), self.floor)


@dataclass(frozen=True)
class Pass:
    seconds: float


@dataclass(frozen=True)
class Off:
    seconds: float


@dataclass(frozen=True)
class Lie:
    source: Source
    off_ms: int
    error_ms: int


@dataclass(frozen=True)
class Signed:
    source: Source
    way_s: float
    asymmetry: float


PASSES = st.builds(Pass, st.floats(0.1, 5 * 86_400))
OFFS = st.builds(Off, st.floats(0, 30 * 86_400))
LIES = st.builds(
    Lie,
    WEAK,
    st.one_of(st.integers(-400 * DAY, 400 * DAY), st.integers(-10_000, 10_000)),
    st.integers(0, 16_000),
)
HONEST = st.builds(
    Signed,
    st.sampled_from([Source.CLOUD, Source.TECHNICIAN, Source.NTS]),
    st.floats(0, 90),
    st.floats(-1, 1),
)


def step(reality: Reality, what: Pass | Off | Lie | Signed) -> None:
    match what:
        case Pass(seconds):
            reality.pass_by(seconds)
        case Off(seconds):
            reality.off(seconds)
        case Lie(source, off_ms, error_ms):
            reality.hear(reality.say(source, off_ms, error_ms))
        case Signed(source, way_s, asymmetry):
            half_ms = round(way_s * 500)
            reality.hear(reality.say(source, asymmetry * half_ms, half_ms + 1))


@given(st.lists(st.one_of(PASSES, OFFS, LIES, HONEST), max_size=40), st.floats(-90, 90))
def test_liars_never_raise_the_floor_above_the_truth_and_it_never_falls(
    steps: list[Pass | Off | Lie | Signed], ppm: float
) -> None:
    reality = Reality(ppm)
    before = reality.floor
    for what in steps:
        step(reality, what)
        assert reality.floor <= reality.true + 1
        assert reality.floor >= before
        assert reality.acted_on >= reality.floor
        before = reality.floor
    assert not any(isinstance(finding, FloorLowered) for finding in reality.findings)


@given(st.lists(st.one_of(PASSES, LIES), max_size=40), st.floats(-90, 90), HONEST)
def test_once_proven_liars_move_the_house_by_no_more_than_a_crystal_drifts(
    steps: list[Pass | Lie], ppm: float, proof: Signed
) -> None:
    reality = Reality(ppm)
    step(reality, proof)
    base = reality.belief.base
    assert base is not None
    for what in steps:
        step(reality, what)
        drift_ms = LIMITS.drift_ms(reality.uptime_s - base.uptime_s)
        off_ms = abs(reality.belief.now(reality.uptime_s) - reality.true)
        assert off_ms <= 2 * base.error_ms + 2 * max(SLACK_MS, drift_ms) + SLACK_MS + 2
        assert reality.belief.trust is not ClockTrust.UNTRUSTED


@given(st.lists(st.one_of(PASSES, LIES, OFFS), max_size=40), st.floats(-90, 90))
def test_signed_time_ends_every_lie_of_a_boot_in_which_nothing_better_was_heard(
    steps: list[Pass | Lie | Off], ppm: float
) -> None:
    reality = Reality(ppm)
    for what in steps:
        step(reality, what)
    reality.off(3600)
    for what in steps:
        if not isinstance(what, Off):
            step(reality, what)
    step(reality, Signed(Source.CLOUD, 0.2, 0))
    assert reality.belief.trust is ClockTrust.TRUSTED
    reality.pass_by(3600)
    step(reality, Signed(Source.CLOUD, 0.2, 0))
    reality.pass_by(3600)
    step(reality, Signed(Source.CLOUD, 0.2, 0))
    assert abs(reality.belief.now(reality.uptime_s) - reality.true) <= SLACK_MS + 2 * 101


@given(
    lie_ms=st.integers(-400 * DAY, 400 * DAY),
    lie_error_ms=st.integers(0, 16_000),
    when=st.integers(0, 20),
    off_s=st.floats(0, 13 * 86_400),
    rtc_off_s=st.one_of(st.none(), st.floats(-2, 2)),
    ppm=st.floats(-90, 90),
)
def test_one_forged_packet_never_makes_a_world_look_expired(
    lie_ms: int,
    lie_error_ms: int,
    when: int,
    off_s: float,
    rtc_off_s: float | None,
    ppm: float,
) -> None:
    """At any moment around a power cut; the truth before and after it is plain NTP alone."""
    reality = Reality(ppm)
    reality.off(off_s)
    rtc = None
    if rtc_off_s is not None:
        rtc = reality.say(Source.RTC, rtc_off_s * 1000, 1500)
        reality.hear(rtc)
    most_ms = LIMITS.short_outage_s * 1000 + 2 * SLACK_MS + lie_error_ms
    for number in range(30):
        lies = number == when
        word = reality.say(Source.KERNEL, lie_ms if lies else 0, lie_error_ms if lies else 20)
        reality.hear(*([word] if rtc is None else [word, rtc]))
        assert reality.acted_on - reality.true <= most_ms
        reality.pass_by(30)
    assert reality.belief.trust is ClockTrust.TRUSTED
    assert abs(reality.belief.now(reality.uptime_s) - reality.true) <= SLACK_MS


@given(st.floats(-90, 90), st.integers(3, 60), st.integers(10, 300))
def test_plain_ntp_is_enough_for_years_of_power_cuts(ppm: float, cuts: int, hours: int) -> None:
    """Their sum is no outage: each is measured from what was believed last."""
    reality = Reality(ppm)
    for _ in range(cuts):
        reality.off(hours * 3600)
        for _ in range(4):
            reality.hear(reality.say(Source.KERNEL, 0, 20))
            reality.pass_by(30)
        assert reality.belief.trust is ClockTrust.TRUSTED


@given(st.integers(10 * SECOND, 400 * DAY), st.booleans(), st.floats(-90, 90))
def test_one_authenticated_word_far_from_a_proven_time_waits_for_a_second(
    off_ms: int, back: bool, ppm: float
) -> None:
    off_ms = -off_ms if back else off_ms
    reality = Reality(ppm, Instant(TRUE - 500 * DAY))
    step(reality, Signed(Source.CLOUD, 0.1, 0))
    reality.pass_by(30)
    held = reality.belief.offset_ms
    reality.hear(reality.say(Source.CLOUD, off_ms, 100))
    assert reality.belief.offset_ms == held
    assert any(isinstance(finding, Refused) for finding in reality.findings)
    reality.pass_by(30)
    reality.hear(reality.say(Source.TECHNICIAN, off_ms, 100))
    moved = reality.belief.offset_ms - held
    if back:  # it would fall behind the floor that was proven: that is for signed cloud time only
        assert moved == 0
        reality.hear(reality.say(Source.CLOUD, off_ms, 100))
        moved = reality.belief.offset_ms - held
    assert abs(moved - off_ms) <= 500


def speak(reality: Reality, seconds: float, off_ms: int) -> None:
    """The time service alone, heard at every look."""
    left = seconds
    while left > 0:
        reality.hear(reality.say(Source.KERNEL, off_ms, 20))
        reality.pass_by(min(left, 30))
        left -= 30


LIE = st.tuples(
    st.one_of(st.integers(-200 * DAY, -10 * SECOND), st.integers(10 * SECOND, 400 * DAY)),
    st.integers(0, 3600),
    st.booleans(),
)
"""How far, for how many seconds, and whether the machine is started anew in the midst of it."""


@example(new=True, honest_s=54, lies=[(81 * DAY, 1600, False)], off_s=0.0, ppm=0.0)
@example(new=True, honest_s=0, lies=[(-81 * DAY, 1600, True)], off_s=0.0, ppm=0.0)
@given(
    new=st.booleans(),
    honest_s=st.one_of(st.integers(0, 90), st.integers(0, 7200)),
    lies=st.lists(LIE, max_size=4),
    off_s=st.floats(0, 13 * 86_400),
    ppm=st.floats(-90, 90),
)
def test_no_lie_of_a_weak_source_outlasts_one_start_of_the_machine(
    new: bool, honest_s: int, lies: list[tuple[int, int, bool]], off_s: float, ppm: float
) -> None:
    reality = Reality(ppm, None if new else Instant(TRUE - 201 * DAY))
    if not new:
        reality.belief = begin(Instant(0), reality.uptime_s, TRUE, TRUE, LIMITS, weak=True)
    speak(reality, honest_s, 0)
    for lie_ms, lie_s, started in lies:
        speak(reality, lie_s, lie_ms)
        if started:
            reality.off(60)
            speak(reality, lie_s, lie_ms)
        speak(reality, 300, 0)
    reality.off(off_s)
    speak(reality, 150, 0)
    assert reality.belief.trust is ClockTrust.TRUSTED
    assert abs(reality.belief.now(reality.uptime_s) - reality.true) <= 2 * SLACK_MS
    assert reality.floor <= reality.true + 1
    assert reality.acted_on - reality.true <= 2 * SLACK_MS


@given(st.integers(0, 59), st.integers(10 * SECOND, 400 * DAY), st.integers(1, 59))
def test_a_short_lie_soon_after_the_first_honest_word_is_not_believed(
    honest_s: int, lie_ms: int, lie_s: int
) -> None:
    """Until it is over nobody is believed, and a minute after it the honest one is."""
    reality = Reality(0, None)
    reality.hear(reality.say(Source.KERNEL, 0, 20))
    reality.pass_by(honest_s)
    speak(reality, lie_s, lie_ms)
    assert reality.belief.trust.value == "untrusted"
    speak(reality, 100, 0)
    assert reality.belief.trust.value == "trusted"
    assert abs(reality.belief.now(reality.uptime_s) - reality.true) <= SLACK_MS
    assert reality.floor <= reality.true
