"""One queue's panel to forecast from."""

from wfm.engine.forecast.panel import build_panels


def one_panel(history, origin, missing=()):
    return next(
        build_panels(history, origin=origin, timezone="UTC", holiday=frozenset(), missing=frozenset(missing))
    )
