"""`wfm adherence`: scores by agent, workday or any other group."""

from __future__ import annotations

from wfm.cli.options import (
    AgentsOption,
    AsOfOption,
    ByOption,
    DefinitionsOption,
    FormatOption,
    FromOption,
    OutOption,
    ToOption,
    open_centre,
    parse_groups,
)
from wfm.cli.output import OutputTarget, order_score_columns, print_frame, print_score_summary, show_progress


def run(
    from_: FromOption,
    to: ToOption,
    by: ByOption = "agent,workday",
    definition: DefinitionsOption = None,
    agent: AgentsOption = None,
    as_of: AsOfOption = None,
    format: FormatOption = None,
    out: OutOption = None,
) -> None:
    """Score adherence by agent, day, team or any other group.

    Every scheduled second has one class: in adherence, call driven, approved, system, unknown or controllable.
    adherence = in / (scheduled - unknown); adherence adjusted also counts what calls, approvals and outages explain.

    Example: wfm adherence --from 2026-03-02 --to 2026-03-09 --by team,workday
    """
    target = OutputTarget.choose(format, out)
    with show_progress("Scoring"):
        rows = open_centre().adherence(
            from_, to, by=parse_groups(by), definitions=definition or (), agents=agent, as_of=as_of
        )
    print_frame(rows, target, order_score_columns(rows))
    if target.is_screen:
        print_score_summary(rows)
