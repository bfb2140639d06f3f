"""Letting one node in, in another's place or in its own, and letting one out.

At most one at a time. Nothing is asked in between: the digits of the DSK or the QR text are given
beforehand, and a node that cannot prove them is told as failed. With the digits or a QR text no
class of security is granted that does not ask for them (CC:009F, S2 authenticated and access
control): S0 and S2 unauthenticated would do without.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import structlog
from zwave_js_server.const import ExclusionStrategy, InclusionStrategy, QRCodeVersion
from zwave_js_server.const import SecurityClass as LibrarySecurity

from gateway.errors import GatewayError, RadioBusy, RadioRefused
from gateway.radios.api import JoinProgress, JoinStage
from gateway.radios.command_classes import SecurityClass
from gateway.radios.zwave.plain import LIBRARY_ERRORS, node_id_of, translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from gateway.kit.clock import Clock
    from gateway.radios.api import JoinOrder
    from gateway.radios.command_classes import CcNode
    from gateway.radios.zwave.line import Event, Line

log = structlog.get_logger(__name__)

LONGEST_S = 180
INTERVIEW_S = 300
"""Once a node was found: exchanging keys, and an interview of hundreds of frames."""
SETTLED_S = 5.0
TICK_S = 1.0
"""How often progress is told while nothing happens."""

_CANCELLED = 0x06
"""KEX Fail type "cancelled", CC:009F.01.07."""

_PIN = re.compile(r"\d{5}")
_QR = re.compile(r"90\d{50,}")
"""Security Appendix of the QR code format: digits, beginning with 90."""

_PROVING = {LibrarySecurity.S2_AUTHENTICATED, LibrarySecurity.S2_ACCESS_CONTROL}
_PROVEN = {SecurityClass.S2_AUTHENTICATED, SecurityClass.S2_ACCESS_CONTROL}
_ENDS = {JoinStage.READY, JoinStage.LEFT, JoinStage.FAILED}

# SecurityBootstrapFailure of zwave-js 15.29, controller/Inclusion.ts.
_FAILURES = {
    3: "it did not answer in time",
    4: "it and the controller have no way of security in common",
    5: "it broke off",
    6: "these are not the five digits of its DSK",
    7: "it and the controller use different keys",
    8: "it wants S0, which proves nothing",
}
_AGAIN = (
    "; it is in the network without security: let it leave (`lock-gateway leave`) and try again"
)
_OTHER_NETWORK = "it was of another network, and is of none now"


class Joining:
    """Hears of joins from `members` and tells them to whoever ordered one.

    `line()` gives the one in use or raises `RadioUnavailable`; `address` that of a node id.
    """

    def __init__(
        self, clock: Clock, line: Callable[[], Line], address: Callable[[int], str]
    ) -> None:
        self._clock = clock
        self._line = line
        self._address = address
        self._order: JoinOrder | None = None
        self._leaving = False
        self._wanted: str | None = None
        self._news: asyncio.Queue[JoinProgress] = asyncio.Queue()
        self._is_added = asyncio.Event()
        self._answers: set[asyncio.Task[None]] = set()

    # ── what is told ────────────────────────────────────────────────────────────────────

    def hear(self, event: Event) -> None:
        """An event of the controller."""
        if event["event"] == "node added":
            self._added(event)
        if self._leaving:
            self._hear_leaving(event)
        if self._order is None:
            return
        match event["event"]:
            case "grant security classes":
                self._answer(self._grant(event["requested"], self._order))
            case "validate dsk and enter pin":
                self._answer(self._prove(self._order))
            case "node found" if self._wanted is None:
                self._wanted = self._address(node_id_of(event))
                self._tell(JoinStage.FOUND)
            case "inclusion failed":
                self._tell(JoinStage.FAILED, "the controller could not add it")

    def ready(self, node: CcNode) -> None:
        if self._order is None or node.address != self._wanted:
            return
        if node.security not in _enough(self._order):
            self._tell(JoinStage.FAILED, f"it did not prove what it is{_AGAIN}")
        else:
            self._tell(JoinStage.READY)

    def failed(self, address: str) -> None:
        if address == self._wanted:
            self._tell(JoinStage.FAILED, "it did not answer the interview")

    def interrupted(self) -> None:
        """The radio went down."""
        if self._order is not None or self._leaving:
            self._tell(JoinStage.FAILED, "the radio went away")

    def _added(self, event: Event) -> None:
        result = event.get("result") or {}
        self._wanted = self._address(node_id_of(event))
        self._is_added.set()
        if self._order is None:
            return
        if result.get("lowSecurity"):
            cause = _FAILURES.get(result.get("lowSecurityReason", -1), "no keys were exchanged")
            self._tell(JoinStage.FAILED, cause + _AGAIN)
        else:
            self._tell(JoinStage.INTERVIEWING)

    def _hear_leaving(self, event: Event) -> None:
        match event["event"]:
            case "node removed":
                self._wanted = self._address(node_id_of(event))
                self._tell(JoinStage.LEFT)
            case "exclusion stopped":
                self._tell(JoinStage.CLOSED)
            case "exclusion failed":
                self._tell(JoinStage.FAILED, "it broke off; try again close to it")

    def _tell(self, stage: JoinStage, detail: str = "") -> None:
        self._news.put_nowait(JoinProgress(stage, 0, self._wanted, detail))

    # ── what the server asks ────────────────────────────────────────────────────────────

    def _answer(self, answering: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(answering, name="prove a node")
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _grant(self, requested: dict[str, Any], order: JoinOrder) -> None:
        asked = {LibrarySecurity(each) for each in requested["securityClasses"]}
        granted = asked - _PROVING if order.dsk_pin is None else asked & _PROVING
        await self._say(
            "controller.grant_security_classes",
            inclusionGrant={
                "securityClasses": sorted(each.value for each in granted),
                "clientSideAuth": False,
            },
        )

    async def _prove(self, order: JoinOrder) -> None:
        """False, where nobody gave digits, ends the exchange of keys."""
        pin = order.dsk_pin.reveal() if order.dsk_pin is not None else False
        await self._say("controller.validate_dsk_and_enter_pin", pin=pin)

    async def _say(self, command: str, **fields: Any) -> None:
        try:
            await self._line().ask(command, **fields)
        except (GatewayError, *LIBRARY_ERRORS) as error:
            log.warning("a node's proof could not be passed on", cause=type(error).__name__)

    # ── what is ordered ─────────────────────────────────────────────────────────────────

    async def open(self, order: JoinOrder, replaced: int | None) -> AsyncIterator[JoinProgress]:
        """`replaced`: the node id of `order.replaces`."""
        _check(order)
        line = self._begin()
        self._order = order
        dsk = None
        try:
            with translated("open the network", changes=False):
                dsk = await _admit(line, order, replaced)
            seconds = max(1, min(order.duration_s, LONGEST_S))
            async for progress in self._follow(seconds):
                yield progress
        finally:
            await self._close("controller.stop_inclusion")
            # An exchange of keys that hangs would keep the controller busy for minutes.
            await self._close("controller.cancel_secure_bootstrap_s2", reason=_CANCELLED)
            await self._settled()
            if dsk is not None and self._wanted is None:
                # Else whoever powers the device on next year lets it in.
                await self._close("controller.unprovision_smart_start_node", dskOrNodeId=dsk)
            self._order = None

    async def leave(self, seconds: int) -> AsyncIterator[JoinProgress]:
        line = self._begin()
        self._leaving = True
        try:
            with translated("let a node leave", changes=False):
                # A node that was let in by its QR text would come back by itself.
                options = {"strategy": ExclusionStrategy.UNPROVISION.value}
                begun = await line.ask("controller.begin_exclusion", options=options)
                if not begun["success"]:
                    raise RadioBusy("could not let a node leave: the controller is busy")
            async for progress in self._follow(max(1, min(seconds, LONGEST_S))):
                if progress.stage is JoinStage.CLOSED and progress.remaining_s > 0:
                    yield JoinProgress(JoinStage.LEFT, 0, None, _OTHER_NETWORK)
                else:
                    yield progress
        finally:
            self._leaving = False
            await self._close("controller.stop_exclusion")

    def _begin(self) -> Line:
        if self._order is not None or self._leaving:
            raise RadioBusy("could not open the network: another join is under way")
        line = self._line()
        self._wanted = None
        self._news = asyncio.Queue()
        self._is_added.clear()
        return line

    async def _close(self, command: str, **fields: Any) -> None:
        """What is closed already, or gone, is as closed as can be."""
        try:
            await self._line().ask(command, **fields)
        except (GatewayError, *LIBRARY_ERRORS) as error:
            log.debug("the network was not closed", cause=type(error).__name__)

    async def _settled(self) -> None:
        """Who was found is added all the same, and must not be taken for the next one's."""
        if self._wanted is not None and not self._is_added.is_set():
            try:
                async with asyncio.timeout(SETTLED_S):
                    await self._is_added.wait()
            except TimeoutError:
                log.warning("a join did not end", address=self._wanted)

    async def _follow(self, seconds: float) -> AsyncIterator[JoinProgress]:
        until = self._clock.monotonic() + seconds
        progress = JoinProgress(JoinStage.OPEN, seconds)
        yield progress
        while (left := until - self._clock.monotonic()) > 0:
            try:
                async with asyncio.timeout(min(left, TICK_S)):
                    news = await self._news.get()
            except TimeoutError:
                if progress.stage is JoinStage.CLOSED:  # and nobody has left
                    yield progress
                    return
                news = progress  # nothing new: the same stage again, with less time
            if news.stage is JoinStage.FOUND and news is not progress:
                until = self._clock.monotonic() + INTERVIEW_S
            left = max(0.0, until - self._clock.monotonic())
            progress = JoinProgress(news.stage, left, news.address, news.detail)
            if progress.stage is JoinStage.CLOSED:
                continue  # the word who has left follows at once
            yield progress
            if progress.stage in _ENDS:
                return
        yield JoinProgress(JoinStage.CLOSED, 0, self._wanted, "nothing happened in time")


