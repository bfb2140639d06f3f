"""The time as others tell it: the cloud with its answers, a technician with a token.

A token proves that it was made after its nonce was given out; when, between then and now, nobody
can know, so the way there and back bounds the error. Not here: signatures (`proof`), and what is
believed in the end (`keeper`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import structlog

from gateway.domain.instant import Instant
from gateway.domain.timebelief import Reading, Reason, Refused, Source
from gateway.errors import MessageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.domain.timebelief import Finding
    from gateway.timekeeping.host import HostTime
    from gateway.timekeeping.keeper import TimeKeeper
    from gateway.timekeeping.proof import Issuers
    from gateway.timekeeping.view import ClockView

log = structlog.get_logger()

CHALLENGE_LIFE_S: Final = 600.0
"""A technician carries the challenge to wherever the key is, and the token back."""
CHALLENGES: Final = 8
TELLER_ERROR_MS: Final = 500
"""How far the clock of whoever signs may be off itself."""


class Witness:
    """Who has the nonces hands over when each was given out, by uptime."""

    def __init__(
        self,
        keeper: TimeKeeper,
        host: HostTime,
        issuers: Issuers,
        new_nonce: Callable[[], str],
    ) -> None:
        self._keeper = keeper
        self._host = host
        self._issuers = issuers
        self._new_nonce = new_nonce
        self._challenges: dict[str, float] = {}

    def view(self) -> ClockView:
        return self._keeper.view()

    async def cloud_signed(self, proof: str, given_s: Callable[[str], float | None]) -> None:
        """The time in an answer to a hello. MessageError where it is not signed as it must be.

        `given_s`: when a hello carried that nonce; None for one that is not ours or too old. Such
        an answer was late or is repeated, which is nobody's fault and proves nothing.
        """
        signed = self._issuers.read(proof, Source.CLOUD)
        asked_s = given_s(signed.nonce)
        if asked_s is None:
            log.info("signed time came too late to prove anything", kid=signed.kid)
            return
        await self._tell(Source.CLOUD, signed.now, asked_s)

    async def cloud_unsigned(self, now: Instant, asked_s: float) -> None:
        """As good as a time service that nobody can prove, and only from this very machine."""
        await self._tell(Source.CLOUD_UNSIGNED, now, asked_s)

    def technicians(self) -> list[str]:
        """The kids of those whose tokens are taken."""
        return self._issuers.kids(Source.TECHNICIAN)

    def challenge(self) -> str:
        """What a technician's token must carry: good for ten minutes and for one token."""
        self._forget()
        while len(self._challenges) >= CHALLENGES:
            del self._challenges[next(iter(self._challenges))]
        nonce = self._new_nonce()
        self._challenges[nonce] = self._host.boottime()
        return nonce

    async def present(self, token: str) -> ClockView:
        """What is believed after it. MessageError where it proves nothing, or is not believed."""
        signed = self._issuers.read(token, Source.TECHNICIAN)
        self._forget()
        asked_s = self._challenges.pop(signed.nonce, None)
        if asked_s is None:
            raise MessageError(
                "could not take the token: it answers no challenge of the last ten minutes",
                "time_not_fresh",
            )
        log.warning("a technician tells the time", kid=signed.kid)
        for finding in await self._tell(Source.TECHNICIAN, signed.now, asked_s):
            match finding:
                case Refused(Source.TECHNICIAN, _, Reason.BEHIND_FLOOR):
                    raise MessageError(
                        "could not take the token: it says an earlier time than was proven already",
                        "time_behind_floor",
                    )
                case Refused(Source.TECHNICIAN):
                    raise MessageError(
                        "could not take the token: it is far from a time that was proven,"
                        " and no second source says the same",
                        "time_alone",
                    )
        return self._keeper.view()

    async def _tell(self, source: Source, now: Instant, asked_s: float) -> list[Finding]:
        """It was `now` between the question and this moment: the middle, give or take half."""
        uptime_s = self._host.boottime()
        half_ms = math.ceil((uptime_s - asked_s) * 500)
        middle = Instant(now + half_ms)
        return await self._keeper.look(
            Reading.of(source, middle, half_ms + TELLER_ERROR_MS, uptime_s)
        )

    def _forget(self) -> None:
        oldest = self._host.boottime() - CHALLENGE_LIFE_S
        for nonce in [known for known, at in self._challenges.items() if at < oldest]:
            del self._challenges[nonce]
