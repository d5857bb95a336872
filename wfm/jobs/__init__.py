"""What wfm does: the only place where files, store, engine and report meet."""

from wfm.jobs.centre import Centre, open_centre
from wfm.jobs.demo import demo
from wfm.jobs.explaining import Explanation
from wfm.jobs.importing import Imported
from wfm.jobs.scoring import score_frames

__all__ = ["Centre", "Explanation", "Imported", "demo", "open_centre", "score_frames"]
