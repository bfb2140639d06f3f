"""The EZSP commands and callbacks this NCP knows: frame ids and field layouts, by version.

Data only. Two families: EZSP 13 and 14+. A layout of the newer family is written out only where
it differs beyond the width of its status, which ``ezsp.layout`` handles.

Fact source: names, ids and schemas as read in bellows 1.2.1 (``bellows/ezsp/v4`` … ``v18``
``commands.py``) and checked against Silicon Labs UG100; zigbee-herdsman's ``ember`` adapter
agrees on those it uses (see ``interop``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from firmware_sims.zigbee.ezsp import Layout, layout

APS = "profile:H cluster:H source_endpoint:B destination_endpoint:B options:H group:H sequence:B"
CONTEXT = "core_key_type:B key_index:B derived:H eui64:Q network_index:B flags:B psa:I"
KEY_DATA = "bitmask:H outgoing_counter:I incoming_counter:I ttl:H"
PARAMETERS = (
    "extended_pan_id:Q pan_id:H power:B channel:B join_method:B manager:H update_id:B channels:I"
)
CHILD = "eui64:Q node_type:B node_id:H phy:B power:B timeout:B remaining:I"
MULTICAST = "multicast_id:H endpoint:B network_index:B"
NEIGHBOUR = "node_id:H lqi:B in_cost:B out_cost:B age:B eui64:Q"
ROUTE = "destination:H next_hop:H route_status:B age:B concentrator:B record_state:B"
BINDING = "type:B local:B cluster:H remote:B identifier:Q network_index:B"
_SENT_13 = f"type:B destination:H {APS} tag:B status:E message:L"
_INCOMING_13 = f"type:B {APS} lqi:B rssi:b sender:H binding:B address:B message:L"
_STATUS = "status:E"

# name: (frame id, command, response)
_COMMON: dict[str, tuple[int, str, str]] = {
    "version": (0x0000, "desired:B", "protocol:B stack_type:B stack_version:H"),
    "getLibraryStatus": (0x0001, "library:B", "library_status:B"),
    "addEndpoint": (
        0x0002,
        "endpoint:B profile:H device:H version:B inputs:B outputs:B clusters:R",
        "status:Z",
    ),
    "getExtendedValue": (0x0003, "value_id:B characteristics:I", "status:Z value:L"),
    "nop": (0x0005, "", ""),
    "noCallbacks": (0x0007, "", ""),
    "getNumStoredBeacons": (0x0008, "", "count:B"),
    "getMfgToken": (0x000B, "token:B", "value:L"),
    "setMfgToken": (0x000C, "token:B value:L", _STATUS),
    "setTimer": (0x000E, "timer:B time:H units:B repeat:B", _STATUS),
    "setConcentrator": (0x0010, "on:B type:H min:H max:H route:B delivery:B hops:B", _STATUS),
    "setBrokenRouteErrorCode": (0x0011, "code:B", _STATUS),
    "getXncpInfo": (0x0013, "", "status:E manufacturer:H version:H"),
    "setManufacturerCode": (0x0015, "code:H", ""),
    "setPowerDescriptor": (0x0016, "descriptor:H", ""),
    "networkInit": (0x0017, "bitmask:H", _STATUS),
    "networkState": (0x0018, "", "state:B"),
    "startScan": (0x001A, "scan_type:B channels:I duration:B", _STATUS),
    "stopScan": (0x001D, "", _STATUS),
    "formNetwork": (0x001E, PARAMETERS, _STATUS),
    "leaveNetwork": (0x0020, "", _STATUS),
    "permitJoining": (0x0022, "duration:B", _STATUS),
    "getEui64": (0x0026, "", "eui64:Q"),
    "getNodeId": (0x0027, "", "node_id:H"),
    "getNetworkParameters": (0x0028, "", f"status:E node_type:B {PARAMETERS}"),
    "getParentChildParameters": (0x0029, "", "children:B parent_eui64:Q parent:H"),
    "clearBindingTable": (0x002A, "", _STATUS),
    "getBinding": (0x002C, "index:B", f"status:E {BINDING}"),
    "maximumPayloadLength": (0x0033, "", "length:B"),
    "sendUnicast": (
        0x0034,
        f"type:B destination:H {APS} tag:B message:L",
        "status:E sequence:B",
    ),
    "sendBroadcast": (
        0x0036,
        f"destination:H {APS} radius:B tag:B message:L",
        "status:E sequence:B",
    ),
    "sendMulticast": (
        0x0038,
        f"{APS} hops:B nonmember:B tag:B message:L",
        "status:E sequence:B",
    ),
    "sendReply": (0x0039, f"destination:H {APS} message:L", _STATUS),
    "sendManyToOneRouteRequest": (0x0041, "type:H radius:B", _STATUS),
    "customFrame": (0x0047, "payload:L", "status:E reply:L"),
    "getRandomNumber": (0x0049, "", "status:E value:H"),
    "getChildData": (0x004A, "index:B", f"status:E {CHILD}"),
    "unicastCurrentNetworkKey": (0x0050, "node_id:H eui64:Q parent:H", _STATUS),
    "getConfigurationValue": (0x0052, "config_id:B", "status:Z value:H"),
    "setConfigurationValue": (0x0053, "config_id:B value:H", "status:Z"),
    "setPolicy": (0x0055, "policy:B decision:B", "status:Z"),
    "getPolicy": (0x0056, "policy:B", "status:Z decision:B"),
    "setSourceRouteDiscoveryMode": (0x005A, "mode:B", "remaining:I"),
    "addressTableEntryIsActive": (0x005B, "index:B", "active:B"),
    "setAddressTableRemoteEui64": (0x005C, "index:B eui64:Q", _STATUS),
    "setAddressTableRemoteNodeId": (0x005D, "index:B node_id:H", ""),
    "getAddressTableRemoteEui64": (0x005E, "index:B", "eui64:Q"),
    "getAddressTableRemoteNodeId": (0x005F, "index:B", "node_id:H"),
    "lookupNodeIdByEui64": (0x0060, "eui64:Q", "node_id:H"),
    "lookupEui64ByNodeId": (0x0061, "node_id:H", "status:E eui64:Q"),
    "getMulticastTableEntry": (0x0063, "index:B", f"status:E {MULTICAST}"),
    "setMulticastTableEntry": (0x0064, f"index:B {MULTICAST}", _STATUS),
    "readAndClearCounters": (0x0065, "", "values:R"),
    "setInitialSecurityState": (
        0x0068,
        "bitmask:H preconfigured_key:K network_key:K key_sequence:B trust_center:Q",
        _STATUS,
    ),
    "getCurrentSecurityState": (0x0069, "", "status:E bitmask:H trust_center:Q"),
    "clearTransientLinkKeys": (0x006B, "", ""),
    "gpSinkTableInit": (0x0070, "", ""),
    "broadcastNextNetworkKey": (0x0073, "key:K", _STATUS),
    "broadcastNetworkKeySwitch": (0x0074, "", _STATUS),
    "findKeyTableEntry": (0x0075, "eui64:Q link_key:B", "index:B"),
    "eraseKeyTableEntry": (0x0076, "index:B", _STATUS),
    "tokenFactoryReset": (0x0077, "keep_counters:B keep_boot_counter:B", ""),
    "getNeighbor": (0x0079, "index:B", f"status:E {NEIGHBOUR}"),
    "neighborCount": (0x007A, "", "count:B"),
    "getRouteTableEntry": (0x007B, "index:B", f"status:E {ROUTE}"),
    "setExtendedTimeout": (0x007E, "eui64:Q extended:B", ""),
    "getExtendedTimeout": (0x007F, "eui64:Q", "extended:B"),
    "echo": (0x0081, "data:L", "data:L"),
    "replaceAddressTableEntry": (
        0x0082,
        "index:B eui64:Q node_id:H extended:B",
        "status:E eui64:Q node_id:H extended:B",
    ),
    "setRadioIeee802154CcaMode": (0x0095, "mode:B", _STATUS),
    "setRadioPower": (0x0099, "power:b", _STATUS),
    "setRadioChannel": (0x009A, "channel:B", _STATUS),
    "removeDevice": (0x00A8, "destination:H destination_eui64:Q target_eui64:Q", _STATUS),
    "unicastNwkKeyUpdate": (0x00A9, "destination:H eui64:Q key:K", _STATUS),
    "getValue": (0x00AA, "value_id:B", "status:Z value:L"),
    "setValue": (0x00AB, "value_id:B value:L", "status:Z"),
    "setChildData": (0x00AC, f"index:B {CHILD}", _STATUS),
    "setSourceRoute": (0x00AE, "destination:H relays:L", _STATUS),
    "clearKeyTable": (0x00B1, "", _STATUS),
    "setLogicalAndRadioChannel": (0x00B9, "channel:B", _STATUS),
    "getLogicalChannel": (0x00BA, "", "channel:B"),
    "getSourceRouteTableTotalSize": (0x00C3, "", "size:B"),
    "gpSinkTableClearAll": (0x00E2, "", ""),
    "readCounters": (0x00F1, "", "values:R"),
    "getTokenCount": (0x0100, "", "count:B"),
    "getTokenData": (0x0102, "token:I index:I", "status:E sized_value:R"),
    "setTokenData": (0x0103, "token:I index:I sized_value:R", _STATUS),
    "resetNode": (0x0104, "", ""),
    "getApsKeyInfo": (0x010C, CONTEXT, f"eui64:Q {KEY_DATA} status:S"),
    "exportLinkKeyByEui": (0x010D, "eui64:Q", f"key:K index:B {KEY_DATA} status:S"),
    "importLinkKey": (0x010E, "index:B eui64:Q key:K", "status:S"),
    "exportLinkKeyByIndex": (0x010F, "index:B", f"eui64:Q key:K {KEY_DATA} status:S"),
    "checkKeyContext": (0x0110, CONTEXT, "status:S"),
    "importTransientKey": (0x0111, "eui64:Q key:K flags:B", "status:S"),
    "exportTransientKeyByIndex": (0x0112, "index:B", f"{CONTEXT} key:K {KEY_DATA} status:S"),
    "exportTransientKeyByEui": (0x0113, "eui64:Q", f"{CONTEXT} key:K {KEY_DATA} status:S"),
    "exportKey": (0x0114, CONTEXT, "key:K status:S"),
    "importKey": (0x0115, f"{CONTEXT} key:K", "status:S"),
    "getNetworkKeyInfo": (
        0x0116,
        "",
        "status:S key_set:B alternate_set:B key_sequence:B alternate_sequence:B counter:I",
    ),
    "gpSinkTableGetNumberOfActiveEntries": (0x0118, "", "count:B"),
}

_SINCE_14: dict[str, tuple[int, str, str]] = {
    "setManufacturerCode": (0x0015, "code:H", _STATUS),
    "setPowerDescriptor": (0x0016, "descriptor:H", _STATUS),
    "leaveNetwork": (0x0020, "options:B", _STATUS),
    "sendUnicast": (
        0x0034,
        f"type:B destination:H {APS} tag:H message:L",
        "status:E sequence:B",
    ),
    "sendBroadcast": (
        0x0036,
        f"alias:H destination:H nwk_sequence:B {APS} radius:B tag:H message:L",
        "status:E sequence:B",
    ),
    "sendMulticast": (
        0x0038,
        f"{APS} hops:B destination:H alias:H nwk_sequence:B tag:H message:L",
        "status:E sequence:B",
    ),
    "setAddressTableInfo": (0x005C, "index:B eui64:Q node_id:H", _STATUS),
    "getAddressTableInfo": (0x005E, "index:B", "status:E node_id:H eui64:Q"),
    "lookupNodeIdByEui64": (0x0060, "eui64:Q", "status:E node_id:H"),
    "setExtendedTimeout": (0x007E, "eui64:Q extended:B", _STATUS),
    "getExtendedTimeout": (0x007F, "eui64:Q", _STATUS),
    "getApsKeyInfo": (0x010C, CONTEXT, f"status:S {KEY_DATA} {CONTEXT}"),
    "exportLinkKeyByEui": (0x010D, "eui64:Q", f"status:S {CONTEXT} key:K {KEY_DATA}"),
    "exportLinkKeyByIndex": (0x010F, "index:B", f"status:S {CONTEXT} key:K {KEY_DATA}"),
    "exportTransientKeyByIndex": (0x0112, "index:B", f"status:S {CONTEXT} key:K {KEY_DATA}"),
    "exportTransientKeyByEui": (0x0113, "eui64:Q", f"status:S {CONTEXT} key:K {KEY_DATA}"),
    "exportKey": (0x0114, CONTEXT, f"status:S key:K {CONTEXT}"),
    "importKey": (0x0115, f"{CONTEXT} key:K", f"status:S {CONTEXT}"),
}
_GONE_IN_14 = (
    "setAddressTableRemoteEui64",
    "setAddressTableRemoteNodeId",
    "getAddressTableRemoteEui64",
    "getAddressTableRemoteNodeId",
)
_SINCE_17: dict[str, tuple[int, str, str]] = {"gpClearProxyTable": (0x005F, "", "")}
_SINCE_18: dict[str, tuple[int, str, str]] = {"getTokenCount": (0x0100, "", "count:I")}

# name: (frame id, fields)
_CALLBACKS_13: dict[str, tuple[int, str]] = {
    "stackStatusHandler": (0x0019, _STATUS),
    "networkFoundHandler": (
        0x001B,
        "channel:B pan_id:H extended_pan_id:Q joinable:B profile:B update_id:B lqi:B rssi:b",
    ),
    "scanCompleteHandler": (0x001C, "channel:B status:E"),
    "childJoinHandler": (0x0023, "index:B joining:B node_id:H eui64:Q node_type:B"),
    "trustCenterJoinHandler": (0x0024, "node_id:H eui64:Q update:B decision:B parent:H"),
    "messageSentHandler": (0x003F, _SENT_13),
    "incomingMessageHandler": (0x0045, _INCOMING_13),
    "energyScanResultHandler": (0x0048, "channel:B rssi:b"),
    "invalidCommand": (0x0058, "status:Z"),
}
_CALLBACKS_14: dict[str, tuple[int, str]] = {
    "messageSentHandler": (0x003F, f"status:E type:B destination:H {APS} tag:H message:L"),
    "incomingMessageHandler": (
        0x0045,
        f"type:B {APS} sender:H eui64:Q binding:B address:B lqi:B rssi:b timestamp:I message:L",
    ),
}

SUPPORTED_VERSIONS = (13, 14, 16, 17, 18)


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name and how to read it and answer it."""

    name: str
    frame_id: int
    request: Layout
    response: Layout


@dataclass(frozen=True, slots=True)
class Schema:
    """Everything one EZSP version has."""

    version: int
    commands: dict[int, Command]  # by frame id
    callbacks: dict[str, tuple[int, Layout]]


@lru_cache
def schema(version: int) -> Schema:
    """Return the tables of one of ``SUPPORTED_VERSIONS``."""
    if version not in SUPPORTED_VERSIONS:
        raise ValueError(f"EZSP {version} is not simulated; choose one of {SUPPORTED_VERSIONS}")
    unified = version >= 14
    commands, callbacks = dict(_COMMON), dict(_CALLBACKS_13)
    if unified:
        for name in _GONE_IN_14:
            del commands[name]
        commands |= _SINCE_14
        callbacks |= _CALLBACKS_14
    if version >= 17:
        commands |= _SINCE_17
    if version >= 18:
        commands |= _SINCE_18
    return Schema(
        version,
        {
            frame_id: Command(
                name,
                frame_id,
                layout(request, unified_status=unified),
                layout(answer, unified_status=unified),
            )
            for name, (frame_id, request, answer) in commands.items()
        },
        {
            name: (frame_id, layout(fields, unified_status=unified))
            for name, (frame_id, fields) in callbacks.items()
        },
    )
