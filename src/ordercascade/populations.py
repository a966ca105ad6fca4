"""From the keys of a population to accounts: laws made whole, levels laid out, names.

`judge` runs when a scenario loads and reads no file; `cohort` when it is built, since entries and
levels lie around the opening marks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ordercascade.contracts import kind_of
from ordercascade.core.laws import Crowd, Drawn, Terms
from ordercascade.core.laws import Law as CoreLaw
from ordercascade.core.laws import LawKind as Kind
from ordercascade.data.positions import LEVERAGE_MAX
from ordercascade.data.table import read_column
from ordercascade.errors import ConfigError, InputError
from ordercascade.exact import LOT_MAX, Exact, located, name, plain
from ordercascade.keys import (
    ClusterLevels,
    ConstantLaw,
    Entry,
    FileEntry,
    FileLaw,
    LadderLevels,
    Law,
    LognormalEntry,
    NormalLaw,
    ParetoEntry,
    ParetoLaw,
    PoissonLevels,
    PopulationConfig,
    UniformEntry,
    UniformLaw,
    ValuesLaw,
)
from ordercascade.market import Market

BPS = 10**4
ENTRY_LOW = 0.01  # an entry lies at a hundredth of the opening mark or above
AT_MARK = CoreLaw(Kind.CONSTANT, 1.0)
NO_LAW = CoreLaw(Kind.CONSTANT, 1.0)


class Cohort(NamedTuple):
    """A population as drawn: its accounts are called name-1, name-2, …"""

    name: str
    drawn: Drawn


class Names(Mapping[str, int]):
    """Account ids by name: those said one by one, and runs name-1, name-2, … of ids."""

    def __init__(self, said: Mapping[str, int], runs: Sequence[tuple[str, int, int]] = ()) -> None:
        """Take names with ids, and runs (name, first id, count)."""
        self._said = dict(said)
        self.runs = tuple(runs)

    @property
    def said(self) -> Mapping[str, int]:
        """The names said one by one."""
        return self._said

    def __getitem__(self, label: str) -> int:
        if label in self._said:
            return self._said[label]
        start, _, number = label.rpartition("-")
        for run, first, count in self.runs:
            wanted = int(number) if number.isascii() and number.isdecimal() else 0
            if run == start and 1 <= wanted <= count and str(wanted) == number:
                return first + wanted - 1
        raise KeyError(label)

    def of(self, account: int) -> str:
        """Return the name of an id."""
        for run, first, count in self.runs:
            if first <= account < first + count:
                return f"{run}-{account - first + 1}"
        return next(label for label, number in self._said.items() if number == account)

    def __iter__(self) -> Iterator[str]:
        yield from self._said
        for run, _, count in self.runs:
            yield from (f"{run}-{number}" for number in range(1, count + 1))

    def __len__(self) -> int:
        return len(self._said) + sum(count for _, _, count in self.runs)


def judge(
    configs: Sequence[PopulationConfig], markets: Sequence[Market], said: Sequence[str], path: str
) -> None:
    """Refuse what can be refused without a file or a mark."""
    for index, config in enumerate(configs):
        at = f"{path}.population[{index}]"
        name(f"{at}.name", f"{config.name}-{max(1, config.accounts)}")
        if any(other.name == config.name for other in configs[:index]):
            raise ConfigError(f"{at}.name", "is used twice", config.name)
        run = Names({}, [(config.name, 1, config.accounts)])
        if taken := [label for label in said if label in run]:
            raise ConfigError(f"{at}.name", "an account of this name exists already", taken[0])
        _crowd(config, _markets(config, markets, at), at, base=None)


def cohort(
    config: PopulationConfig,
    markets: Sequence[Market],
    marks: Sequence[int],
    brackets: Sequence[Sequence[tuple[int, int, int, int]]],
    *,
    path: str,
    base: Path,
    seed: int,
    stream: str,
    insolvent: bool,
) -> Cohort:
    """Draw a population at the opening marks (ticks, by market of the venue)."""
    from ordercascade.core import populate

    chosen = _markets(config, markets, path)
    places = [list(markets).index(market) for market in chosen]
    terms = [
        Terms(
            marks[k],
            market.multiplier,
            market.price_max,
            market.size_max,
            brackets[k],
            kind_of(market.kind),
        )
        for k, market in zip(places, chosen, strict=True)
    ]
    crowd = _crowd(config, chosen, path, base=base)._replace(
        levels=_levels(config, chosen[0], terms[0].mark, path, seed, stream),
        insolvent=insolvent,
    )
    drawn = populate.draw(crowd, terms, seed, stream)
    drawn.openings["market"] = np.array(places, dtype=np.int32)[drawn.openings["market"]]
    if places != sorted(places):
        order = np.lexsort((drawn.openings["market"], drawn.openings["account"]))
        drawn = drawn._replace(openings=drawn.openings[order])
    return Cohort(config.name, drawn)


def _markets(config: PopulationConfig, markets: Sequence[Market], path: str) -> list[Market]:
    wanted = (config.market,) if isinstance(config.market, str) else config.market
    found = {market.name: market for market in markets}
    if not wanted:
        raise ConfigError(f"{path}.market", "must name a market")
    for label in wanted:
        if label not in found:
            rule = f"must be a market of the venue ({', '.join(found)})"
            raise ConfigError(f"{path}.market", rule, label)
        if wanted.count(label) > 1:
            raise ConfigError(f"{path}.market", "is named twice", label)
    return [found[label] for label in wanted]


def _crowd(
    config: PopulationConfig, markets: Sequence[Market], path: str, *, base: Path | None
) -> Crowd:
    """Return the laws in the engine's units; without `base` a file's numbers stay unread."""
    if len(markets) > 1 and (config.size is not None or config.liquidation_price is not None):
        key = "size" if config.size is not None else "liquidation_price"
        raise ConfigError(f"{path}.{key}", "is for a population of one market")
    if len(markets) > 1 and isinstance(config.entry, FileEntry):
        raise ConfigError(f"{path}.entry", "kind 'file' is for a population of one market")
    held = [_share(f"{path}.held[{i}]", share, 1) for i, share in enumerate(config.held)]
    if held and (len(held) != len(markets) or not sum(held)):
        rule = "must have a share for each market, not all of them 0"
        raise ConfigError(f"{path}.held", rule, len(held))
    value = config.notional is not None
    unit = markets[0].unit if value else markets[0].lot_size
    size = config.notional if value else config.size
    return Crowd(
        accounts=config.accounts,
        long_share=_share(f"{path}.long_share", config.long_share, 0.5),
        cross_share=_share(f"{path}.cross_share", config.cross_share, 1),
        leverage=_leverage(config.leverage, f"{path}.leverage", base),
        size=_law(size, unit, f"{path}.{'notional' if value else 'size'}", base, grid=not value),
        size_is_value=value,
        entry=_entry(config.entry, markets[0], f"{path}.entry", base),
        entry_in_ticks=isinstance(config.entry, FileEntry),
        held=tuple(held) or (1.0,) * len(markets),
        root=_root(config, len(markets), f"{path}.correlation"),
    )


def _share(path: str, share: Exact | None, default: float) -> float:
    if share is not None and not 0 <= share <= 1:
        raise ConfigError(path, "must be in [0, 1]", plain(share))
    return default if share is None else float(share)


def _leverage(law: Law | None, path: str, base: Path | None) -> CoreLaw:
    made = _law(law, Decimal(1), path, base)
    for value in made.values or ((made.a,) if made.kind == Kind.CONSTANT else ()):
        if not 1 <= value <= LEVERAGE_MAX:
            raise ConfigError(path, f"leverage must be in [1, {LEVERAGE_MAX}]", str(value))
    return made._replace(low=max(1.0, made.low), high=min(float(LEVERAGE_MAX), made.high))


def _law(
    law: Law | None, unit: Decimal, path: str, base: Path | None, *, grid: bool = False
) -> CoreLaw:
    """Return a law in units; `grid` refuses listed numbers that are no whole units."""

    def scaled(key: str, number: Exact, *, low: int = 0) -> float:
        if number < low or (low == 0 and key in ("median", "minimum", "value") and not number):
            raise ConfigError(f"{path}.{key}", "must be above 0", plain(number))
        if grid and number % unit:
            raise ConfigError(f"{path}.{key}", f"off lot: lots are {plain(unit)}", plain(number))
        if number / unit > LOT_MAX * 2**20:
            raise ConfigError(f"{path}.{key}", "must be at most 2**60 units", plain(number))
        return float(number / unit)

    if law is None:
        return NO_LAW
    if isinstance(law, ConstantLaw):
        return CoreLaw(Kind.CONSTANT, scaled("value", law.value))
    if isinstance(law, ValuesLaw):
        values = tuple(scaled(f"values[{i}]", value) for i, value in enumerate(law.values))
        return CoreLaw(Kind.VALUES, values=values, weights=_weights(law, path))
    grid = False
    if isinstance(law, FileLaw):
        numbers = [Exact(1)] if base is None else read_column(base / law.file, law.column)
        return CoreLaw(Kind.VALUES, values=tuple(float(number / unit) for number in numbers))
    if isinstance(law, ParetoLaw):
        _positive(f"{path}.alpha", law.alpha)
        high = 1e300 if law.high is None else scaled("high", law.high)
        minimum = scaled("minimum", law.minimum)
        return CoreLaw(Kind.PARETO, minimum, float(law.alpha), high=high)
    if isinstance(law, UniformLaw):
        low, high = scaled("low", law.low), scaled("high", law.high)
        if low > high:
            raise ConfigError(f"{path}.high", "must be at least low", plain(law.high))
        return CoreLaw(Kind.UNIFORM, low, high)
    low = 0.0 if law.low is None else scaled("low", law.low)
    high = 1e300 if law.high is None else scaled("high", law.high)
    if low > high:
        raise ConfigError(f"{path}.high", "must be at least low", plain(law.high or Exact(0)))
    if law.sigma < 0:
        raise ConfigError(f"{path}.sigma", "must be 0 or more", plain(law.sigma))
    if isinstance(law, NormalLaw):
        mean, sigma = scaled("mean", law.mean), scaled("sigma", law.sigma)
        return CoreLaw(Kind.NORMAL, mean, sigma, low, high)
    return CoreLaw(Kind.LOGNORMAL, scaled("median", law.median), float(law.sigma), low, high)


def _weights(law: ValuesLaw, path: str) -> tuple[float, ...]:
    if not law.values:
        raise ConfigError(f"{path}.values", "must have at least one value")
    if law.weights and len(law.weights) != len(law.values):
        rule = f"must be as many as values: {len(law.values)}"
        raise ConfigError(f"{path}.weights", rule, len(law.weights))
    if any(weight < 0 for weight in law.weights) or (law.weights and not sum(law.weights)):
        raise ConfigError(f"{path}.weights", "must be 0 or more, and not all 0")
    return tuple(float(weight) for weight in law.weights)


def _positive(path: str, number: Exact) -> float:
    if number <= 0:
        raise ConfigError(path, "must be above 0", plain(number))
    return float(number)


def _entry(entry: Entry | None, market: Market, path: str, base: Path | None) -> CoreLaw:
    """Return the law of entry over opening mark, or of the entry in ticks (a file)."""
    if entry is None:
        return AT_MARK
    if isinstance(entry, FileEntry):
        numbers = (
            [market.tick_size] if base is None else read_column(base / entry.file, entry.column)
        )
        ticks = tuple(float(located(path, market.to_ticks, number)) for number in numbers)
        return CoreLaw(Kind.VALUES, values=ticks)
    if isinstance(entry, UniformEntry):
        low, high = 1 + float(entry.low_bps / BPS), 1 + float(entry.high_bps / BPS)
        if low > high:
            raise ConfigError(f"{path}.high_bps", "must be at least low_bps", plain(entry.high_bps))
        return CoreLaw(Kind.UNIFORM, low, high, low=ENTRY_LOW)
    if isinstance(entry, ParetoEntry):
        alpha = _positive(f"{path}.alpha", entry.alpha)
        least = _positive(f"{path}.minimum_bps", entry.minimum_bps) / BPS
        return CoreLaw(Kind.PARETO_BOTH, least, alpha, low=ENTRY_LOW)
    if entry.sigma_bps < 0:
        raise ConfigError(f"{path}.sigma_bps", "must be 0 or more", plain(entry.sigma_bps))
    sigma = float(entry.sigma_bps / BPS)
    if isinstance(entry, LognormalEntry):
        return CoreLaw(Kind.LOGNORMAL, 1.0, sigma, low=ENTRY_LOW)
    mean = 1 + float((entry.mean_bps or Exact(0)) / BPS)
    return CoreLaw(Kind.NORMAL, mean, sigma, low=ENTRY_LOW)


def _root(config: PopulationConfig, count: int, path: str) -> tuple[float, ...]:
    """Return the lower triangle R of the correlation matrix R R' (Cholesky), row by row."""
    rows = config.correlation
    if not rows or count == 1:
        if rows and len(rows) > 1:
            raise ConfigError(path, "is for a population of several markets")
        return ()
    if len(rows) == 1 and len(rows[0]) == 1:
        rows = tuple(
            tuple(Exact(1) if i == k else rows[0][0] for k in range(count)) for i in range(count)
        )
    if len(rows) != count or any(len(row) != count for row in rows):
        raise ConfigError(path, f"must be one number, or {count} rows of {count}", len(rows))
    if any(rows[i][i] != 1 or rows[i][k] != rows[k][i] for i in range(count) for k in range(i)):
        raise ConfigError(path, "must be symmetric with ones on its diagonal")
    made = [[0.0] * count for _ in range(count)]
    for i in range(count):
        for k in range(i + 1):
            rest = float(rows[i][k]) - sum(made[i][j] * made[k][j] for j in range(k))
            if i == k and rest <= 0:
                raise ConfigError(path, "must be positive definite")
            made[i][k] = math.sqrt(rest) if i == k else rest / made[k][k]
    return tuple(made[i][k] for i in range(count) for k in range(i + 1))


