"""A simulated August or Yale (Access) lock: a family of Bluetooth locks, see `ble.device`.

Written from the facts that Yale-Libs/yalexs-ble (Apache-2.0; `const.py`, `session.py`,
`secure_session.py`, `lock.py`) states about the bytes, never from its code. What it does not state
is marked "assumed" where it is decided.
"""

from firmware_sims.ble.august.peripheral import COMMANDS
from firmware_sims.ble.august.skin import AugustSkin, build

__all__ = ["COMMANDS", "AugustSkin", "build"]
