"""Commands about the NCP itself: configuration, values, tokens, endpoints, counters, policies.

Not here: the network and its keys (``ncp_network``), messages (``ncp_messages``).
Fact source: UG100 as read in bellows 1.2.1 (``EzspValueId``, ``EzspMfgTokenId``).
"""

from __future__ import annotations

import struct
from typing import Any

from firmware_sims.zigbee.application import EndpointDescriptor
from firmware_sims.zigbee.ezsp import Status
from firmware_sims.zigbee.ncp_core import COUNTERS, OK, Answer, Handler, Stack
from firmware_sims.zigbee.trust_centre import JoinPolicy

_TRUST_CENTER_POLICY = 0x00
_NWK_COUNTER, _APS_COUNTER, _VERSION_INFO, _TRANSIENT_LIFE = 0x23, 0x24, 0x11, 0x3B
_CUSTOM_EUI64 = 0x0C
_RESTORED_EUI64 = 0x0000E12A  # NV3KeyId.CREATOR_STACK_RESTORED_EUI64: an address of another stick
_NO_EUI64 = 0xFFFFFFFFFFFFFFFF
_ENDPOINT_FLAGS, _LAST_LEAVE_REASON, _SOURCE_ROUTE_OVERHEAD = 0, 1, 2
_ENDPOINT_ENABLED = 0x0001
# EmberZNet release by EZSP version: major, minor, patch
_RELEASES = {13: (7, 4, 5), 14: (8, 0, 2), 16: (8, 1, 0), 17: (8, 2, 0), 18: (9, 0, 0)}
_MFG_TOKENS = {  # manufacturing token: erased flash reads 0xFF
    0x00: b"\xff" * 2,
    0x01: b"Simulated".ljust(16, b"\xff"),
    0x02: b"EZSP NCP".ljust(16, b"\xff"),
    0x03: b"\xff" * 2,
    0x04: b"\xff" * 2,
    0x05: b"\xff" * 16,
    0x06: b"\xff" * 40,
    0x07: b"\xff" * 8,
    0x09: b"\xff" * 92,
    0x0A: b"\xff" * 20,
    _CUSTOM_EUI64: b"\xff" * 8,
    0x0D: b"\xff" * 2,
}


