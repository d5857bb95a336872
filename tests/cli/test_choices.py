"""Names that are spelt out for help and completion are those of the modules that know them."""

from __future__ import annotations

from wfm import schema
from wfm.cli import choices
from wfm.engine import definitions, reconcile, rollup, shrinkage
from wfm.files import FORMATS, importable
from wfm.report.write import REPORT_ENDINGS
from wfm.vendors import find_vendor_names, load_vendor


def test_tables_are_those_of_the_schema():
    assert tuple(schema.tables()) == choices.TABLES
    assert importable() == choices.IMPORTABLE_TABLES


def test_names_of_scores_are_those_of_the_engine():
    assert tuple(definitions.DEFINITIONS) == choices.DEFINITIONS
    assert definitions.ALL == choices.ALL_DEFINITIONS
    assert tuple(definitions.OWN) == choices.OWN_SCORES
    assert tuple(shrinkage.UTILISATIONS) == choices.UTILISATIONS


def test_groups_are_those_of_the_engine():
    assert rollup.BY == choices.SCORE_GROUPS
    assert tuple(rollup.SHORT) == choices.GROUP_ALIASES
    assert reconcile.BY == choices.RECONCILE_GROUPS


def test_formats_are_those_that_can_be_written():
    from wfm.cli.output import Format

    assert list(FORMATS) == [name for name in Format if name != Format.table]
    assert REPORT_ENDINGS == choices.REPORT_ENDINGS


def test_every_feed_of_a_vendor_is_proposed():
    assert {feed.name for name in find_vendor_names() for feed in load_vendor(name).FEEDS} <= set(
        choices.FEEDS
    )