def _enough(order: JoinOrder) -> set[SecurityClass]:
    if order.dsk_pin is not None:
        return _PROVEN
    if order.qr is not None:  # it holds the whole key that the device has to prove
        return _PROVEN | {SecurityClass.S2_UNAUTHENTICATED}
    return set(SecurityClass)


async def _admit(line: Line, order: JoinOrder, replaced: int | None) -> str | None:
    """Open the network. The DSK of a device that is awaited by it (SmartStart)."""
    options: dict[str, Any] = {"strategy": InclusionStrategy.DEFAULT.value}
    if order.qr is not None:
        asked = await line.ask("utils.parse_qr_code_string", qr=order.qr.reveal())
        device = asked["qrProvisioningInformation"]
        if device["version"] == QRCodeVersion.SMART_START and replaced is None:
            await line.ask("controller.provision_smart_start_node", entry=device)
            dsk: str = device["dsk"]
            return dsk
        options = {"strategy": InclusionStrategy.SECURITY_S2.value, "provisioning": device}
    elif order.dsk_pin is not None:
        options = {"strategy": InclusionStrategy.SECURITY_S2.value}
    if replaced is None:
        begun = await line.ask("controller.begin_inclusion", options=options)
    else:
        begun = await line.ask("controller.replace_failed_node", nodeId=replaced, options=options)
    if not begun["success"]:
        raise RadioBusy("could not open the network: the controller is busy")
    return None


def _check(order: JoinOrder) -> None:
    """Never repeats what was typed."""
    if order.address is not None or order.install_code is not None:
        raise RadioRefused("could not open the network: install codes are of Zigbee")
    if order.qr is not None and order.dsk_pin is not None:
        raise RadioRefused("could not open the network: either the digits or the QR text")
    if order.dsk_pin is not None and not _PIN.fullmatch(order.dsk_pin.reveal()):
        raise RadioRefused("could not open the network: the digits are the first five of the DSK")
    if order.qr is not None and not _QR.fullmatch(order.qr.reveal()):
        raise RadioRefused("could not open the network: the QR text is digits beginning with 90")
    if order.qr is None and order.dsk_pin is None and not order.allow_well_known_key:
        raise RadioRefused(
            "could not open the network: neither the digits of the DSK nor the QR text, and doing "
            "without was not chosen"
        )
