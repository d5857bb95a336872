"""Names that are spelt out for help and completion are those of the modules that know them."""

from __future__ import annotations

from wfm.cli import choices
from wfm.core import schema
from wfm.engine.adherence import definitions, rollup, shrinkage
from wfm.engine.reconcile import reconcile
from wfm.files import OUTPUT_FORMATS, list_importable_tables
from wfm.report.write import REPORT_ENDINGS
from wfm.vendors import find_vendor_names, load_vendor


def test_tables_are_those_of_the_schema():
    assert tuple(schema.read_tables()) == choices.TABLES
    assert list_importable_tables() == choices.IMPORTABLE_TABLES


def test_names_of_scores_are_those_of_the_engine():
    assert tuple(definitions.DEFINITIONS) == choices.DEFINITIONS
    assert definitions.ALL_DEFINITIONS == choices.ALL_DEFINITIONS
    assert tuple(definitions.OWN_DEFINITIONS) == choices.OWN_SCORES
    assert tuple(shrinkage.UTILISATION_FORMULAS) == choices.UTILISATIONS


def test_groups_are_those_of_the_engine():
    assert rollup.GROUPINGS == choices.SCORE_GROUPS
    assert tuple(rollup.GROUPING_ALIASES) == choices.GROUP_ALIASES
    assert reconcile.GROUPINGS == choices.RECONCILE_GROUPS


def test_formats_are_those_that_can_be_written():
    from wfm.cli.output import Format

    assert list(OUTPUT_FORMATS) == [name for name in Format if name != Format.table]
    assert REPORT_ENDINGS == choices.REPORT_ENDINGS


def test_every_feed_of_a_vendor_is_proposed():
    assert {feed.name for name in find_vendor_names() for feed in load_vendor(name).FEEDS} <= set(
        choices.FEEDS
    )