def _levels(
    config: PopulationConfig, market: Market, mark: int, path: str, seed: int, stream: str
) -> npt.NDArray[np.int64] | None:
    """Return the liquidation price of every account in ticks, on its side of the mark."""
    from ordercascade.core import populate

    where = config.liquidation_price
    path = f"{path}.liquidation_price"
    if where is None or config.accounts == 0:
        return None
    if isinstance(where, LadderLevels):
        first = located(f"{path}.first", market.to_ticks, where.first)
        step = located(f"{path}.step", market.to_ticks, where.step)
        if first == mark:
            raise ConfigError(f"{path}.first", "must not be the opening mark", plain(where.first))
        away = -step if first < mark else step
        made = first + away * np.arange(config.accounts, dtype=np.int64)
    elif isinstance(where, PoissonLevels):
        gap = _positive(f"{path}.gap", where.gap) / float(market.tick_size)
        start = mark if where.start is None else market.to_ticks(where.start)
        sign = -1 if where.side == "long" else 1
        drawn = populate.poisson_levels(start, gap, sign, config.accounts, seed, f"{stream}/levels")
        made = np.minimum(drawn, mark - 1) if sign < 0 else np.maximum(drawn, mark + 1)
    else:
        made = _clustered(where, market, mark, path, config.accounts, seed, stream)
    wrong = np.flatnonzero((made < 1) | (made > market.price_max - 1))
    if len(wrong):
        rule = f"account {int(wrong[0]) + 1} would be liquidated outside the market's prices"
        raise ConfigError(path, rule, int(made[wrong[0]]))
    return made


