"""Commands about keys: the initial security state, the key table, transient keys, exports.

Not here: forming and joining (``ncp_network``), join decisions (``trust_centre``).
Fact source: UG100 as read in bellows 1.2.1 (``EmberInitialSecurityBitmask``,
``EmberCurrentSecurityBitmask``, ``SecurityManagerKeyType``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firmware_sims.zigbee.ezsp import Status
from firmware_sims.zigbee.ncp_core import KEY_TABLE_SIZE, OK, Answer, Handler, Stack
from firmware_sims.zigbee.trust_centre import USES_HASHED_LINK_KEY, aes_mmo

if TYPE_CHECKING:
    from firmware_sims.zigbee.nvm import CoordinatorState
    from firmware_sims.zigbee.trust_centre import TransientKey

_GLOBAL_LINK_KEY, _HAVE_LINK_KEY, _HASHED_LINK_KEYS = 0x0004, 0x0010, 0x0084
_NETWORK_KEY, _TC_LINK_KEY = 1, 2
_HAS_COUNTERS_AND_PARTNER = 0x0002 | 0x0004 | 0x0008


def installed_key(state: CoordinatorState, eui64: int) -> bytes | None:
    """Return a device's own entry in the key table."""
    return next((key for owner, key in state.link_keys.values() if owner == eui64), None)


def fallback_key(state: CoordinatorState, eui64: int) -> bytes:
    """Return the key for a device without one of its own: the global one, or its hashed one."""
    if state.security_bitmask & USES_HASHED_LINK_KEY:
        return aes_mmo(state.preconfigured_key + eui64.to_bytes(8, "little"))
    return state.preconfigured_key


class SecurityCommands:
    """Answers for one stack; made anew at each reset."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def handlers(self) -> dict[str, Handler]:
        return {
            "setInitialSecurityState": self._set_security,
            "getCurrentSecurityState": self._get_security,
            "exportKey": self._export_key,
            "getNetworkKeyInfo": self._key_info,
            "importLinkKey": self._import_link_key,
            "exportLinkKeyByIndex": self._link_key_by_index,
            "exportLinkKeyByEui": self._link_key_by_eui64,
            "findKeyTableEntry": self._find_key,
            "eraseKeyTableEntry": self._erase_key,
            "clearKeyTable": self._clear_keys,
            "importTransientKey": self._import_transient,
            "exportTransientKeyByEui": self._transient_by_eui64,
            "exportTransientKeyByIndex": self._transient_by_index,
            "clearTransientLinkKeys": self._clear_transient,
            "checkKeyContext": lambda _: {"status": Status.NOT_FOUND},
            "getApsKeyInfo": lambda f: {**f, "status": Status.NOT_FOUND},
        }

    @property
    def _state(self) -> CoordinatorState:
        return self._stack.nvm.coordinator

    def _set_security(self, f: dict[str, Any]) -> Answer:
        if self._stack.up:
            return {"status": Status.INVALID_STATE}
        self._stack.initial_security = f
        return OK

    def _get_security(self, _: dict[str, Any]) -> Answer:
        if not self._state.formed:
            return {"status": Status.NOT_JOINED}
        hashed = self._state.security_bitmask & USES_HASHED_LINK_KEY
        bitmask = _GLOBAL_LINK_KEY | _HAVE_LINK_KEY | (_HASHED_LINK_KEYS if hashed else 0)
        return {"bitmask": bitmask, "trust_center": self._state.trust_center}

    def _export_key(self, f: dict[str, Any]) -> Answer:
        keys = {
            _NETWORK_KEY: self._state.network_key,
            _TC_LINK_KEY: self._state.preconfigured_key,
        }
        if not self._state.formed or f["core_key_type"] not in keys:
            return {**f, "status": Status.NOT_FOUND}
        return {**f, "key": keys[f["core_key_type"]]}

    def _key_info(self, _: dict[str, Any]) -> Answer:
        state = self._state
        return {
            "key_set": state.formed,
            "key_sequence": state.key_sequence,
            "counter": state.nwk_counter,
        }

    def _import_link_key(self, f: dict[str, Any]) -> Answer:
        if f["index"] >= self._stack.config[KEY_TABLE_SIZE]:
            return {"status": Status.INVALID_INDEX}
        self._state.link_keys[f["index"]] = (f["eui64"], f["key"])
        self._stack.nvm.save()
        return OK

    def _link_key(self, index: int | None) -> Answer:
        entry = None if index is None else self._state.link_keys.get(index)
        if entry is None:
            return {"status": Status.NOT_FOUND}
        return {
            "index": index,
            "key_index": index,
            "eui64": entry[0],
            "key": entry[1],
            "bitmask": _HAS_COUNTERS_AND_PARTNER,
        }

    def _link_key_by_index(self, f: dict[str, Any]) -> Answer:
        return self._link_key(f["index"])

    def _index_of(self, eui64: int) -> int | None:
        return next((i for i, (e, _) in self._state.link_keys.items() if e == eui64), None)

    def _link_key_by_eui64(self, f: dict[str, Any]) -> Answer:
        return self._link_key(self._index_of(f["eui64"]))

    def _find_key(self, f: dict[str, Any]) -> Answer:
        index = self._index_of(f["eui64"])
        return {"index": 0xFF if index is None else index}

    def _erase_key(self, f: dict[str, Any]) -> Answer:
        if self._state.link_keys.pop(f["index"], None) is None:
            return {"status": Status.INVALID_INDEX}
        self._stack.nvm.save()
        return OK

    def _clear_keys(self, _: dict[str, Any]) -> Answer:
        self._state.link_keys.clear()
        self._stack.nvm.save()
        return OK

    def _import_transient(self, f: dict[str, Any]) -> Answer:
        self._stack.trust_centre.add_transient(f["eui64"], f["key"], self._stack.loop.time())
        return OK

    def _transient(self, eui64: int, found: TransientKey | None) -> Answer:
        if found is None:
            return {"status": Status.NOT_FOUND}
        ttl = int(found.expires - self._stack.loop.time())
        return {"eui64": eui64, "key": found.key, "ttl": min(max(ttl, 0), 0xFFFF)}

    def _transient_by_eui64(self, f: dict[str, Any]) -> Answer:
        found = self._stack.trust_centre.transient(f["eui64"], self._stack.loop.time())
        return self._transient(f["eui64"], found)

    def _transient_by_index(self, f: dict[str, Any]) -> Answer:
        keys = self._stack.trust_centre.transients(self._stack.loop.time())
        if f["index"] >= len(keys):
            return {"status": Status.NOT_FOUND}
        return self._transient(*keys[f["index"]])

    def _clear_transient(self, _: dict[str, Any]) -> Answer:
        self._stack.trust_centre.clear_transient()
        return {}
