"""A machine that nobody told the time, as a process: nothing opens by guess until it is proven."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from gateway.domain.instant import from_datetime, to_rfc3339
from gateway.timekeeping.host import LinuxHost
from tests.house.house import ALWAYS, Door, house, needs_broker, now
from tests.signer import Signer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    *needs_broker,
    pytest.mark.slow,
    pytest.mark.skipif(
        LinuxHost().kernel().synchronised, reason="a time service keeps this machine's clock"
    ),
]


async def test_signed_time_opens_what_waited_for_it(tmp_path: Path) -> None:
    signer = Signer()
    key = signer.public_pem(tmp_path)
    async with house(
        tmp_path, Door("front"), time__trust="kernel", time__cloud_issuers=key
    ) as running:
        cloud = running.cloud
        signer.gateway = cloud.hello["gateway_id"]
        assert cloud.hello["clock"]["trust"] == "untrusted"
        await running.event("gateway.time_untrusted")
        await running.give("always", "front", window=ALWAYS)
        opens, closes = now() - timedelta(minutes=1), now() + timedelta(hours=1)
        window = {
            "kind": "timed",
            "opens_at": to_rfc3339(from_datetime(opens)),
            "closes_at": to_rfc3339(from_datetime(closes)),
        }
        cloud.push([running.credential("timed", ["front"], window)])
        waiting = await running.grant("timed", "front", "pending")
        assert waiting["reason"] == "clock_untrusted"

        refused = await cloud.command("unlock", running.id_of("front"))
        assert refused["result"] == {"outcome": "refused", "reason": "not_fresh"}

        said = to_rfc3339(from_datetime(now()))
        proof = signer.sign(from_datetime(now()), cloud.hello["nonce"])
        cloud.ask(time={"now": said, "nonce": cloud.hello["nonce"], "proof": proof})
        await running.until_held("front", "timed")
        await running.grant("timed", "front", "active")
        await running.event("gateway.time_proven", source="cloud")
        corrected = await running.event("gateway.time_corrected", stamped=["untrusted"])
        assert abs(corrected["body"]["by_ms"]) < 5_000
        await running.caught_up()
        assert cloud.hello["clock"]["trust"] == "trusted"
        assert cloud.hello["clock"]["source"] == "cloud"
        running.dense()

        await running.stage.daemon.kill()
        await running.up()
        await running.caught_up()
        assert cloud.hello["clock"]["trust"] == "holdover"
        assert await running.held("front", "timed")
