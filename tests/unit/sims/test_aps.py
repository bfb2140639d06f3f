"""How one unicast travels: order, loss, repetition, sleep. Real but very short times."""

from __future__ import annotations

import asyncio
import random

import pytest

from firmware_sims.zigbee.aps import RETRY, Air, ApsFrame, Delivery, Lane, Path

ACKNOWLEDGED = ApsFrame(0x0104, 0x0101, 1, 1, RETRY)
PLAIN = ApsFrame(0x0104, 0x0101, 1, 1)


class Far:
    """The far end; counts what arrives."""

    def __init__(self, *, sleepy: bool = False, reachable: bool = True, poll: float = 0.0) -> None:
        self.sleepy, self.reachable, self.poll = sleepy, reachable, poll
        self.pending: set[Delivery] = set()
        self.received = 0

    def next_poll_in(self) -> float:
        return self.poll

    def receive(self, aps: ApsFrame, payload: bytes) -> None:
        self.received += 1


async def carry(far: Far, air: Air, aps: ApsFrame = ACKNOWLEDGED) -> bool:
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[bool] = loop.create_future()
    Delivery(
        air=air,
        loop=loop,
        node=far,
        lanes=(Lane(loop), Lane(loop)),
        aps=aps,
        payload=b"",
        done=outcome.set_result,
    ).start()
    assert not outcome.done()
    async with asyncio.timeout(5):
        return await outcome


@pytest.mark.parametrize("aps", [ACKNOWLEDGED, PLAIN])
async def test_a_good_air_delivers_once(aps: ApsFrame) -> None:
    far = Far()
    assert await carry(far, Air(), aps)
    assert far.received == 1


async def test_a_node_out_of_range_is_given_up() -> None:
    far = Far(reachable=False)
    assert not await carry(far, Air(unreachable_s=0.003))
    assert far.received == 0


async def test_a_lost_acknowledgement_is_repeated_but_passed_on_once() -> None:
    far = Far()
    assert not await carry(far, Air(up=Path(loss=1.0), ack_timeout_s=0.001))
    assert far.received == 1  # it arrived, and the sender does not know


async def test_without_an_acknowledgement_a_loss_is_final() -> None:
    far = Far()
    assert not await carry(far, Air(down=Path(loss=1.0)), PLAIN)
    assert far.received == 0


@pytest.mark.parametrize("seed", range(10))
async def test_success_is_reported_only_for_what_arrived(seed: int) -> None:
    far = Far()
    air = Air(Path(loss=0.5), Path(loss=0.5), seed=seed, ack_timeout_s=0.001)
    delivered = await carry(far, air)
    assert far.received in ((1,) if delivered else (0, 1))


async def test_a_sleeper_that_polls_too_late_misses_its_frame() -> None:
    far = Far(sleepy=True, poll=1.0)
    assert not await carry(far, Air(indirect_timeout_s=0.01))
    assert far.received == 0
    assert far.pending == set()


async def test_a_sleeper_out_of_range_gets_its_frame_at_the_poll_after_it_is_back() -> None:
    far = Far(sleepy=True, reachable=False, poll=0.005)
    asyncio.get_running_loop().call_later(0.02, setattr, far, "reachable", True)
    assert await carry(far, Air(indirect_timeout_s=1.0))
    assert far.received == 1
    assert far.pending == set()


async def test_a_lane_keeps_the_order_on_a_loop_that_is_late() -> None:
    loop = asyncio.get_running_loop()
    lane, seen, done = Lane(loop), list[int](), loop.create_future()
    lane.after(0.001, lambda: seen.append(0))
    until = loop.time() + 0.005
    while loop.time() < until:
        pass  # something holds the loop up
    lane.after(0.0, lambda: seen.append(1))
    lane.after(0.0, lambda: done.set_result(None))
    async with asyncio.timeout(60):
        await done
    assert seen == [0, 1]


@pytest.mark.parametrize("seed", range(5))
async def test_a_lane_keeps_the_order_whatever_the_delays(seed: int) -> None:
    loop, rng = asyncio.get_running_loop(), random.Random(seed)
    lane, seen, all_seen = Lane(loop), list[int](), loop.create_future()

    def arrive(number: int) -> None:
        seen.append(number)
        if number == 49:
            all_seen.set_result(None)

    for number in range(50):
        lane.after(rng.choice([0.0, 0.001, 0.003]), lambda n=number: arrive(n))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    async with asyncio.timeout(5):
        await all_seen
    assert seen == list(range(50))


def test_the_same_seed_gives_the_same_air() -> None:
    def draws(seed: int) -> list[bool]:
        air = Air(Path(loss=0.5), seed=seed)
        return [air.lost(air.down) for _ in range(50)]

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)
