"""Conservation at every preset: the operations of conserve.py under the rules that a scenario runs.

Two markets of one asset, the preset's own stages, schedule, fees and fund; the numbers of accounts
and prices are those of conserve.py, so that positions reach other tiers and clips. `play()`
takes the presets in turn: seed 0 the first, seed 1 the second, and so on.
"""

from __future__ import annotations

import random
from collections import Counter
from functools import cache
from typing import Any

from ordercascade import presets
from ordercascade.engine import raise_venue
from ordercascade.scenario import Scenario
from swarm.common import Failed
from swarm.conserve import BASE, Economy
from swarm.mirror import Terms

TIERS = """brackets = [
  { floor = 0, maintenance = 0.01, initial = 0.02 },
  { floor = 10_000, maintenance = 0.02, initial = 0.04 },
  { floor = 30_000, maintenance = 0.05, initial = 0.1 },
]"""
# What a market brings because the preset leaves it open.
MARGINS = {
    "bitmex": 'schedule = { type = "steps", limit = 8_000, step = 6_000, maintenance = 0.005,'
    " initial = 0.01 }",
    "deribit": "",
    "dydx-v4": 'schedule = { type = "interest", maintenance = 0.012, initial = 0.02,'
    " lower = 300_000, upper = 900_000 }",
    "okx": """schedule = { type = "slab", table = [
  { floor = 0, maintenance = 0.01, initial = 0.02 },
  { floor = 8_000, maintenance = 0.015, initial = 0.03 },
  { floor = 16_000, maintenance = 0.02, initial = 0.04 },
  { floor = 30_000, maintenance = 0.03, initial = 0.06 },
] }""",
    "simple": "",
    "synthetix-v3": 'schedule = { type = "skew", scale = 1_000, fraction = 1, minimum = 0.02,'
    " scalar = 0.5, fixed = 10 }",
    "vega": 'schedule = { type = "flat", maintenance = 0.02, initial = 0.03 }',
}
RULES = {"synthetix-v3": "tranche = { capacity = 9, window_s = 2, skew_max = 12 }"}
COINS = ("binance-coinm", "bybit-inverse")
MARKET = """
[[venue.market]]
name = "{name}"
tick_size = 1
lot_size = 1
{money}
price_max = 5_000
size_max = 10_000
oracle = {{ index = {base}, kind = "{kind}", own_book_weight = {weight} }}
{margin}
"""


@cache
def venue_of(name: str, kind: str, weight: float) -> Any:
    """Return the planned venue of a preset; prices of its marks from inside, outside, or both."""
    coins = name in COINS
    money = (
        'kind = "inverse"\nsettle = "A"\ndecimals = 6' if coins else 'settle = "U"\ndecimals = 3'
    )
    lines = ["schema = 1", f'name = "{name}"', "[[venue]]", 'name = "perp"', f'preset = "{name}"']
    lines.append(RULES.get(name, ""))
    margin = MARGINS.get(name, TIERS)
    if coins:  # floors in coins of 1,000
        margin = margin.replace("10_000", "10").replace("30_000", "30")
    for market in ("A", "B"):
        lines.append(MARKET.format(
            name=market, money=money, base=BASE, kind=kind, weight=weight, margin=margin
        ))  # fmt: skip
    return Scenario.from_toml("\n".join(lines)).venues[0]


class House(Economy):
    """One seed's world under a preset."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        super().__init__(seed)

    def _raise(self, draw: random.Random) -> None:
        kind, weight = draw.choice([("last", 1), ("mid", 0.5), ("index", 0)])
        if self.name == "vega":  # Its gains are settled at the last trade's price.
            kind, weight = "last", 1
        plan = venue_of(self.name, kind, weight)
        self.venue = raise_venue(self.world, plan, seed=draw.randrange(100))
        self.assets = (0, 0)
        coins = self.name in COINS
        self.fund_unit = 1 if coins else 1_000
        self.multipliers = [self.fund_unit] * 2
        self.terms = [Terms(item.market.multiplier, inverse=coins) for item in plan.markets]
        for number in range(2):
            self._book(draw, number)


def play(seed: int, ops: int) -> Counter[str]:
    """Run one seed, of the preset whose turn it is; raise Failed where something is off."""
    names = presets.runnable()
    name = names[seed % len(names)]
    number = -1
    economy: Any = None
    try:
        economy = House(name, seed // len(names))
        for number in range(ops):  # noqa: B007
            economy.step()
        economy.finish()
    except Exception as error:
        what = f"{name}: {economy.what if economy is not None else 'set-up'}"
        raise Failed("presets", seed, max(number, 0), what, error) from error
    return Counter({f"{name} {label}": times for label, times in economy.counts.items()})
