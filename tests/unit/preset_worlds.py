"""A small venue of each preset, in a scenario: two markets, a crowd in them, a sale, a recovery."""

from __future__ import annotations

import re

from ordercascade import presets
from ordercascade.scenario import Scenario

TIERS = """brackets = [
  { floor = 0, maintenance = 0.01, initial = 0.02 },
  { floor = 40_000, maintenance = 0.02, initial = 0.04 },
  { floor = 120_000, maintenance = 0.05, initial = 0.1 },
]"""
SLAB = """[venue.market.schedule]
type = "slab"
table = [
  { floor = 0, maintenance = 0.01, initial = 0.02 },
  { floor = 40_000, maintenance = 0.015, initial = 0.03 },
  { floor = 80_000, maintenance = 0.02, initial = 0.04 },
  { floor = 120_000, maintenance = 0.03, initial = 0.06 },
]"""
FLAT = '[venue.market.schedule]\ntype = "flat"\nmaintenance = 0.02\ninitial = 0.03'
INTEREST = """[venue.market.schedule]
type = "interest"
maintenance = 0.012
initial = 0.02
lower = 25_000_000
upper = 50_000_000"""
SKEW = """[venue.market.schedule]
type = "skew"
scale = 100_000
fraction = 1
minimum = 0.02
scalar = 0.5
fixed = 10"""
STEPS = """[venue.market.schedule]
type = "steps"
limit = 40_000
step = 20_000
maintenance = 0.005
initial = 0.01"""
# What a scenario brings because the preset leaves it to the market.
MARGINS = {
    "bitmex": STEPS,
    "bybit-inverse": TIERS,
    "bybit-linear": TIERS,
    "dydx-v4": INTEREST,
    "hyperliquid": TIERS,
    "okx": SLAB,
    "synthetix-v3": SKEW,
    "vega": FLAT,
}
MARKETS = ("AUSDT", "BUSDT")
SALES = (  # at, side, value, outside price
    *((1, "ask", 40_000, 985), (20, "ask", 60_000, 970), (40, "ask", 200_000, 940)),
    *((90, "bid", 300_000, 990), (130, "ask", 250_000, 930)),
)
RULES = {"synthetix-v3": "tranche = { capacity = 40, window_s = 2, skew_max = 30 }"}
MARKET = """
[[venue.market]]
name = "{name}"
tick_size = 0.01
lot_size = 0.001
settle = "USDT"
decimals = 6
price_max = 5_000
size_max = 1_000_000
oracle = {{ index = 1_000, kind = "{kind}", own_book_weight = {weight} }}
{margin}
[venue.market.book]
kind = "exponential"
mid = 1_000
step = 0.5
quote = {depth}
scale_bps = 300
reach_bps = 3_000
"""
CROWD = """
[[venue.population]]
name = "{name}"
market = {market}
accounts = {accounts}
long_share = 0.75
cross_share = 0.5
leverage = {{ values = [5, 10, 20, 30], weights = [0.2, 0.3, 0.3, 0.2] }}
notional = {{ kind = "pareto", minimum = 5_000, alpha = 1.2, high = 400_000 }}
entry = {{ kind = "normal", sigma_bps = 80 }}
"""
# Isolated positions beside cross money, which levels of margin move to and fro.
SAVERS = "".join(
    f"""
[[venue.account]]
name = "saver-{number}"
collateral = 900
[[venue.account.position]]
market = "AUSDT"
side = "{side}"
size = 20
entry_price = 1_000
collateral = {money}
margin = "isolated"
"""
    for number, (side, money) in enumerate([("long", 2_000), ("short", 1_200), ("long", 700)])
)

# Stages that no preset has, or that its scenario does not bring to bear.
EXTRAS = {
    "covering": "tranche = { mode = 'cover', portion = 0.05, min = 20, ramp_s = 60, target = 1.2,"
    " buffer = 0.01, cost = 0.003, cooldown_s = 10 }\nexit_buffer = 0.01\n"
    "limit_price = { mode = 'mid_range', range = 0.06 }\nadl = { trigger = 'never' }",
    "shared": "social = { mode = 'lots', step = 0.01 }\nadl = { trigger = 'never' }\n"
    "limit = 'market'",
    "ticks": "adl = { price = 'tick' }\nlimit = 'bankruptcy'",
    "pairs": "adl = { overlap_check = true }\nlimit = 'bankruptcy'",
    "before": "adl = { price = 'previous_mark' }\nlimit = 'bankruptcy'",
}


# Vega on an outside price that jumps beyond what its losers have: the winners share it.
JUMP = {"price = 985": "price = 860", "price = 970": "price = 990", "price = 940": "price = 820"}


def _jumping(text: str) -> str:
    for old, new in JUMP.items():
        text = text.replace(old, new)
    return text.replace('"last", own_book_weight = 1', '"index", own_book_weight = 0')


def text_of(name: str, *, seed: int, accounts: int = 60, fund: int = 20_000) -> str:
    """Return the scenario's text; the marks follow the book, which a sale presses down."""
    if name == "jump":
        return _jumping(text_of("vega", seed=seed, accounts=accounts, fund=fund))
    extra, name = name, "simple" if name in EXTRAS else name
    lines = [
        "schema = 1",
        f'name = "{name}"',
        f"seed = {seed}",
        "[[venue]]",
        'name = "perp"',
        f'preset = "{name}"',
        RULES.get(name, ""),
        EXTRAS.get(extra, ""),
        f"fund = {{ balance = {fund} }}",
    ]
    # Vega's mark is the last trade's; elsewhere half of it comes from outside.
    kind, weight = ("last", 1) if name in ("simple", "vega") else ("mid", 0.5)
    margin = MARGINS.get(name, "" if name in ("simple", "deribit") else TIERS)
    for market in MARKETS:
        lines.append(
            MARKET.format(name=market, kind=kind, margin=margin, depth=900_000, weight=weight)
        )
    lines.append(CROWD.format(name="one", market='"AUSDT"', accounts=accounts))
    lines.append(CROWD.format(name="two", market='["AUSDT", "BUSDT"]', accounts=accounts // 2))
    lines.append(SAVERS)
    for at, side, notional, index in SALES:
        for market in MARKETS:
            lines.append(f'[[index]]\nat_s = {at}\nmarket = "{market}"\nprice = {index}')
            lines.append(
                f'[[shock]]\nat_s = {at}\nmarket = "{market}"\nside = "{side}"\n'
                f"notional = {notional}"
            )
    text = "\n".join(lines)
    return _in_coins(text) if name in ("binance-coinm", "bybit-inverse") else text


def _in_coins(text: str) -> str:
    """Turn it into contracts of 1 USD settled in coins of 1,000: money in coins, sizes in USD."""
    text = text.replace(
        'settle = "USDT"\ndecimals = 6', 'kind = "inverse"\nsettle = "A"\ndecimals = 8'
    )
    text = text.replace("lot_size = 0.001", "lot_size = 10").replace(
        "size = 20\n", "size = 20_000\n"
    )
    text = text.replace("size_max = 1_000_000\n", "size_max = 50_000_000\n")
    money = r"\b(quote|minimum|high|notional|balance|collateral|floor) = ([0-9_]+)"
    return re.sub(money, lambda m: f"{m[1]} = {int(m[2].replace('_', '')) / 1000:g}", text)


def scenario_of(name: str, *, seed: int = 1, accounts: int = 60, fund: int = 20_000) -> Scenario:
    """Return the scenario of a preset that can be run."""
    assert name in (*presets.runnable(), *EXTRAS, "jump")
    return Scenario.from_toml(text_of(name, seed=seed, accounts=accounts, fund=fund))
