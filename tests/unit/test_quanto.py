"""Quanto contracts: linear in the price, settled in another asset by a fixed multiplier."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest

import ordercascade as oc

# BitMEX's old ETHUSD: a contract is 0.000001 XBT for each dollar of the price. Satoshi, and finer.
ETH = {"tick_size": "0.05", "lot_size": "1", "settle": "XBT", "kind": "quanto"}


def test_a_lot_is_worth_the_multiplier_of_its_price_in_the_other_asset() -> None:
    """m = 0.05 * 1 * 0.000001 XBT = 5 satoshi a tick; 1,000 contracts at 200 are 0.2 XBT."""
    market = oc.Market("ETHUSD", **ETH, decimals=8, quanto="0.000001")
    assert market.multiplier == 5
    lots, ticks = market.to_lots(1_000), market.to_ticks(200)
    assert market.to_money(market.worth(lots, ticks)) == Decimal("0.2")
    assert market.to_cost("200", 1_000) == 20_000_000
    assert pickle.loads(pickle.dumps(market)) == market
    assert market != oc.Market("ETHUSD", **ETH, decimals=8, quanto="0.000002")


def test_a_multiplier_finer_than_a_unit_names_the_decimals_that_work() -> None:
    with pytest.raises(oc.ConfigError, match="smallest decimals that work are 8, got 6"):
        oc.Market("ETHUSD", **ETH, decimals=6, quanto="0.000001")


@pytest.mark.parametrize(
    ("kind", "quanto"),
    [("quanto", None), ("quanto", "0"), ("quanto", "-1"), ("linear", "1"), ("inverse", "1")],
)
def test_a_multiplier_is_for_quanto_markets_and_above_0(kind: str, quanto: str | None) -> None:
    with pytest.raises(oc.ConfigError, match="quanto"):
        oc.Market("X", **ETH | {"kind": kind}, decimals=9, quanto=quanto)


SCENARIO = """
schema = 1
name = "quanto"
seed = 5

[[venue]]
name = "perp"
preset = "simple"
[venue.fund]
balance = "1"

[[venue.market]]
name = "ETHUSD"
kind = "quanto"
quanto = "0.000001"
tick_size = "0.05"
lot_size = "1"
settle = "XBT"
decimals = 8
brackets = [{ floor = 0, maintenance = 0.005, leverage_max = 100 }]
book = { kind = "ladder", mid = "200.025", step = "0.05", levels = 300, size = "20000" }

[[venue.population]]
market = "ETHUSD"
accounts = 200
long_share = 0.8
leverage = { values = [10, 25, 50], weights = [1, 1, 1] }
notional = { kind = "lognormal", median = "0.5", sigma = 1.0 }
entry = { kind = "normal", sigma_bps = 30 }

[[shock]]
at_s = 1
side = "ask"
size = "1600000"
"""


def test_a_scenario_runs_as_the_linear_market_of_the_same_m_does() -> None:
    """A linear market whose lot is 0.000001 of it has the same m: the same steps, to the row."""
    tape = oc.run(oc.Scenario.from_toml(SCENARIO))
    assert oc.audit(tape).ok
    assert tape.summary()["liquidations"] > 20
    plain = SCENARIO.replace('kind = "quanto"\nquanto = "0.000001"', 'kind = "linear"')
    plain = plain.replace('lot_size = "1"', 'lot_size = "0.000001"')
    plain = plain.replace('size = "20000"', 'size = "0.02"').replace('"1600000"', '"1.6"')
    other = oc.run(oc.Scenario.from_toml(plain))
    assert other.state_hash() == tape.state_hash()
