"""What every test gets: Hypothesis profiles, `ci` wide and `dev` quick."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Two shared cores are no reason to fail: a deadline per example would be a sleep in disguise.
settings.register_profile(
    "dev", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("dev"), max_examples=200, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
