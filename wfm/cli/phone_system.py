"""Find a configured source and open an HTTP session for commands that act on a phone system."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wfm.cli.options import open_centre
from wfm.core.errors import UsageError

if TYPE_CHECKING:
    from wfm.collect.sources import ConfiguredSource


def find_source(name: str) -> ConfiguredSource:
    """Return a configured source.

    Raises:
        UsageError: there is none of that name.
    """
    from wfm.collect.sources import check_sources, select_feeds

    centre = open_centre()
    return select_feeds(check_sources(centre.settings.sources, centre.settings.country), [name], None)[0][0]


def refuse_ability(source: ConfiguredSource, action: str) -> UsageError:
    """Return the error that says what the source's vendor cannot do."""
    return UsageError(f"{source.name}: wfm cannot {action} at {source.vendor.TITLE}.")


async def use_session(source: ConfiguredSource, act: Callable[[Any], Awaitable[Any]]) -> Any:
    """Call ``act`` with an HTTP client of the source and return its result."""
    from wfm.collect.run import build_http_client, locate_state_folder

    folder = locate_state_folder(open_centre().database.path)
    async with build_http_client(source, folder, lambda: datetime.now(UTC)) as http:
        return await act(http)
