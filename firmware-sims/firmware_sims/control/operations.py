"""What can be asked of a world: the table of operations, and those on no single device.

Here: who is there, the journal, the radio hardware, and finding the operation that is meant. Not
here: the operations on a device (``door``), sockets and JSON (``server``). Arguments are keyword
arguments of the functions; times are in seconds, instants unix seconds.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from firmware_sims.ble.spec import AdapterFault
from firmware_sims.control.arguments import OperationError, check_arguments
from firmware_sims.control.door import DEVICE_OPERATIONS, LOCK_OPERATIONS
from firmware_sims.faults import Fault, FaultError
from firmware_sims.firmware.model import Kind
from firmware_sims.journal import CONNECTED, DISCONNECTED, FAULT
from firmware_sims.simulated import AnyLock, WorldError
from firmware_sims.zwave.devices import JOINED, LEFT
from firmware_sims.zwave.spec import ControllerFault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from firmware_sims.journal import Entry
    from firmware_sims.simulated import SimulatedDevice
    from firmware_sims.world import World

RadioFault = Literal["mute_ezsp", "mute_ash", "unmute", "reset", "drop"]
DEFAULT_TIMEOUT_S = 30.0


class RadioControl(Protocol):
    """What can happen to the coordinator's stick."""

    def fail(self, action: RadioFault) -> None:
        """Break it in the named way, or mend it (``unmute``)."""
        ...


class AdapterControl(Protocol):
    """What can happen to a Bluetooth adapter."""

    def fail(self, action: AdapterFault) -> None:
        """Break it in the named way, or mend it (``return``)."""
        ...


class ControllerControl(Protocol):
    """What can happen to the Z-Wave stick."""

    def fail(self, action: ControllerFault) -> None:
        """Break it in the named way, or mend it (`unmute`, `clear`)."""
        ...


class Operations:
    """The operations on one world, with the hardware in it that can be broken."""

    def __init__(
        self,
        world: World,
        coordinator: RadioControl | None = None,
        adapters: Mapping[str, AdapterControl] | None = None,
        zwave: ControllerControl | None = None,
    ) -> None:
        self._world = world
        self._coordinator = coordinator
        self._adapters = adapters or {}
        self._zwave = zwave
        self._table: dict[str, Callable[..., Awaitable[Any] | Any]] = {
            **{name: self._of_lock(function) for name, function in LOCK_OPERATIONS.items()},
            **{name: self._of_device(function) for name, function in DEVICE_OPERATIONS.items()},
            "devices": self._devices,
            "log": self._log,
            "wait": self._wait,
            "radio": self._radio,
            "adapter": self._adapter,
            "zwave": self._controller,
        }

    @property
    def names(self) -> list[str]:
        """Every operation, ``subscribe`` included, which the server itself carries out."""
        return sorted([*self._table, "subscribe"])

    async def call(self, op: str, arguments: dict[str, Any]) -> Any:
        """Do one operation; ``OperationError`` in every case the caller can mend."""
        operation = self._table.get(op)
        if operation is None:
            raise OperationError(f"unknown op {op!r}; known: {', '.join(self.names)}")
        check_arguments(op, operation, arguments)
        try:
            result = operation(**arguments)
            return await result if inspect.isawaitable(result) else result
        except (WorldError, FaultError) as cause:
            raise OperationError(str(cause)) from None

    def _of_device(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def operation(device: str, **arguments: Any) -> Any:
            return function(self._world.device(device), **arguments)

        return _signed(operation, function)

    def _of_lock(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def operation(device: str, **arguments: Any) -> Any:
            return function(self._lock(device), **arguments)

        return _signed(operation, function)

    def _lock(self, name: str) -> AnyLock:
        device: SimulatedDevice = self._world.device(name)
        if not isinstance(device, AnyLock):
            raise OperationError(f"{name!r} is no lock")
        return device

    def _devices(self) -> list[dict[str, Any]]:
        return [
            {"device": device.name, **device.identity()} for device in self._world.devices.values()
        ]

    def _log(self, after: int = 0, device: str | None = None) -> dict[str, Any]:
        if device is not None:
            self._world.device(device)
        entries = self._world.journal.since(after)
        return {
            "last": self._world.journal.last,
            "entries": [entry for entry in entries if device in (None, entry["device"])],
        }

    async def _wait(
        self,
        device: str | None = None,
        kind: str | None = None,
        fault: str | None = None,
        after: int = 0,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        **fields: Any,
    ) -> Entry:
        """The first journal entry after ``after`` of that device, kind, fault and other fields."""
        if device is not None:
            self._world.device(device)
        kinds = [FAULT, *Kind, CONNECTED, DISCONNECTED, JOINED, LEFT]
        if kind is not None and kind not in kinds:
            raise OperationError(f"unknown kind {kind!r}; known: {', '.join(kinds)}")
        if fault is not None and fault not in set(Fault):
            raise OperationError(f"unknown fault {fault!r}; known: {', '.join(Fault)}")
        wanted = {"device": device, "kind": kind, "fault": fault, **fields}
        wanted = {key: value for key, value in wanted.items() if value is not None}

        def matches(entry: Entry) -> bool:
            return all(entry.get(key) == value for key, value in wanted.items())

        try:
            return await self._world.journal.wait(matches, after=after, timeout_s=timeout_s)
        except TimeoutError:
            raise OperationError(
                f"nothing matched {wanted} within {timeout_s:g} s after entry {after}"
            ) from None

    def _radio(self, action: RadioFault) -> None:
        if self._coordinator is None:
            raise OperationError("this world has no coordinator")
        if action not in get_args(RadioFault):
            raise OperationError(
                f"unknown action {action!r}; known: {', '.join(get_args(RadioFault))}"
            )
        self._coordinator.fail(action)

    def _controller(self, action: ControllerFault) -> None:
        """Break the Z-Wave stick or mend it."""
        if self._zwave is None:
            raise OperationError("this world has no Z-Wave stick")
        if action not in get_args(ControllerFault):
            raise OperationError(
                f"unknown action {action!r}; known: {', '.join(get_args(ControllerFault))}"
            )
        self._zwave.fail(action)

    def _adapter(self, adapter: str, action: str) -> None:
        """Break a Bluetooth adapter or mend it."""
        if adapter not in self._adapters:
            known = ", ".join(sorted(self._adapters)) or "none in this world"
            raise OperationError(f"unknown adapter {adapter!r}; known: {known}")
        known_action: AdapterFault | None = next(
            (word for word in get_args(AdapterFault) if word == action), None
        )
        if known_action is None:
            raise OperationError(
                f"unknown action {action!r}; known: {', '.join(get_args(AdapterFault))}"
            )
        self._adapters[adapter].fail(known_action)


def _signed(operation: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    parameters = list(inspect.signature(function).parameters.values())
    device = inspect.Parameter("device", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    operation.__signature__ = inspect.Signature([device, *parameters[1:]])  # type: ignore[attr-defined]  # inspect reads it
    return operation
