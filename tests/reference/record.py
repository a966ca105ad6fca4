"""How the twin writes a step: open it, do the work, close it (and look who would fall due)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ordercascade.enums import Side, StepKind

if TYPE_CHECKING:
    from reference.market import Market
    from reference.venue import Venue

Method = TypeVar("Method", bound=Callable[..., Any])


def recorded(method: Method) -> Method:
    """Write calls that come from outside into the world's history, so that fork() can replay."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        world = getattr(self, "world", self)
        venue = self.id if world is not self else -1
        if not world.inside:
            world.history.append((venue, method.__name__, args, kwargs))
        world.inside += 1
        try:
            return method(self, *args, **kwargs)
        finally:
            world.inside -= 1

    return wrapper  # type: ignore[return-value]


class StepWriter:
    """Writes a venue's rows. `due[step]` are the scopes liquidatable at the peek after it."""

    def __init__(self, venue: Venue) -> None:
        self.venue, self.tables = venue, venue.world.tables
        self.due: dict[int, set[int]] = {}

    def open(
        self,
        kind: StepKind,
        *,
        market: int = -1,
        scope: int = -1,
        parent: int = -1,
        generation: int = 0,
        cause_market: int = -1,
        time_ns: int | None = None,
    ) -> int:
        """Begin a step; what follows (fills, levels, postings) belongs to it."""
        levels, fills = self.tables.count("levels"), self.tables.count("fills")
        step = self.tables.count("steps")
        self.tables.append(
            "steps",
            step=step,
            time_ns=self.venue.now if time_ns is None else time_ns,
            venue=self.venue.id,
            round=self.venue.round,
            kind=kind,
            market=market,
            scope=scope,
            parent=parent,
            generation=generation,
            cause_market=cause_market,
            event_from=levels,
            event_to=levels,
            fill_from=fills,
            fill_to=fills,
        )
        self.venue.ledger.step = step
        return step

    def close(self, step: int) -> None:
        """End a step: its ranges, the prices that it changed, and the peek."""
        levels, fills = self.tables.count("levels"), self.tables.count("fills")
        self.tables.set("steps", step, event_to=levels, fill_to=fills)
        row = self.tables.rows("steps")[step]
        for market in self.venue.markets:
            told = (market.last, market.index) == market.prices_told
            if not told or (row["kind"], row["market"]) == (StepKind.MARK, market.id):
                self._write_prices(step, market)
        self.due[step] = set(self.venue.at_risk())

    def drop(self, step: int) -> None:
        """Take back a step in which nothing has happened."""
        row = self.tables.rows("steps").pop()
        assert row["step"] == step
        assert row["event_from"] == self.tables.count("levels")
        self.venue.ledger.step = None

    def _write_prices(self, step: int, market: Market) -> None:
        market.prices_told = (market.last, market.index)
        self.tables.append(
            "marks",
            step=step,
            time_ns=self.tables.rows("steps")[step]["time_ns"],
            venue=self.venue.id,
            market=market.id,
            last=market.last,
            index=market.index,
            mark=market.mark,
            best_bid=market.book.best(Side.BID),
            best_ask=market.book.best(Side.ASK),
        )

    def levels(self, step: int, market: Market) -> None:
        """Write and forget the level changes of the market's last book operations."""
        for side, price, size in market.book.changes:
            self.tables.append(
                "levels", step=step, market=market.id, side=side, price=price, size_after=size
            )
        market.book.changes = []

    def generation_of(self, step: int) -> int:
        """Return the generation of a step, 0 for none."""
        return 0 if step < 0 else self.tables.rows("steps")[step]["generation"]
