"""A simulated Nuki Smart Lock, generation 3 with keypad, or Ultra: a family, see `ble.device`.

Written from the public work of others on the protocol, never from their code: ronengr/pyNukiBT,
I-Connect/NukiBleEsp32, technyon/nuki_hub, and the vendor's "Nuki Smart Lock API" with the remarks
on developer.nuki.io. What none of them states is marked "assumed" where it is decided. Not
simulated: time control (39 to 3F), the keypad's own radio (48), the Opener.
"""

from firmware_sims.ble.nuki.commands import COMMANDS
from firmware_sims.ble.nuki.skin import NukiSkin, build

__all__ = ["COMMANDS", "NukiSkin", "build"]
