"""The main job from beginning to end: which step follows which. Not here: what a step does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.demo import over_zwave, steps

if TYPE_CHECKING:
    from firmware_sims.demo.steps import Demo


async def perform(demo: Demo) -> None:
    """All of it, in order."""
    await steps.start(demo)
    async with over_zwave.joining(demo) as joined:
        await steps.claim(demo)
        await steps.over_bluetooth(demo)
        await steps.join(demo)
        await steps.probe(demo)
        await over_zwave.join(demo, joined)
    await over_zwave.visit(demo)
    opens, closes = await steps.before_the_window(demo)
    await steps.inside_the_window(demo, opens)
    await steps.after_the_window(demo, closes)
    await steps.cleaner(demo)
    await steps.two_doors(demo)
    await steps.remote_unlock(demo)
    await steps.unreachable(demo)
    await steps.broker_away(demo)
    await steps.killed(demo)
    await steps.collision(demo)
    await steps.over_bluetooth_told(demo)
    await steps.explained(demo)
