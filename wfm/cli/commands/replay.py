"""`wfm replay`: parse the stored raw payloads again."""

from __future__ import annotations

from wfm.cli.commands.collect import SCREEN_COLUMNS, tabulate_cycles
from wfm.cli.options import FeedOption, FormatOption, OutOption, SourcesArgument, open_centre
from wfm.cli.output import OutputTarget, print_frame, show_progress


def run(
    source: SourcesArgument = None,
    feed: FeedOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Read stored payloads again after a parser or unit change.

    The phone systems are not contacted.

    Example: wfm replay ncc --feed interval_volume
    """
    from wfm.collect.collector import Collector
    from wfm.collect.sources import check_sources, select_feeds

    target, centre = OutputTarget.choose(format, out), open_centre()
    pairs = select_feeds(check_sources(centre.settings.sources, centre.settings.country), source, feed)
    collector = Collector(centre.database)
    with show_progress("Replaying"):
        cycles = [collector.replay_feed(one, what) for one, what in pairs]
    print_frame(tabulate_cycles(cycles), target, SCREEN_COLUMNS)
