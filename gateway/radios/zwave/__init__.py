"""Z-Wave through Z-Wave JS: the only package that imports its client, `zwave_js_server`.

`radio` is what the rest of the house sees; `process` is the server, a child process; `line` is one
connection to it; `members` turns its nodes and their words into ours, `joining` lets nodes in and
out, `plain` translates values and errors, `keys` names the network's keys.

Importing this brings the client's library: do it only where Z-Wave is switched on.
"""

from gateway.radios.zwave.keys import KEY_BYTES, KEY_NAMES
from gateway.radios.zwave.process import Door, Server
from gateway.radios.zwave.radio import ZwaveRadio

__all__ = ["KEY_BYTES", "KEY_NAMES", "Door", "Server", "ZwaveRadio"]
