"""The report: every figure a person sees, computed once and drawn as a web page, a workbook, csv or text.

A name is loaded when it is first used, as most of wfm needs only `wfm.report.formats`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULES = {
    "Report": "wfm.report.model",
    "build_headline_sentence": "wfm.report.headline_text",
    "build_headline_text": "wfm.report.headline_text",
    "build_report": "wfm.report.build",
    "to_csv": "wfm.report.export.csv",
    "to_html": "wfm.report.html.document",
    "to_xlsx": "wfm.report.export.xlsx",
    "write_html": "wfm.report.write",
    "write_report": "wfm.report.write",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
