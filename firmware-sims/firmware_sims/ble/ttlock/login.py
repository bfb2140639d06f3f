"""Claiming a TTLock, proving who one is, giving it up: commands 45, 19, 56, 57, 55, 41, 30, 52.

Here: keys and sessions. Not here: what may be done then. The sequence of claiming is that of "SDK-
Analysis" among the documents of kind3r/ttlock-sdk-js. Assumed: a claim counts from 57 on, and a
connection that ends before leaves the lock in setting mode; a wrong sum is answered with "no
permission"; an administrator who shows a higher lockFlagPos raises the lock's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.ble.ttlock.core import Keys, Level
from firmware_sims.ble.ttlock.fields import Error, Refused, date5, u32
from firmware_sims.ble.ttlock.spec import Spec

if TYPE_CHECKING:
    from firmware_sims.ble.ttlock.core import Core
    from firmware_sims.ble.ttlock.fields import Reader
    from firmware_sims.ble.ttlock.spec import Table

VENDOR = b"SCIENER"


def check_vendor(reader: Reader) -> None:
    """`Refused` unless the vendor's word is all that is left."""
    if reader.rest() != VENDOR:
        raise Refused(Error.WRONG_VENDOR)


def _setting(core: Core) -> None:
    if not core.setting_mode:
        raise Refused(Error.NOT_SETTING)


def _init(core: Core, _reader: Reader) -> bytes:
    _setting(core)
    core.session.new_key = core.session.new_keys = None
    return b""


def _get_key(core: Core, reader: Reader) -> bytes:
    _setting(core)
    check_vendor(reader)
    core.session.new_key = core.rng.randbytes(16)
    return core.session.new_key


def _add_admin(core: Core, reader: Reader) -> bytes:
    _setting(core)
    admin_ps, unlock_key = reader.number(4), reader.number(4)
    check_vendor(reader)
    if core.session.new_key is None:
        raise Refused(Error.FAILED)
    core.session.new_keys = Keys(core.session.new_key, admin_ps, unlock_key)
    return VENDOR


def _finish(core: Core, reader: Reader) -> bytes:
    reader.end()
    if core.session.new_keys is None:
        raise Refused(Error.NO_ADMIN if core.setting_mode else Error.NOT_SETTING)
    core.keys = core.session.new_keys
    core.session.new_key = core.session.new_keys = None
    core.session.level = Level.ADMIN
    core.firmware.changed()
    return b""


def _challenge(core: Core, *, flag_pos: int, uid: int) -> bytes:
    session = core.session
    if flag_pos < core.flag_pos:
        raise Refused(Error.REVOKED)
    session.flag_pos, session.uid = flag_pos, uid
    session.ps = core.rng.getrandbits(32)
    session.level = max(session.level, Level.USER)
    return u32(session.ps)


def _check_user(core: Core, reader: Reader) -> bytes:
    start, end = reader.take(5), reader.take(5)
    flag_pos, uid = reader.number(3), reader.number(4)
    reader.end()
    # Compared field by field as they come: one client writes BCD, which is no time at all.
    now = date5(core.firmware.clock.local())
    if now < start:
        raise Refused(Error.NOT_YET_VALID)
    if now > end:
        raise Refused(Error.EXPIRED)
    return _challenge(core, flag_pos=flag_pos, uid=uid)


def _check_admin(core: Core, reader: Reader) -> bytes:
    admin_ps, flag_pos, uid = reader.number(4), reader.number(3), reader.number(4)
    reader.end()
    if core.keys is None or admin_ps != core.keys.admin_ps:
        raise Refused(Error.WRONG_ADMIN)
    ps = _challenge(core, flag_pos=flag_pos, uid=uid)
    core.session.asked_admin = True
    return ps


def check_sum(core: Core, shown: int) -> None:
    """`Refused` unless the sum proves that the unlock key is known."""
    if core.session.ps is None or core.keys is None:
        raise Refused(Error.NOT_LOGGED_IN)
    if shown != (core.session.ps + core.keys.unlock_key) % 2**32:
        raise Refused(Error.NO_PERMISSION)


def _check_random(core: Core, reader: Reader) -> bytes:
    shown = reader.number(4)
    reader.end()
    if not core.session.asked_admin:
        raise Refused(Error.NOT_LOGGED_IN)
    check_sum(core, shown)
    core.session.level = Level.ADMIN
    if core.session.flag_pos > core.flag_pos:
        core.flag_pos = core.session.flag_pos
        core.firmware.changed()
    return b""


def _reset(core: Core, reader: Reader) -> bytes:
    reader.end()
    core.firmware.factory_reset()
    core.forget()
    core.firmware.changed()
    return b""


COMMANDS: Table = {
    (0x45, None): Spec("pair.init", _init, None),
    (0x19, None): Spec("pair.key", _get_key, None, changes=False),
    (0x56, None): Spec("pair.admin", _add_admin, None, changes=False),
    (0x57, None): Spec("pair.finish", _finish, None),
    (0x55, None): Spec("login.user", _check_user, Level.NOBODY, changes=False),
    (0x41, None): Spec("login.admin", _check_admin, Level.NOBODY, changes=False),
    (0x30, None): Spec("login.sum", _check_random, Level.NOBODY, changes=False),
    (0x52, None): Spec("factory_reset", _reset),
}