class SystemCommands:
    """Answers for one stack; made anew at each reset."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        release = _RELEASES[stack.version]
        self._values: dict[int, bytes] = {
            0x03: b"\xf0",  # free buffers
            0x05: (82).to_bytes(2, "little"),  # maximum incoming transfer size
            0x06: (82).to_bytes(2, "little"),
            0x0A: b"\0\0",  # extended security bitmask
            0x0C: b"\0",
            _VERSION_INFO: struct.pack("<HBBBBB", 0, *release, 0, 0xAA),
            0x3A: b"\0",  # transmit after failed CCA
            0x3F: b"\x03",
        }
        self._policies: dict[int, int] = {}

    def handlers(self) -> dict[str, Handler]:
        return {
            "version": self._version,
            "addEndpoint": self._add_endpoint,
            "getConfigurationValue": self._get_config,
            "setConfigurationValue": self._set_config,
            "getValue": self._get_value,
            "setValue": self._set_value,
            "getExtendedValue": self._get_extended_value,
            "setPolicy": self._set_policy,
            "getPolicy": self._get_policy,
            "getMfgToken": lambda f: {"value": _MFG_TOKENS.get(f["token"], b"")},
            "getTokenData": self._get_token,
            "setTokenData": self._set_token,
            "customFrame": lambda _: {"status": Status.NOT_SUPPORTED},
            "getLibraryStatus": lambda _: {"library_status": 0xFF},
            "getXncpInfo": lambda _: {"status": Status.NOT_SUPPORTED},
            "echo": lambda f: f,
            "getRandomNumber": self._random,
            "readCounters": self._read_counters,
            "readAndClearCounters": self._read_and_clear_counters,
            "maximumPayloadLength": lambda _: {"length": 82},
        }

    def _version(self, _: dict[str, Any]) -> Answer:
        major, minor, patch = _RELEASES[self._stack.version]
        return {
            "protocol": self._stack.version,
            "stack_type": 2,  # mesh
            "stack_version": major << 12 | minor << 8 | patch << 4,
        }

    def _add_endpoint(self, f: dict[str, Any]) -> Answer:
        if self._stack.up:
            return {"status": Status.INVALID_STATE}
        clusters = struct.unpack_from(f"<{f['inputs'] + f['outputs']}H", f["clusters"])
        self._stack.endpoints[f["endpoint"]] = EndpointDescriptor(
            f["endpoint"],
            f["profile"],
            f["device"],
            clusters[: f["inputs"]],
            clusters[f["inputs"] :],
        )
        return OK

    def _get_config(self, f: dict[str, Any]) -> Answer:
        value = self._stack.config.get(f["config_id"])
        return {"status": Status.NOT_FOUND} if value is None else {"value": value}

    def _set_config(self, f: dict[str, Any]) -> Answer:
        if f["config_id"] not in self._stack.config:
            return {"status": Status.NOT_FOUND}
        self._stack.config[f["config_id"]] = f["value"]
        return OK

    def _get_value(self, f: dict[str, Any]) -> Answer:
        state = self._stack.nvm.coordinator
        if f["value_id"] == _NWK_COUNTER:
            return {"value": state.nwk_counter.to_bytes(4, "little")}
        if f["value_id"] == _APS_COUNTER:
            return {"value": state.aps_counter.to_bytes(4, "little")}
        value = self._values.get(f["value_id"])
        return {"status": Status.NOT_FOUND} if value is None else {"value": value}

    def _set_value(self, f: dict[str, Any]) -> Answer:
        number, state = int.from_bytes(f["value"], "little"), self._stack.nvm.coordinator
        if f["value_id"] in (_NWK_COUNTER, _APS_COUNTER):
            if self._stack.up:
                return {"status": Status.INVALID_STATE}
            if f["value_id"] == _NWK_COUNTER:
                state.nwk_counter = number
            else:
                state.aps_counter = number
            self._stack.nvm.save()
        elif f["value_id"] == _VERSION_INFO:
            return {"status": Status.INVALID_PARAMETER}
        else:
            self._values[f["value_id"]] = f["value"]
            if f["value_id"] == _TRANSIENT_LIFE:
                self._stack.trust_centre.transient_life_s = float(number)
        return OK

    def _get_extended_value(self, f: dict[str, Any]) -> Answer:
        """Hosts read two bytes of endpoint flags before they look at the status."""
        if f["value_id"] == _ENDPOINT_FLAGS:
            if f["characteristics"] & 0xFF in self._stack.endpoints:
                return {"value": _ENDPOINT_ENABLED.to_bytes(2, "little")}
            return {"status": Status.INVALID_PARAMETER, "value": b"\0\0"}
        if f["value_id"] in (_LAST_LEAVE_REASON, _SOURCE_ROUTE_OVERHEAD):
            return {"value": b"\0"}
        return {"status": Status.NOT_FOUND}

    def _set_policy(self, f: dict[str, Any]) -> Answer:
        self._policies[f["policy"]] = f["decision"]
        if f["policy"] == _TRUST_CENTER_POLICY:
            self._stack.trust_centre.policy = JoinPolicy(f["decision"] & 0x13)
        return OK

    def _get_policy(self, f: dict[str, Any]) -> Answer:
        return {"decision": self._policies.get(f["policy"], 0)}

    def _get_token(self, f: dict[str, Any]) -> Answer:
        if f["token"] != _RESTORED_EUI64:
            return {"status": Status.NOT_FOUND}
        restored = self._stack.nvm.coordinator.restored_eui64
        value = (_NO_EUI64 if restored is None else restored).to_bytes(8, "little")
        return {"sized_value": len(value).to_bytes(4, "little") + value}

    def _set_token(self, f: dict[str, Any]) -> Answer:
        if f["token"] != _RESTORED_EUI64:
            return {"status": Status.NOT_SUPPORTED}
        value = int.from_bytes(f["sized_value"][4:12], "little")
        self._stack.nvm.coordinator.restored_eui64 = None if value == _NO_EUI64 else value
        self._stack.nvm.save()
        return OK

    def _random(self, _: dict[str, Any]) -> Answer:
        return {"value": self._stack.network.air.rng.getrandbits(16)}

    def _read_counters(self, _: dict[str, Any]) -> Answer:
        return {"values": struct.pack(f"<{COUNTERS}H", *self._stack.counters)}

    def _read_and_clear_counters(self, f: dict[str, Any]) -> Answer:
        values = self._read_counters(f)
        self._stack.counters = [0] * COUNTERS
        return values