def _clustered(
    where: ClusterLevels, market: Market, mark: int, path: str, count: int, seed: int, stream: str
) -> npt.NDArray[np.int64]:
    from ordercascade.core import populate

    if not where.clusters or not sum(cluster.weight for cluster in where.clusters):
        raise ConfigError(f"{path}.clusters", "must have at least one with a weight above 0")
    for i, cluster in enumerate(where.clusters):
        if cluster.weight < 0 or (cluster.spread_bps or 0) < 0:
            key = "weight" if cluster.weight < 0 else "spread_bps"
            raise ConfigError(f"{path}.clusters[{i}].{key}", "must be 0 or more")
    places = tuple(float(i) for i in range(len(where.clusters)))
    weights = tuple(float(cluster.weight) for cluster in where.clusters)
    law = CoreLaw(Kind.VALUES, values=places, weights=weights)
    which = populate.sample(law, count, seed, f"{stream}/cluster").astype(np.int64)
    off = populate.sample(CoreLaw(Kind.NORMAL, 0.0, 1.0), count, seed, f"{stream}/spread")
    centre = np.array([float(market.to_ticks(c.price)) for c in where.clusters])[which]
    spread = np.array([float((c.spread_bps or Exact(0)) / BPS) for c in where.clusters])[which]
    made = np.floor(centre * (1.0 + spread * off) + 0.5).astype(np.int64)
    if np.any(centre == mark):
        raise ConfigError(f"{path}.clusters", "a price must not be the opening mark")
    # What spreads over the mark stays just on its cluster's side of it.
    below, above = np.minimum(made, mark - 1), np.maximum(made, mark + 1)
    levels: npt.NDArray[np.int64] = np.where(centre < mark, below, above)
    return levels


def insolvent(names: Names, found: Sequence[tuple[int, int, int]], unit: Market, path: str) -> None:
    """Refuse the first of the scopes below zero (scope, account, equity), with its name."""
    for _, account, equity in found:
        rule = (
            f"account {names.of(account)!r} starts below zero at the opening mark; give it more"
            " collateral or set allow_insolvent = true: equity must be 0 or more"
        )
        raise InputError(path, str(unit.to_money(equity)), rule)
