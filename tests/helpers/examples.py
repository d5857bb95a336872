"""How many examples Hypothesis draws: all of them for the profile `ci`, a third while one works."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings

FEWEST = 5


def register_profiles() -> None:
    """Register and load the profiles; `pytest --hypothesis-profile=ci` loads the full one."""
    # No deadline: a slow machine is no failure.
    settings.register_profile("quick", deadline=None, max_examples=33)
    settings.register_profile("ci", deadline=None, max_examples=100, derandomize=False, print_blob=True)
    settings.load_profile("quick")


def examples(full: int, **more: Any) -> settings:
    """Return settings that draw `full` examples under the profile `ci` and about a third otherwise."""
    if settings.get_current_profile_name() != "ci":
        full = max(min(full, FEWEST), full // 3)
    return settings(max_examples=full, **more)


def slow_examples(full: int, **more: Any) -> settings:
    """Return settings for tests whose examples are slow to draw or to check: no health check, no database."""
    return examples(full, database=None, suppress_health_check=list(HealthCheck), **more)
