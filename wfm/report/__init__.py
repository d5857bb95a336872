"""Every figure a person sees, assembled once; drawn as a page, a workbook, csv or a few lines of text."""

from wfm.report.assemble import assemble
from wfm.report.flat import to_csv
from wfm.report.formats import clock, count, day, exact, hours, moment, percent, points
from wfm.report.page.document import to_html
from wfm.report.report import Report
from wfm.report.sentence import headline_text, sentence
from wfm.report.workbook import to_xlsx
from wfm.report.writing import write, write_html

__all__ = [
    "Report",
    "assemble",
    "clock",
    "count",
    "day",
    "exact",
    "headline_text",
    "hours",
    "moment",
    "percent",
    "points",
    "sentence",
    "to_csv",
    "to_html",
    "to_xlsx",
    "write",
    "write_html",
]
