"""Claims that were cut off: keys that may be a device's, kept until the device tells.

Here: keeping them before the device hears the word that can make it ours, and asking it afterwards.
Not here: what follows when it is ours (`claiming`); any family's protocol.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from gateway.errors import DeviceRefused, GatewayError, Refusal, StoreFull, StoreUnreadable
from gateway.store import claimed as kept
from gateway.store.identities import Pending

if TYPE_CHECKING:
    from gateway.domain.secret import Secret
    from gateway.drivers.claims import Claim, ClaimOrder, Family, KeepAgreed
    from gateway.kit.clock import Clock
    from gateway.radios.gatt import GattRadio
    from gateway.store.identities import Identities
    from gateway.store.keyring import Keyring

log = structlog.get_logger()

RESUME_DEADLINE_S = 30.0
"""For each of the keys that it may be."""
MOST_KEYS = 9
"""Of one device. A claim that fails in bad air leaves up to three behind."""
ASK_AGAIN_S = 60.0
"""Until a device is asked again that did not tell; then twice as long each time."""
ASK_SELDOM_S = 3600.0
"""But no longer than that: its battery is somebody's."""
ASK_DENIED_S = 86_400.0
"""As above, when it has said that it does not know our keys."""
NEAR_S = 60.0
"""Who was heard within that is near."""
DENIALS = 2
"""How often a device says that it does not know keys until they are dropped: one word may have been
damaged, or forged."""


class PendingClaims:
    """See the module's docstring. Of one radio."""

    def __init__(
        self, identities: Identities, keyring: Keyring, clock: Clock, radio: GattRadio
    ) -> None:
        self._identities = identities
        self._keyring = keyring
        self._clock = clock
        self._radio = radio
        self._denied: Counter[str] = Counter()
        self._pauses: dict[str, float] = {}
        self._ask_at: dict[str, float] = {}

    def of(self, address: str) -> Pending | None:
        return self._identities.pending(self._radio.name, address)

    def keeper(self, family: Family, address: str, name: str | None) -> KeepAgreed:
        """What a claim of this device calls. It raises StoreFull."""

        async def keep(keys: Secret) -> None:
            radio = self._radio.name
            context = kept.pending_context(radio, address)
            sealed = self._keyring.seal(keys, context=context).hex()
            before = self.of(address)
            held = before.sealed if before is not None and before.driver == family.name else ()
            held = (*held, sealed)[-MOST_KEYS:]
            self._identities.keep_pending(Pending(radio, address, family.name, name, held))

        return keep

    def restore(self, address: str, before: Pending | None) -> None:
        """A claim since then has left nothing behind: the device has said so."""
        now = self.of(address)
        if now is None or now == before:
            return
        with contextlib.suppress(StoreFull):  # it is asked about them in vain, then
            self._identities.keep_pending(before or replace(now, sealed=()))

    async def resume(self, family: Family, order: ClaimOrder, pending: Pending) -> Claim | None:
        """Ask the device, newest keys first. None: it knows none of them.

        Raises what speaking to it raised when that is not known.
        """
        failed: GatewayError | None = None
        self._rest(order.address, ASK_AGAIN_S)
        keep = self.keeper(family, order.address, pending.name)
        for sealed in reversed(pending.sealed):
            try:
                claim = await family.resume(
                    self._radio,
                    order,
                    self._unsealed(pending, sealed),
                    keep,
                    deadline_s=RESUME_DEADLINE_S,
                )
            except (StoreUnreadable, ValueError) as error:
                log.error("keys agreed on are lost", address=order.address, cause=str(error))
            except GatewayError as error:
                failed = failed or error
                if isinstance(error, DeviceRefused) and error.refusal is Refusal.NOT_AUTHORISED:
                    self._drop(order.address, sealed)
            else:
                if claim is not None:
                    return claim
                self._denied[sealed] += 1
                if self._denied[sealed] >= DENIALS:
                    self._drop(order.address, sealed)
        if failed is not None:
            raise failed
        self._rest(order.address, ASK_DENIED_S)
        return None

    def due(self, address: str) -> bool:
        """Whether it is near and may be asked without anybody's order."""
        now = self._clock.monotonic()
        near = any(
            sighting.last.address == address and now - sighting.last.heard_at <= NEAR_S
            for sighting in self._radio.sightings()
        )
        return near and now >= self._ask_at.get(address, now)

    def _rest(self, address: str, least_s: float) -> None:
        pause_s = max(least_s, min(2 * self._pauses.get(address, 0.0), ASK_SELDOM_S))
        self._pauses[address] = pause_s
        self._ask_at[address] = self._clock.monotonic() + pause_s

    def _unsealed(self, pending: Pending, sealed: str) -> Secret:
        context = kept.pending_context(pending.radio, pending.address)
        return self._keyring.unseal(bytes.fromhex(sealed), context=context)

    def _drop(self, address: str, sealed: str) -> None:
        now = self.of(address)
        if now is None:
            return
        self._denied.pop(sealed, None)
        rest = tuple(other for other in now.sealed if other != sealed)
        with contextlib.suppress(StoreFull):
            self._identities.keep_pending(replace(now, sealed=rest))
