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
    from wfm.analysis.live import live_frames as live
    from wfm.analysis.load import score_frames as score
    from wfm.centre import Centre
    from wfm.centre import open_centre as open
    from wfm.core.errors import WfmError

__all__ = ["Centre", "WfmError", "live", "open", "score"]

_DEFINED_IN = {
    "Centre": ("wfm.centre", "Centre"),
    "WfmError": ("wfm.core.errors", "WfmError"),
    "live": ("wfm.analysis.live", "live_frames"),
    "open": ("wfm.centre", "open_centre"),
    "score": ("wfm.analysis.load", "score_frames"),
}


def __getattr__(name: str) -> Any:
    if name not in _DEFINED_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, there = _DEFINED_IN[name]
    return getattr(import_module(module), there)
