"""What wfm does: the only place where files, store, engine and report meet."""

from wfm.jobs.centre import Centre, open_centre
from wfm.jobs.changes import Changes
from wfm.jobs.exempting import Decision
from wfm.jobs.explaining import Explanation, Instant
from wfm.jobs.importing import Imported
from wfm.jobs.live import Following, live_frames
from wfm.jobs.rehearsing import Rehearsal
from wfm.jobs.scoring import score_frames

__all__ = [
    "Centre",
    "Changes",
    "Decision",
    "Explanation",
    "Following",
    "Imported",
    "Instant",
    "Rehearsal",
    "live_frames",
    "open_centre",
    "score_frames",
]
