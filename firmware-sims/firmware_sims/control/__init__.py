"""The control interface: someone at the door, and the truth about the locks.

JSON lines over a unix socket or loopback TCP. A request is ``{"id": 1, "op": "type_code",
"device": "front", "code": "…"}``, its answer ``{"id": 1, "ok": true, "result": {…}}`` or
``{"id": 1, "ok": false, "error": "…"}``. ``operations`` lists what can be asked.
"""

from firmware_sims.control.client import ControlClient, ControlError
from firmware_sims.control.server import ControlServer

__all__ = ["ControlClient", "ControlError", "ControlServer"]
