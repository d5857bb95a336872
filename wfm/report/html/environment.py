"""Build the Jinja2 environment of wfm's web pages, with the package's templates, filters and static files."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from wfm.report import formats
from wfm.report.html import filters

PACKAGE: Final = "wfm.report.html"
_CONTROL_CHARACTERS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

FILTERS: Final = {
    "percent": formats.format_percent,
    "percent_range": formats.format_percent_range,
    "points": formats.format_points,
    "duration": formats.format_duration,
    "exact_duration": formats.format_exact_seconds,
    "count": formats.format_count,
    "whole_count": formats.format_whole_count,
    "date": formats.format_date,
    "short_date": formats.format_short_date,
    "instant": formats.format_instant,
    "iso": formats.format_iso_instant,
    "words": formats.format_code,
    "plural": formats.format_plural,
    **filters.FILTERS,
}
"""Filter → function. Templates write every number through one of these, so that no two pages disagree."""


class PageEnvironment(Environment):
    """A Jinja2 environment in which ``row.column`` of a dict is the column."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return a column of a row, or else an attribute.

        Jinja2 tries the attribute first: a column named ``items`` would be a method of dict, and every other column
        would cost an exception, in tables of tens of thousands of cells.
        """
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def build_environment(*loaders: BaseLoader) -> PageEnvironment:
    """Build an environment with the shared templates, searched after those of ``loaders``.

    Another package extends ``base.html`` and imports ``macros/…`` by giving the loader of its own templates.
    """
    environment = PageEnvironment(
        loader=ChoiceLoader([*loaders, PackageLoader(PACKAGE)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(FILTERS)
    environment.globals["static_file"] = read_static_file
    return environment


@cache
def get_environment() -> PageEnvironment:
    """Return the environment of the report; each template is compiled once per process."""
    return build_environment()


@cache
def read_static_file(name: str) -> Markup:
    """Return a style sheet or script of the package, for a page that must not need a second file."""
    return Markup(files(PACKAGE).joinpath("static", name).read_text(encoding="utf-8"))


def render_page(environment: Environment, template: str, **context: Any) -> str:
    """Render a page; control characters, which HTML does not allow, become U+FFFD."""
    return _CONTROL_CHARACTERS.sub("\ufffd", environment.get_template(template).render(context))
