"""wfm: what agents did against what they were scheduled to do, how adherent that was, and why not.

::

    import wfm
    w = wfm.open("wfm.duckdb")
    w.adherence("2026-03-02", "2026-03-09", by=["team", "workday"])
    wfm.score(schedule=frame, agent_state=frame).exceptions()

Importing this does nothing; a name is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfm.errors import WfmError
    from wfm.jobs import Centre
    from wfm.jobs import live_frames as live
    from wfm.jobs import open_centre as open
    from wfm.jobs import score_frames as score

__all__ = ["Centre", "WfmError", "live", "open", "score"]

_HOME = {
    "Centre": ("wfm.jobs", "Centre"),
    "WfmError": ("wfm.errors", "WfmError"),
    "live": ("wfm.jobs", "live_frames"),
    "open": ("wfm.jobs", "open_centre"),
    "score": ("wfm.jobs", "score_frames"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, there = _HOME[name]
    return getattr(import_module(module), there)
