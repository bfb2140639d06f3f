"""The Zigbee skin of a lock: a NodeApplication that speaks ZCL for the firmware model.

Here: the Door Lock cluster's attributes, the way of a frame from the radio through the command
queue and back, and the frames a lock sends by itself. Not here: what commands do
(``door_lock_commands``), event payloads (``door_lock_events``) and the network below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.commands import Command, CommandQueue
from firmware_sims.faults import Fault
from firmware_sims.firmware.model import BoltState
from firmware_sims.zigbee import door_lock_events, lock_clusters
from firmware_sims.zigbee.application import EndpointDescriptor, NodeIdentity
from firmware_sims.zigbee.door_lock_commands import COMMANDS, Refused, status_byte, supported
from firmware_sims.zigbee.lock_clusters import setting
from firmware_sims.zigbee.zcl import Frame, General, Malformed, Reader, Status, Type, u8, u16
from firmware_sims.zigbee.zcl_cluster import Attribute, Cluster, constant
from firmware_sims.zigbee.zcl_reporting import Reporter
from firmware_sims.zigbee.zcl_server import GeneralCommands

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from firmware_sims.faults import Faults
    from firmware_sims.firmware.lock import LockFirmware
    from firmware_sims.firmware.model import Answer, FirmwareEvent
    from firmware_sims.zigbee.application import NodeRadio

    _Respond = Callable[[bytes], None]

HOME_AUTOMATION = 0x0104
DOOR_LOCK_DEVICE = 0x000A
DOOR_LOCK = 0x0101
LOCK_STATE, DOOR_STATE = 0x0000, 0x0003

_ANSWERS = frozenset(
    {command for command in General if "RESPONSE" in command.name} | {General.REPORT_ATTRIBUTES}
) - {General.WRITE_ATTRIBUTES_NO_RESPONSE}

COMMAND_NAMES = frozenset(
    {spec.name for spec in COMMANDS.values()}
    | {f"zcl.{command.name.lower()}" for command in set(General) - _ANSWERS}
)
"""What faults can be armed on."""

_REPORTED = (
    (DOOR_LOCK, LOCK_STATE),
    (DOOR_LOCK, DOOR_STATE),
    (lock_clusters.POWER, lock_clusters.BATTERY_VOLTAGE),
    (lock_clusters.POWER, lock_clusters.BATTERY_PERCENTAGE),
)


class DoorLockApplication:
    """One lock on a Zigbee network."""

    def __init__(
        self,
        firmware: LockFirmware,
        faults: Faults,
        *,
        ieee: int,
        install_code: bytes | None = None,
    ) -> None:
        self.firmware = firmware
        self.queue = CommandQueue(firmware, faults)
        self._faults = faults
        profile = firmware.profile
        self.identity = NodeIdentity(
            ieee=ieee,
            manufacturer_code=profile.manufacturer_code,
            sleepy=profile.sleepy,
            poll_interval_s=profile.poll_interval_s,
            battery_powered=True,
            install_code=install_code,
        )
        self.endpoints: Sequence[EndpointDescriptor] = (
            EndpointDescriptor(
                profile.endpoint,
                HOME_AUTOMATION,
                DOOR_LOCK_DEVICE,
                tuple(profile.input_clusters),
                tuple(profile.output_clusters),
            ),
        )
        self._radio: NodeRadio | None = None
        self._coordinator_endpoint = 1
        self._sequence = 0
        self._commands = supported(firmware)
        self._clusters = lock_clusters.build(firmware)
        self._clusters[DOOR_LOCK] = self._door_lock_cluster()
        self._clients = lock_clusters.clients(firmware.profile)
        self.reporter = Reporter(self._clusters, firmware.timebase, self._report)
        self._general = GeneralCommands(self.reporter)
        firmware.listeners.append(self._on_event)

    # ---- the network's side

    def attach(self, radio: NodeRadio) -> None:
        """Take the radio; from now on the lock checks in where its model does."""
        self._radio = radio
        if lock_clusters.POLL_CONTROL in self._clusters:
            self._check_in_later()

    def on_left(self) -> None:
        """Forget who wanted reports; codes and settings stay."""
        self.reporter.forget()
        self.firmware.changed()

    def on_message(
        self,
        *,
        source_endpoint: int,
        destination_endpoint: int,
        profile_id: int,
        cluster_id: int,
        payload: bytes,
    ) -> None:
        """A frame from the coordinator."""
        if profile_id != HOME_AUTOMATION or destination_endpoint not in (
            self.firmware.profile.endpoint,
            0xFF,
        ):
            return
        try:
            frame = Frame.parse(payload)
        except Malformed:
            return  # without a header there is nobody to answer
        self._coordinator_endpoint = source_endpoint
        if not frame.cluster_specific and frame.command in _ANSWERS:
            return  # no lock of ours asks the coordinator anything

        def respond(data: bytes) -> None:
            if data:
                self._transmit(cluster_id, source_endpoint, data)

        # What a server sends is for the lock's client side, and the other way round.
        cluster = (self._clients if frame.from_server else self._clusters).get(cluster_id)
        try:
            if cluster is None:
                raise Refused(Status.UNSUPPORTED_CLUSTER)  # noqa: TRY301 - one place answers
            self._take(cluster, frame, respond)
        except Refused as refused:
            respond(frame.default_response(refused.status).encode())

    def _take(self, cluster: Cluster, frame: Frame, respond: _Respond) -> None:
        """Queue a command, or answer it at once; ``Refused`` when there is no such command."""
        if not frame.cluster_specific:
            self.queue.submit(self._general_command(cluster, frame, respond))
        elif frame.manufacturer is not None:
            raise Refused(Status.UNSUP_MANUF_CLUSTER_COMMAND)
        elif frame.command not in cluster.received:
            raise Refused(Status.UNSUP_CLUSTER_COMMAND)
        elif cluster.cluster_id == DOOR_LOCK:
            self.queue.submit(self._lock_command(frame, respond))
        elif cluster.cluster_id == lock_clusters.ALARMS and frame.command == 2:
            respond(frame.reply(1, u8(Status.NOT_FOUND), cluster_specific=True).encode())
        elif not frame.no_default_response:
            raise Refused(Status.SUCCESS)

    # ---- commands

    def _general_command(self, cluster: Cluster, frame: Frame, respond: _Respond) -> Command:
        def apply() -> bytes:
            answer = self._general.handle(cluster, frame)
            return b"" if answer is None else answer.encode()

        try:
            name = General(frame.command).name.lower()
        except ValueError:
            name = "unknown"
        return Command(f"zcl.{name}", None, apply, lambda _answer: None, respond)

    def _lock_command(self, frame: Frame, respond: _Respond) -> Command:
        """Understand a command of the Door Lock cluster; ``Refused`` when it is cut short."""
        spec = self._commands[frame.command]
        try:
            request = spec.handler(self.firmware, Reader(frame.payload))
        except Malformed:
            raise Refused(Status.MALFORMED_COMMAND) from None

        def answer(payload: bytes) -> bytes:
            return frame.reply(frame.command, payload, cluster_specific=True).encode()

        def apply() -> bytes:
            act = request.apply
            if request.masked and self._faults.strike(Fault.MASKED_READ, spec.name, request.slot):
                act = request.masked
            try:
                return answer(act())
            except Refused as refused:
                return frame.default_response(refused.status).encode()

        def pretend(result: Answer) -> bytes | None:
            return answer(u8(status_byte(spec.name, result))) if spec.answers_status else None

        return Command(spec.name, request.slot, apply, pretend, respond)

    # ---- what it sends by itself

    def _on_event(self, event: FirmwareEvent) -> None:
        # A moment later, so that the answer to the command that caused it goes first.
        self.firmware.timebase.call_later(0.0, lambda: self._notify(event))

    def _notify(self, event: FirmwareEvent) -> None:
        swapped = self.firmware.profile.byte_swapped_user_id or self._faults.lasting(
            Fault.SWAPPED_USER_ID
        )
        told = door_lock_events.notification(self.firmware, event, swapped=swapped)
        if told is not None and self._bound(DOOR_LOCK):
            self._send_command(DOOR_LOCK, *told)
        alarm = door_lock_events.alarm(self.firmware, event)
        if alarm is not None and self._bound(lock_clusters.ALARMS):
            self._send_command(
                lock_clusters.ALARMS, lock_clusters.ALARM, u8(alarm) + u16(DOOR_LOCK)
            )
        for cluster_id, attribute in _REPORTED:
            self.reporter.changed(cluster_id, attribute)

    def _check_in_later(self) -> None:
        interval = int(self.firmware.settings["checkin_interval"])
        if not interval:  # off until the attribute is written and the lock restarts
            return

        def check_in() -> None:
            if self._bound(lock_clusters.POLL_CONTROL):
                self._send_command(lock_clusters.POLL_CONTROL, lock_clusters.CHECK_IN, b"")
            self._check_in_later()

        self.firmware.timebase.call_later(interval / 4, check_in)

    def _report(self, cluster_id: int, payload: bytes) -> None:
        if self._bound(cluster_id):
            self._send(cluster_id, General.REPORT_ATTRIBUTES, payload, cluster_specific=False)

    def _send_command(self, cluster_id: int, command: int, payload: bytes) -> None:
        self._send(cluster_id, command, payload, cluster_specific=True)

    def _send(
        self, cluster_id: int, command: int, payload: bytes, *, cluster_specific: bool
    ) -> None:
        self._sequence = (self._sequence + 1) & 0xFF
        frame = Frame(
            sequence=self._sequence,
            command=command,
            payload=payload,
            cluster_specific=cluster_specific,
            from_server=True,
            no_default_response=True,
        )
        self._transmit(cluster_id, self._coordinator_endpoint, frame.encode())

    def _transmit(self, cluster_id: int, endpoint: int, payload: bytes) -> None:
        if self._radio is None or not self.firmware.powered or self.queue.deaf:
            return
        self._radio.send(
            source_endpoint=self.firmware.profile.endpoint,
            destination_endpoint=endpoint,
            profile_id=HOME_AUTOMATION,
            cluster_id=cluster_id,
            payload=payload,
        )

    def _bound(self, cluster_id: int) -> bool:
        return self._radio is not None and self._radio.bound(
            self.firmware.profile.endpoint, cluster_id
        )

    # ---- attributes

    def _door_lock_cluster(self) -> Cluster:
        """ZCL 8, 7.3.2.11 to 7.3.2.16."""
        lock, profile = self.firmware, self.firmware.profile
        attributes = {
            LOCK_STATE: Attribute(Type.ENUM8, lambda: lock.bolt.state.value, reportable=True),
            0x0001: constant(Type.ENUM8, profile.lock_type),
            0x0002: constant(Type.BOOL, 1),
            0x0011: constant(Type.UINT16, profile.slots),
            0x0012: constant(Type.UINT16, profile.slots),
            0x0013: constant(Type.UINT16, 0),
            0x0017: constant(Type.UINT8, profile.max_code_length),
            0x0018: constant(Type.UINT8, profile.min_code_length),
            0x0021: setting(lock, "language", Type.STRING),
            0x0023: setting(lock, "auto_relock_s", Type.UINT32, reportable=True),
            0x0024: setting(lock, "sound_volume", Type.UINT8, reportable=True),
            0x0025: setting(lock, "operating_mode", Type.ENUM8, highest=4, reportable=True),
            0x0026: constant(Type.MAP16, 0x001F),
            0x0029: setting(lock, "one_touch_locking", Type.BOOL, reportable=True),
            0x0030: setting(lock, "wrong_code_limit", Type.UINT8, reportable=True),
            0x0031: setting(lock, "lockout_s", Type.UINT8, reportable=True),
            0x0032: setting(lock, "send_pin_over_the_air", Type.BOOL, reportable=True),
            0x0033: setting(lock, "require_pin_for_radio", Type.BOOL, reportable=True),
        }
        if profile.log_records:
            attributes[0x0010] = constant(Type.UINT16, profile.log_records)
        if profile.schedules != "unsupported":
            attributes[0x0014] = constant(Type.UINT8, profile.week_day_schedules)
            attributes[0x0015] = constant(Type.UINT8, profile.year_day_schedules)
            attributes[0x0016] = constant(Type.UINT8, profile.holiday_schedules)
        if profile.has_door_sensor:
            attributes[DOOR_STATE] = Attribute(Type.ENUM8, self._door_state, reportable=True)
        for mask in door_lock_events.MASKS:
            key = door_lock_events.mask_key(mask)
            lock.define_setting(key, 0xFFFF)  # locks in the field talk unless told not to
            attributes[mask] = setting(lock, key, Type.MAP16, reportable=True)
        return Cluster(
            DOOR_LOCK,
            attributes,
            received=frozenset(self._commands),
            generated=frozenset(
                {
                    *self._commands,
                    door_lock_events.OPERATION_EVENT,
                    door_lock_events.PROGRAMMING_EVENT,
                }
            ),
        )

    def _door_state(self) -> int:
        bolt = self.firmware.bolt
        if bolt.jammed and bolt.state is BoltState.NOT_FULLY_LOCKED:
            return 0x02
        if bolt.door_open:
            return 0x03 if bolt.state is BoltState.LOCKED else 0x00
        return 0x01
