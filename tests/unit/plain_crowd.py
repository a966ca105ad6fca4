"""One market, a ladder, a crowd and a sale: what tests of safeguards change key by key."""

from __future__ import annotations


def plain_crowd(name: str, *, seed: int, accounts: int, median: int, rules: str = "") -> str:
    """Return all but the sale; `rules` are further lines of the venue."""
    return f"""
schema = 1
name = "{name}"
seed = {seed}
[[venue]]
name = "perp"
preset = "simple"
limit = "market"
{rules}
[[venue.market]]
name = "BTCUSDT"
tick_size = 1
lot_size = 0.001
settle = "USDT"
decimals = 6
brackets = [{{ floor = 0, maintenance = 0.005, leverage_max = 125 }}]
book = {{ kind = "ladder", mid = 60_000.5, step = 20, levels = 250, size = 0.2 }}
[[venue.population]]
market = "BTCUSDT"
accounts = {accounts}
long_share = 0.8
leverage = {{ values = [10, 50, 100] }}
notional = {{ kind = "lognormal", median = {median}, sigma = 1 }}
"""


SALE = """[[shock]]
at_s = 1
side = "ask"
notional = 300_000
"""
