"""The liquidation map: which lots become liquidatable at which price, exactly; and what heat maps
that the public draws without the accounts would show instead, with their error.

>>> import ordercascade as oc
>>> found = oc.analysis.liquidation_map(oc.scenarios.load("t2a"))["TOY"]
>>> list(zip(found.price.tolist(), found.size.tolist()))
[(99, 10), (98, 20), (96, 15), (90, 30)]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from ordercascade.analysis.density import check_share
from ordercascade.analysis.state import DOWN, UP, Desk, Floats, Ints, State, state
from ordercascade.checks import whole
from ordercascade.enums import MarketKind
from ordercascade.errors import InputError
from ordercascade.scenario import Scenario
from ordercascade.tape import Tape

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Estimator: TypeAlias = Literal["leverage_tiers", "oi_entry"]

ESTIMATORS: tuple[str, ...] = get_args(Estimator)
LEVERAGES = (5, 10, 25, 50, 100)
BUCKET, SPAN, WALL = 0.005, 0.5, 0.05
BUCKETS_MAX = 100_000


@dataclass(frozen=True, eq=False)
class Histogram:
    """Lots by bucket on one side of a mark, nearest first; `beyond` is what lies further, or never.

    Bucket k of a fall holds prices in (mark - (k + 1) width, mark - k width], of a rise likewise
    upwards; what is liquidatable at the mark already is in the first.
    """

    way: int
    mark: int
    width: int  # ticks
    lots: Floats
    beyond: float

    @property
    def total(self) -> float:
        """All lots of the side."""
        return float(self.lots.sum()) + self.beyond

    @property
    def price(self) -> Ints:
        """The far end of each bucket in ticks."""
        return self.mark + self.way * self.width * np.arange(1, len(self.lots) + 1)

    def wall(self, share: float = WALL) -> float | None:
        """Return how far the next bucket with `share` of the side's lots is, as share of the mark.

        To its near end: 0 is the first bucket. None without one.
        """
        least = check_share("share", share) * self.total
        found = np.flatnonzero((self.lots >= least) & (self.lots > 0))
        return float(found[0]) * self.width / self.mark if len(found) else None


@dataclass(frozen=True)
class Error:
    """How far an estimate is from the truth.

    misplaced: the share of lots in a wrong bucket (total variation). distance: how far lots would
    have to be moved in the mean, as a share of the mark (first Wasserstein distance; what is beyond
    the span counts as at its end). wall, true_wall: distance of the next wall in either.
    """

    misplaced: float
    distance: float
    wall: float | None
    true_wall: float | None


@dataclass(frozen=True, eq=False, repr=False)
class MarketMap:
    """One market: each position with the tick at which its scope is liquidatable, nearest first.

    `size` is signed lots, `cross` says whether the scope has positions elsewhere too (then the
    tick holds while other marks stand), `never_long` and `never_short` are lots that no tick of
    this market makes liquidatable. `size` and those add up to all users' positions.
    """

    desk: Desk
    price: Ints
    size: Ints
    entry: Floats  # ticks, for estimators
    scope: Ints
    account: Ints
    cross: npt.NDArray[np.bool_]
    never_long: int
    never_short: int
    entries: tuple[Floats, Ints]  # entry in ticks and signed lots of all positions

    def __repr__(self) -> str:
        return f"<MarketMap {self.desk.name!r}: {len(self.size):,} positions>"

    def histogram(self, way: int, *, bucket: float = BUCKET, span: float = SPAN) -> Histogram:
        """Return the truth by buckets of `bucket` of the mark: longs (way -1) or shorts (1)."""
        _check_way(way)
        mine = self.size > 0 if way == DOWN else self.size < 0
        never = self.never_long if way == DOWN else self.never_short
        lots = np.abs(self.size[mine]).astype(np.float64)
        return self._binned(way, self.price[mine].astype(np.float64), lots, never, bucket, span)

    def estimate(
        self,
        way: int,
        kind: Estimator = "oi_entry",
        *,
        leverages: Sequence[float] = LEVERAGES,
        weights: Sequence[float] | None = None,
        bucket: float = BUCKET,
        span: float = SPAN,
    ) -> Histogram:
        """Return what a public heat map shows: open interest at p (1 -+ 1 / L) for assumed L.

        `leverage_tiers` puts all of a side's open interest at the present mark; `oi_entry` at the
        prices where it was opened. `weights` of the leverages, equal by default. MECHANISMS §27.
        """
        _check_way(way)
        if kind not in ESTIMATORS:
            raise InputError("kind", kind, f"must be one of {', '.join(ESTIMATORS)}")
        tiers, shares = _tiers(leverages, weights)
        entry, size = self.entries
        mine = size > 0 if way == DOWN else size < 0
        lots = np.abs(size[mine]).astype(np.float64)
        at = entry[mine] if kind == "oi_entry" else np.full(len(lots), float(self.desk.mark))
        price = (at[:, None] * (1 + way / tiers[None, :])).ravel()
        return self._binned(way, price, (lots[:, None] * shares).ravel(), 0, bucket, span)

    def error(self, way: int, kind: Estimator = "oi_entry", **settings: Any) -> Error:
        """Return how far `estimate` is from `histogram`; the settings are those of `estimate`."""
        grid = {name: settings[name] for name in ("bucket", "span") if name in settings}
        true, told = self.histogram(way, **grid), self.estimate(way, kind, **settings)
        total = true.total
        if not total:
            return Error(0.0, 0.0, None, None)
        apart = np.append(told.lots - true.lots, told.beyond - true.beyond)
        moved = np.abs(np.cumsum(apart)[:-1]).sum() * true.width / true.mark
        misplaced = float(np.abs(apart).sum()) / (2 * total)
        return Error(misplaced, float(moved) / total, told.wall(), true.wall())

    def _binned(
        self, way: int, price: Floats, lots: Floats, never: int, bucket: float, span: float
    ) -> Histogram:
        share, reach = check_share("bucket", bucket), check_share("span", span)
        mark = self.desk.mark
        width = max(1, round(mark * share))
        count = max(1, round(mark * reach) // width)
        if count > BUCKETS_MAX:
            rule = f"must leave at most {BUCKETS_MAX:,} buckets, not {count:,}"
            raise InputError("bucket", bucket, rule)
        place = np.maximum((price - mark) * way / width, 0).astype(np.int64)
        held = np.zeros(count)
        np.add.at(held, place[place < count], lots[place < count])
        return Histogram(way, mark, width, held, float(lots[place >= count].sum()) + never)


@dataclass(frozen=True, eq=False, repr=False)
class LiquidationMap:
    """The maps of all markets, by name."""

    name: str
    step: int
    markets: tuple[MarketMap, ...]

    def __getitem__(self, name: str) -> MarketMap:
        for each in self.markets:
            if each.desk.name == name:
                return each
        names = ", ".join(each.desk.name for each in self.markets)
        raise InputError("market", name, f"must be one of {names}")

    def __iter__(self) -> Iterator[MarketMap]:
        return iter(self.markets)

    def __len__(self) -> int:
        return len(self.markets)

    def picture(self, *, bucket: float = BUCKET, span: float = 0.25) -> Figure:
        """Return the truth with both estimates over it, drawn (needs the extra `plot`)."""
        from ordercascade.analysis.charted import liquidation_map as drawn

        return drawn(self, bucket=bucket, span=span)

    def __repr__(self) -> str:
        names = ", ".join(f"{each.desk.name} {len(each.size):,} positions" for each in self.markets)
        return f"<LiquidationMap {self.name!r} after step {self.step}: {names}>"


def liquidation_map(source: Tape | Scenario, *, step: int = -1) -> LiquidationMap:
    """Return the exact map of a scenario's opening, or of a tape after a step (-1: the opening).

    Every price is the engine's own trigger tick (SEMANTICS §3), isolated or cross; nothing is run.
    O(positions). InputError for a step that is not there.
    """
    found = state(source, step=whole("step", step, -1, 2**62))
    name = source.name if isinstance(source, Scenario) else str(source.meta["name"])
    return LiquidationMap(
        name or "tape",
        found.step,
        tuple(_market_map(found, index) for index in range(len(found.desks))),
    )


def _market_map(found: State, index: int) -> MarketMap:
    desk = found.desks[index]
    rows = np.flatnonzero(found.market == index)
    entries = _entries(desk, found.size[rows], found.cost[rows]), found.size[rows]
    never = rows[found.trigger[rows] == 0]
    rows = rows[found.trigger[rows] > 0]
    far = np.abs(found.trigger[rows] - desk.mark)
    rows = rows[np.lexsort((found.scope[rows], far))]
    scopes, counts = np.unique(found.scope, return_counts=True)
    legs = counts[np.searchsorted(scopes, found.scope[rows])]
    size = found.size[never]
    return MarketMap(
        desk=desk,
        price=found.trigger[rows],
        size=found.size[rows],
        entry=_entries(desk, found.size[rows], found.cost[rows]),
        scope=found.scope[rows],
        account=found.account[rows],
        cross=legs > 1,
        never_long=int(size[size > 0].sum()),
        never_short=-int(size[size < 0].sum()),
        entries=entries,
    )


def _entries(desk: Desk, size: Ints, cost: Ints) -> Floats:
    """Return average entry prices in ticks: C / (q m), inverse -q m / C. SEMANTICS §1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if desk.kind == MarketKind.LINEAR:
            return np.asarray(cost / (size * float(desk.multiplier)))
        return np.asarray(-size * float(desk.multiplier) / cost)


def _check_way(way: object) -> None:
    if isinstance(way, bool) or way not in (DOWN, UP):
        raise InputError("way", way, "must be -1 (longs, a fall) or 1 (shorts, a rise)")


def _tiers(leverages: Sequence[float], weights: Sequence[float] | None) -> tuple[Floats, Floats]:
    tiers = np.asarray(leverages, dtype=np.float64)
    if tiers.ndim != 1 or not len(tiers) or not (np.isfinite(tiers) & (tiers >= 1)).all():
        raise InputError("leverages", leverages, "must be one or more numbers of at least 1")
    shares = np.ones(len(tiers)) if weights is None else np.asarray(weights, dtype=np.float64)
    good = shares.shape == tiers.shape and bool((np.isfinite(shares) & (shares >= 0)).all())
    if not good or not shares.sum() > 0:
        rule = f"must be {len(tiers)} numbers, none below 0 and not all 0"
        raise InputError("weights", weights, rule)
    return tiers, shares / shares.sum()
