"""The settings: one TOML file, overridden by the environment, checked before anything starts.

`models` has every key with its type, bounds, default and meaning; `loading` turns what is wrong
into sentences. Not here: reading the secrets that keys point to, and any component's own defaults;
components are given plain arguments by `gateway.app` and never see these models.

Rules
- An unknown key, a wrong type or an impossible value stops the start; all faults are told at once,
  each by its dotted name. A setting that is silently ignored is a door that stays shut, or open.
- A secret is never a value here, only a path to one, so that settings may be printed and logged.
- Types are strict: in TOML `"8883"` is not a number. In the environment everything is text, so
  there `LOCK_GATEWAY_BROKER__PORT=8883` is read as what the key takes.
- Durations carry their unit in their name: `_s`, `_days`.
"""

from gateway.config.loading import load, parse
from gateway.config.models import BrokerSection, EventsSection, Settings

__all__ = ["BrokerSection", "EventsSection", "Settings", "load", "parse"]
