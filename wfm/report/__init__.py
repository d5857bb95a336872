"""The report: every figure a person sees, computed once and drawn as a web page, a workbook, csv or text."""

from wfm.report.build import build_report
from wfm.report.export.csv import to_csv
from wfm.report.export.xlsx import to_xlsx
from wfm.report.headline_text import build_headline_sentence, build_headline_text
from wfm.report.html.document import to_html
from wfm.report.model import Report
from wfm.report.write import write_html, write_report

__all__ = [
    "Report",
    "build_headline_sentence",
    "build_headline_text",
    "build_report",
    "to_csv",
    "to_html",
    "to_xlsx",
    "write_html",
    "write_report",
]
