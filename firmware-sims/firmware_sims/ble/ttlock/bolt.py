"""Moving the bolt of a TTLock and asking about it, its clock, its log, itself.

Here: commands 47, 58, 69, 14, 43, 34, 25, 01, 90. Not here: codes, cards, switches.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from firmware_sims.ble.ttlock import oplog
from firmware_sims.ble.ttlock.core import Level
from firmware_sims.ble.ttlock.facts import Feature
from firmware_sims.ble.ttlock.fields import EPOCH, Error, Refused, date6, u8, u32
from firmware_sims.ble.ttlock.login import check_sum, check_vendor
from firmware_sims.ble.ttlock.oplog import Record
from firmware_sims.ble.ttlock.spec import Spec
from firmware_sims.firmware.model import BoltState, Kind, Source

if TYPE_CHECKING:
    from firmware_sims.ble.ttlock.core import Core
    from firmware_sims.ble.ttlock.fields import Reader
    from firmware_sims.ble.ttlock.spec import Table


def _move(core: Core, reader: Reader, target: BoltState) -> bytes:
    shown, record_id = reader.number(4), reader.number(4)
    reader.rest()  # lifts: date6 and floors
    check_sum(core, shown)
    uid = core.session.uid
    core.acting = (uid, record_id)
    if core.setting("frozen"):
        core.write(Record.APP_FROZEN, oplog.person(uid, record_id))
        raise Refused(Error.FROZEN)
    if target is BoltState.UNLOCKED:
        if core.setting("bolted_inside"):
            core.write(Record.APP_DEAD_LOCKED, oplog.person(uid, record_id))
            raise Refused(Error.DEAD_LOCKED)
        core.set("dead_locked", 0)
    kind = Kind.UNLOCKED if target is BoltState.UNLOCKED else Kind.LOCKED
    if not core.firmware.move(target, kind, Source.RADIO, None):
        raise Refused(Error.FAILED)
    now = date6(core.firmware.clock.local())
    return u8(core.battery) + u32(uid) + u32(record_id) + now


def _unlock(core: Core, reader: Reader) -> bytes:
    return _move(core, reader, BoltState.UNLOCKED)


def _lock(core: Core, reader: Reader) -> bytes:
    return _move(core, reader, BoltState.LOCKED)


def _dead_lock(core: Core, reader: Reader) -> bytes:
    """Assumed: codes and cards open nothing until the app unlocks."""
    data = _move(core, reader, BoltState.LOCKED)
    core.set("dead_locked", 1)
    return data


def _status(core: Core, reader: Reader) -> bytes:
    check_vendor(reader)
    status = core.status()
    return status if core.firmware.profile.has_door_sensor else status[:2]


def _set_clock(core: Core, reader: Reader) -> bytes:
    local_s = reader.local(6)
    reader.end()
    core.set_local(local_s)
    return b""


def _get_clock(core: Core, _reader: Reader) -> bytes:
    return date6(core.firmware.clock.local())


def _read_log(core: Core, reader: Reader) -> bytes:
    sequence = reader.number(2)
    reader.end()
    facts = core.facts
    page = core.log.page(
        sequence,
        budget=facts.log_page_bytes,
        most=facts.log_page_records,
        ends_with_ffff=facts.log_ends_with_ffff,
    )
    core.firmware.changed()
    return page


def _features(core: Core, _reader: Reader) -> bytes:
    """The "special value" is nothing but bits 0 to 31; bits 32 to 63 follow it.

    So the captured `64 35CCF5F7 800C2D44` reads as passcodes, cards, auto-lock …, and 34, 38, 40,
    42. domodom30/ttlock-sdk-js, DeviceFeaturesCommand, reads it so; an old lock sends one word
    (kind3r/hass-addons #34), others three or four (#41); the cloud's featureValue is the same
    words, the last one first (jbergler/hass-ttlock #42).
    """
    return u8(core.battery) + b"".join(u32(word) for word in core.facts.feature_words)


def _device_info(core: Core, reader: Reader) -> bytes:
    selector = reader.number(1)
    profile = core.firmware.profile
    when = EPOCH + timedelta(seconds=core.firmware.clock.local())
    texts = {
        1: profile.model,
        2: core.facts.hardware,
        3: profile.software,
        4: core.facts.made,
        5: core.address,
        6: f"{when:%Y%m%d%H%M%S}",
    }
    if selector not in texts:
        raise Refused(Error.INVALID_PARAMETER)
    return texts[selector].encode()


COMMANDS: Table = {
    (0x47, None): Spec("unlock", _unlock, Level.USER),
    (0x58, None): Spec("lock", _lock, Level.USER, feature=Feature.MANUAL_LOCK),
    (0x69, None): Spec("dead_lock", _dead_lock, Level.USER, feature=Feature.DEAD_LOCK),
    (0x14, None): Spec("get_status", _status, None, changes=False),
    (0x43, None): Spec("set_clock", _set_clock),
    (0x34, None): Spec("get_clock", _get_clock, None, changes=False),
    (0x25, None): Spec("read_log", _read_log, Level.NOBODY, changes=False),
    (0x01, None): Spec("info.features", _features, None, changes=False),
    (0x90, None): Spec("info.device", _device_info, Level.NOBODY, changes=False),
}
