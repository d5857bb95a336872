"""A phone system apart from its feeds: how commands find it and get a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wfm.cli.options import open_centre
from wfm.errors import UsageError

if TYPE_CHECKING:
    from wfm.jobs.sources import Source


def find_source(name: str) -> Source:
    """Return a configured source.

    Raises:
        UsageError: there is none of that name.
    """
    from wfm.jobs.sources import configured, pick

    centre = open_centre()
    return pick(configured(centre.settings.sources, centre.settings.country), [name], None)[0][0]


def refuse_ability(source: Source, words: str) -> UsageError:
    """Return the error that says what the source's vendor cannot do."""
    return UsageError(f"{source.name}: wfm cannot {words} at {source.vendor.TITLE}.")


async def use_session(source: Source, act: Callable[[Any], Awaitable[Any]]) -> Any:
    """Call ``act`` with an HTTP client of the source and return its result."""
    from wfm.jobs.collecting import client, state_folder

    folder = state_folder(open_centre().store.path)
    async with client(source, folder, lambda: datetime.now(UTC)) as http:
        return await act(http)
