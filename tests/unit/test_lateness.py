"""What a late price costs: the law of MECHANISMS §8, and the engine that keeps to it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ordercascade.analysis import gap_risk
from ordercascade.core.world import World
from ordercascade.enums import OrderFlag, PriceSource, Side, TimeInForce
from ordercascade.errors import InputError
from ordercascade.mechanisms.feeds import Feed
from unit.worlds import holding, rows

SECOND = 10**9
HOUR_S = 3600
TOLD, BANKRUPT = 99_998, 99_499  # what liquidates the account; where it is at zero


def test_the_numbers_of_the_page_come_out() -> None:
    """§8: 27.9 % and 12.0 % at 80 % a year and an hour; negligible at 12 s from half a per cent."""
    assert gap_risk(0.8, HOUR_S, 0.005).breach == pytest.approx(0.279, abs=5e-4)
    assert gap_risk(0.8, HOUR_S, 0.01).breach == pytest.approx(0.120, abs=5e-4)
    assert gap_risk(0.8, 12, 0.005).breach < 1e-20


def test_a_jump_matters_where_diffusion_does_not() -> None:
    """50 falls of 5 % a year: one within 12 s is 50 * 12 / 31,536,000 likely and loses 4.5 %."""
    risk = gap_risk(0.8, 12, 0.005, jump=-0.05, jumps_per_year=50)
    assert risk.breach == pytest.approx(50 * 12 / (365 * 86_400), rel=1e-3)
    assert risk.shortfall == pytest.approx(risk.breach * 0.045, rel=1e-3)
    still = gap_risk(0.0, 12, 0.005, jump=-0.05, jumps_per_year=50)
    assert still.breach == pytest.approx(-math.expm1(-50 * 12 / (365 * 86_400)), rel=1e-9)
    assert gap_risk(0.0, 12, 0.005) == gap_risk(0.8, 0, 0.005) == type(risk)(0.0, 0.0)
    up = gap_risk(0.8, HOUR_S, 0.005, jump=0.05, jumps_per_year=50)
    assert up.breach < gap_risk(0.8, HOUR_S, 0.005).breach


def test_the_mean_of_many_draws_is_the_law() -> None:
    draw = np.random.default_rng(8)
    spread = 0.8 * math.sqrt(HOUR_S / (365 * 86_400))
    moved = spread * draw.standard_normal(400_000)
    moved += draw.poisson(2.0, 400_000) * math.log1p(-0.01)
    missing = np.maximum(0.995 - np.exp(moved), 0)
    yearly = 2.0 * 365 * 86_400 / HOUR_S
    risk = gap_risk(0.8, HOUR_S, 0.005, jump=-0.01, jumps_per_year=yearly)
    assert abs((missing > 0).mean() - risk.breach) < 3 * math.sqrt(0.25 / len(moved))
    assert abs(missing.mean() - risk.shortfall) < 3 * missing.std() / math.sqrt(len(moved))


def shortfall(moved: float) -> int:
    """A long falls due; an hour later it is told, and sold at what the price is by then."""
    world = World(3)
    world.add_venue()
    venue = world.venue()
    feed = Feed(source=PriceSource.INDEX, price_max=2**18, latency_ns=HOUR_S * SECOND)
    venue.add_market(
        multiplier=100,
        price_max=2**18,
        size_max=100,
        index=100_000,
        last=100_000,
        oracle=feed,
        brackets=[(0, 5_000, 0, 10_000)],
    )
    scope = holding(venue, 1, 100_000, 50_100)  # 0.5 % of 99,998 is more than 50,100 - 200
    rich = venue.open_account()
    venue.deposit(rich, 0, 10**9)
    world.start()
    world.schedule_index(SECOND, 0, 0, TOLD)
    world.settle(HOUR_S * SECOND)
    assert rows(world, "liquidations", "scope") == []
    price = round(TOLD * math.exp(moved))
    venue.set_index(0, price)  # nobody is told before another hour has gone
    venue.submit(rich, 0, Side.BID, price, 1, TimeInForce.GTC, OrderFlag(0))
    world.settle((HOUR_S + 1) * SECOND)
    ((found, missing),) = rows(world, "liquidations", "scope", "shortfall")
    assert found == scope
    assert missing == max(0, (BANKRUPT - price) * 100)
    return missing


def test_the_engine_keeps_to_the_law() -> None:
    """1,500 walks of an hour; 3 standard errors. The buffer is what is left at the told price."""
    draw = np.random.default_rng(279)
    spread = 0.8 * math.sqrt(HOUR_S / (365 * 86_400))
    missing = np.array([shortfall(spread * z) for z in draw.standard_normal(1_500)]) / 100
    risk = gap_risk(0.8, HOUR_S, 1 - BANKRUPT / TOLD)
    share = (missing > 0).mean()
    assert abs(share - risk.breach) < 3 * math.sqrt(risk.breach * (1 - risk.breach) / len(missing))
    bound = 3 * missing.std() / math.sqrt(len(missing))
    assert abs(missing.mean() - risk.shortfall * TOLD) < bound


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("volatility", bad) for bad in (-0.1, math.nan, math.inf, "0.8", True)),
        *(("delay_s", bad) for bad in (-1, math.nan, math.inf)),
        *(("buffer", bad) for bad in (-0.01, 1, math.nan)),
        *(("jump", bad) for bad in (-1, -1.5, math.nan)),
        *(("jumps_per_year", bad) for bad in (-1, math.nan, 1e12)),
    ],
)
def test_what_is_no_such_number_is_refused(field: str, value: Any) -> None:
    good = {"volatility": 0.8, "delay_s": 3600, "buffer": 0.005}
    with pytest.raises(InputError, match=field):
        gap_risk(**(good | {field: value}))
