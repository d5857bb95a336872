"""The report as one HTML file: the figures of every section, put into the templates."""

from __future__ import annotations

from wfm.report import labels
from wfm.report.html.sections.agents import build_agents
from wfm.report.html.sections.exceptions import build_longest_exceptions
from wfm.report.html.sections.forecast import build_forecast
from wfm.report.html.sections.headline import build_headline
from wfm.report.html.sections.highlights import build_highlights
from wfm.report.html.sections.raw_vs_adjusted import build_comparison, build_workday_chart
from wfm.report.html.sections.volume import build_volume
from wfm.report.model import Report


def to_html(report: Report) -> str:
    """Return the report as one HTML file that needs no network, no script and no other file."""
    # Slow to import, and most commands draw no page.
    from wfm.report.html.environment import get_environment, render_page

    return render_page(
        get_environment(),
        "report.html",
        report=report,
        total=report.total,
        labels=labels,
        headline=build_headline(report),
        highlights=build_highlights(report),
        teams=report.by_team.to_dicts(),
        workdays=report.by_day.to_dicts(),
        workday_chart=build_workday_chart(report),
        agents=build_agents(report),
        longest_exceptions=build_longest_exceptions(report),
        comparison=build_comparison(report),
        volume=build_volume(report),
        forecast=None if report.forecast.is_empty() else build_forecast(report),
    )
