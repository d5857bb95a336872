"""What wfm does: the only place where files, store, engine and report meet."""

from wfm.jobs.centre import Centre, open_centre
from wfm.jobs.changes import Changes
from wfm.jobs.demo import Collected, Demo, Proof, bank, demo
from wfm.jobs.exempting import Decision
from wfm.jobs.explaining import Explanation, Instant
from wfm.jobs.importing import Imported
from wfm.jobs.live import Following, live_frames
from wfm.jobs.rehearsing import Rehearsal
from wfm.jobs.scoring import score_frames

__all__ = [
    "Centre", "Changes", "Collected", "Decision", "Demo", "Explanation", "Following", "Imported", "Instant", "Proof",
    "Rehearsal", "bank", "demo", "live_frames", "open_centre", "score_frames",
]  # fmt: skip
