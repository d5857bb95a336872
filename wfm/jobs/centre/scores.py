"""A chapter of `Centre`: scores, by ours and other products' definitions, and what they are made of."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wfm import terms
from wfm.engine.definitions import chosen
from wfm.errors import UsageError
from wfm.jobs.centre.place import Place
from wfm.jobs.live import Following
from wfm.jobs.scoring import names
from wfm.jobs.when import When


class Scores(Place):
    """Scores, by ours and other products' definitions, and what they are made of."""

    def live(self, from_: When, to: When) -> Following:
        """Score a window while it goes on: call ``refresh`` to take what was stored since, look at ``live``.

        Raises:
            UsageError: the window is wrong.
            NoDataError: there is no database.
        """
        return Following(self.store, self.window(from_, to), self.settings.timezone, self.options())

    def adherence(
        self,
        from_: When,
        to: When,
        *,
        by: str | Sequence[str] = ("agent_id", "workday"),
        definitions: str | Sequence[str] = (),
        agents: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """Score and roll up, perhaps by other products' definitions; columns as in `Score.adherence`."""
        chosen(definitions)
        return self.score(from_, to, agents=agents, as_of=as_of).adherence(by, definitions)

    def bridge(
        self,
        from_: When,
        to: When,
        *,
        definitions: tuple[str, str],
        by: str | Sequence[str] = (),
        stretches: bool = False,
        agents: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """Say which seconds make the difference between two scores; columns as in `Score.bridge`.

        With ``stretches``, list every stretch of them; columns as in `Score.bridge_stretches`.
        """
        scored = self.score(from_, to, agents=agents, as_of=as_of)
        return scored.bridge_stretches(*definitions) if stretches else scored.bridge(*definitions, by)

    def shrinkage(
        self,
        from_: When,
        to: When,
        *,
        by: str | Sequence[str] = ("agent_id", "workday"),
        agents: str | Sequence[str] | None = None,
        as_of: When | None = None,
        utilisation: str = "of_paid",
    ) -> pl.DataFrame:
        """Tell where paid time went and how busy agents were; columns as in `Score.shrinkage`."""
        scored = self.score(from_, to, agents=agents, as_of=as_of)
        return scored.shrinkage(by, agents=names(agents), utilisation=utilisation)

    def shrinkage_causes(
        self,
        from_: When,
        to: When,
        *,
        by: str | Sequence[str] = (),
        agents: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """Tell what shrinkage was made of; columns as in `Score.shrinkage_causes`."""
        scored = self.score(from_, to, agents=agents, as_of=as_of)
        return scored.shrinkage_causes(by, agents=names(agents))

    def exceptions(
        self,
        from_: When,
        to: When,
        *,
        agents: str | Sequence[str] | None = None,
        classes: str | Sequence[str] | None = None,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """List adherence exceptions; columns as in `Score.exceptions`."""
        kinds = names(classes)
        for name in kinds or ():
            if name not in terms.CLASSES:
                raise UsageError(f"There is no class {name!r}: choose from {', '.join(terms.CLASSES)}.")
        found = self.score(from_, to, agents=agents, as_of=as_of).exceptions()
        if chosen := names(agents):
            found = found.filter(pl.col("agent_id").is_in(chosen))
        return found if not kinds else found.filter(pl.col("class").cast(pl.String).is_in(kinds))
