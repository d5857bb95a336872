"""Build markup so that text can never become markup by accident."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import Final

from wfm.report.formats import clock, exact, iso

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
VOID: Final = frozenset({"rect", "line", "path", "circle", "meta", "input", "col", "br"})


class Html(str):
    """Text that already is markup; every other string is escaped."""

    __slots__ = ()


Content = str | Iterable["Content"] | None


def text(value: str) -> Html:
    """Escape text unless it is markup."""
    if isinstance(value, Html):
        return value
    return Html(escape(_CONTROL.sub("\ufffd", value), quote=True))


def flat(content: Content) -> Html:
    """Join contents, escaping what is not markup; None is nothing."""
    if content is None:
        return Html("")
    if isinstance(content, str):
        return text(content)
    return Html("".join(flat(part) for part in content))


def tag(name: str, /, *content: Content, **attributes: str | float | bool | None) -> Html:
    """Make one element; ``class_`` is class, ``data_v`` data-v; None and False leave an attribute out."""
    head = name
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            head += f" {key}"
            continue
        word = f"{value:.6g}" if isinstance(value, float) else str(value)
        head += f' {key}="{escape(_CONTROL.sub(chr(0xFFFD), word), quote=True)}"'
    if name in VOID:
        return Html(f"<{head}/>" if name in {"rect", "line", "path", "circle"} else f"<{head}>")
    return Html(f"<{head}>{flat(content)}</{name}>")


def lasting(seconds: float | None) -> Html:
    """Write a duration with its exact seconds on hover."""
    if seconds is None:
        return text(clock(seconds))
    if abs(seconds) < 60 and seconds == int(seconds):
        return text(clock(seconds))
    return tag("span", clock(seconds), title=exact(seconds))


def clock_time(at: datetime, local: datetime) -> Html:
    """Write an instant as the local clock showed it; machines read UTC."""
    return Html(f'<time datetime="{iso(at)}">{local:%H:%M:%S}</time>')


def name(value: str) -> Html:
    """Write a person's or team's name, in whichever direction its letters run."""
    return tag("bdi", value)


def section(anchor: str, title: str, *content: Content) -> Html:
    """Make a part of the page that the contents can link to."""
    return tag(
        "section", tag("h2", title, id=f"{anchor}-h"), *content, id=anchor, aria_labelledby=f"{anchor}-h"
    )


def figure(caption: str, *content: Content, note: str | None = None) -> Html:
    """Make a picture with its title above and a remark below."""
    return tag(
        "figure", tag("figcaption", caption), *content, tag("p", note, class_="remark") if note else None
    )
