"""Inverse contracts: SEMANTICS §1 by hand, exact triggers, bounds and refusals."""

from __future__ import annotations

import random
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
import pytest

import ordercascade as oc
from ordercascade.contracts import NO_PRICE
from ordercascade.core.monitor import Monitor
from ordercascade.core.world import World
from ordercascade.enums import (
    HolderKind,
    LimitRule,
    MarketKind,
    PriceSource,
    Reject,
    Side,
)
from ordercascade.margin import Schedule

SATOSHI = 10**8
# A lot is 1 USD, a tick 0.5 USD: K = 1 / 0.5 in satoshi.
K = 2 * SATOSHI
ROWS = [(0, 5_000, 0, 10_000), (10**9, 10_000, 5 * 10**6, 20_000)]
INVERSE: dict[str, Any] = {"contract": "inverse", "multiplier": K}


def inverse_world(last: int = 20_000, source: PriceSource = PriceSource.LAST, **rules: Any) -> Any:
    """A venue with one inverse market, before its start; the outside price begins at `last`."""
    world = World()
    world.add_venue(**rules)
    world.venue(0).add_market(
        multiplier=K,
        kind=MarketKind.INVERSE,
        price_max=10**6,
        size_max=10**7,
        brackets=ROWS,
        last=last,
        index=last,
        source=source,
    )
    return world


def test_a_long_of_ten_thousand_dollars_gains_coins_by_the_reciprocals_of_the_price() -> None:
    """10,000 USD bought at 10,000: 1 BTC; at 12,500 the same dollars are 0.8: it gains 0.2."""
    world = inverse_world(last=25_000)
    venue = world.venue(0)
    account = venue.open_account()
    venue.deposit(account, 0, SATOSHI)
    scope = venue.open_position(account, 0, 10_000, -SATOSHI)
    world.start()
    assert venue.equity(scope) == SATOSHI + SATOSHI // 5


def test_without_a_price_an_inverse_position_is_worth_nothing_yet() -> None:
    """Before the start no mark stands: 1 BTC of money and the 1 BTC that its debt was, no value."""
    world = inverse_world(last=20_000)
    venue = world.venue(0)
    account = venue.open_account()
    venue.deposit(account, 0, SATOSHI)
    scope = venue.open_position(account, 0, 10_000, -SATOSHI)
    assert venue.marks() == [0]
    assert venue.equity(scope) == 2 * SATOSHI
    world.start()
    assert venue.equity(scope) == SATOSHI


def test_values_are_floored_for_both_signs_and_a_trade_has_one_cost() -> None:
    """K q / p = 200,000,000 * 3 / 20,001 = 29,998.50...: -29,999 for a long, 29,998 for a short;
    a trade at that price costs 29,998 on both sides."""
    world = inverse_world(last=20_001)
    venue = world.venue(0)
    people = [venue.open_account() for _ in range(2)]
    scopes = [venue.deposit(account, 0, 10**6) for account in people]
    world.start()
    venue.submit(people[0], 0, Side.BID, 20_001, 3)
    venue.submit(people[1], 0, Side.ASK, 20_001, 3)
    assert [venue.position(scope, 0) for scope in scopes] == [(3, -29_998), (-3, 29_998)]
    assert [venue.equity(scope) - 10**6 for scope in scopes] == [-1, 0]
    assert not any(venue.audit().values())


def test_a_reduction_keeps_the_floored_part_of_the_cost_and_a_flip_starts_anew() -> None:
    """Cost -29,998 of 3 lots: 1 lot left costs floor(-29,998 / 3) = -10,000."""
    world = inverse_world(last=20_001)
    venue = world.venue(0)
    people = [venue.open_account() for _ in range(2)]
    scopes = [venue.deposit(account, 0, 10**6) for account in people]
    world.start()

    def trade(lots: int, price: int) -> None:
        sides = (Side.BID, Side.ASK) if lots > 0 else (Side.ASK, Side.BID)
        for side, account in zip(sides, people, strict=True):
            venue.submit(account, 0, side, price, abs(lots))

    trade(3, 20_001)
    trade(-2, 25_000)  # 16,000 back for 19,998 paid
    assert venue.position(scopes[0], 0) == (1, -10_000)
    assert venue.collateral(scopes[0]) == 10**6 + 29_998 - 10_000 - 16_000
    trade(-3, 30_000)  # floor(20,000 / 3) = 6,666 closes, the rest opens a short
    assert venue.position(scopes[0], 0) == (-2, 20_000 - 6_666)
    assert not any(venue.audit().values())


def test_the_bankruptcy_price_is_the_reciprocal_one_and_a_hedged_short_has_none() -> None:
    """Isolated long, entry E and leverage 50: E 50 / 51. A short of 1x owns its coins."""
    world = inverse_world(last=15_780)
    venue = world.venue(0)
    long, short = (venue.open_account() for _ in range(2))
    paid = K * 5_000 // 15_780
    venue.deposit(long, 0, paid // 50)
    venue.deposit(short, 0, paid)
    mine = venue.open_position(long, 0, 5_000, -paid)
    theirs = venue.open_position(short, 0, -5_000, paid)
    world.start()
    exact = Fraction(K * 5_000, paid + paid // 50)
    assert venue.bankruptcy_price(mine, 0) == ceil(exact) == ceil(Fraction(15_780 * 50, 51))
    assert venue.bankruptcy_price(theirs, 0) == NO_PRICE
    assert venue.liquidation_price(theirs, 0) is None


@pytest.mark.parametrize("strict", [True, False])
def test_liquidation_prices_are_the_tick_nearest_to_safety(strict: bool) -> None:
    """Against the definition, tick by tick around the answer, in every bracket."""
    draw = random.Random(5)
    for _ in range(200):
        size = draw.choice([1, -1]) * draw.randrange(1, 5_000_000)
        entry = draw.randrange(10_000, 40_000)
        paid = abs(size) * K // entry
        cost = -paid if size > 0 else paid
        money = max(1, paid * draw.randrange(5, 800) // 1_000)
        world = inverse_world(last=entry, trigger_strict=strict)
        venue = world.venue(0)
        account = venue.open_account()
        venue.deposit(account, 0, money)
        scope = venue.open_position(account, 0, size, cost)
        world.start()

        def unsafe(tick: int, size: int = size, left: int = money - cost) -> bool:
            value = floor(Fraction(-K * size, tick))
            row = [r for r in ROWS if r[0] <= abs(value)][-1]
            need = max(0, ceil(Fraction(abs(value) * row[1], 10**6)) - row[2])
            return left + value < need + (not strict)

        tick = venue.liquidation_price(scope, 0)
        toward = 1 if size > 0 else -1
        if tick is None:
            assert not unsafe(1 if size > 0 else 2**31 - 1)
            continue
        assert unsafe(tick)
        assert not (1 <= tick + toward < 2**31) or not unsafe(tick + toward)


def test_the_trigger_index_misses_nobody_where_contracts_are_mixed() -> None:
    """Two inverse markets and a linear one, cross and isolated; every jump against a full scan."""
    draw = random.Random(11)
    world = World()
    world.add_venue(trigger_strict=False)
    venue = world.venue(0)
    kinds = [MarketKind.INVERSE, MarketKind.LINEAR, MarketKind.INVERSE]
    terms = [10**9, 1_000, 10**9 + 7]
    for kind, unit in zip(kinds, terms, strict=True):
        venue.add_market(
            multiplier=unit, kind=kind, price_max=5_000, size_max=10**5, brackets=[
                (0, 5_000, 0, 10_000), (10**8, 20_000, 1_500_000, 40_000),
            ], source=PriceSource.INDEX, index=1_000,
        )  # fmt: skip
    held: dict[int, list[tuple[int, int, int]]] = {}
    for _ in range(400):
        account = venue.open_account()
        legs = draw.sample(range(3), draw.choice([1, 1, 2, 3]))
        worth, opens = 0, []
        for market in legs:
            lots = draw.choice([1, 1, -1]) * draw.randrange(1, 300)
            entry = draw.randrange(950, 1_050)
            paid = terms[market] * abs(lots) // entry
            cost = -paid if lots > 0 else paid
            if kinds[market] == MarketKind.LINEAR:
                cost = lots * entry * terms[market]
            worth += abs(cost)
            opens.append((market, lots, cost))
        venue.deposit(account, 0, worth // draw.randrange(2, 40) + 60_000)
        for market, lots, cost in opens:
            scope = venue.open_position(account, market, lots, cost)
        held[scope] = opens
    money = {scope: venue.collateral(scope) for scope in held}
    world.start()
    monitor = Monitor(venue)
    marks = [1_000] * 3
    fell = 0
    for _ in range(300):
        marks = [max(200, min(4_000, m + draw.choice([0, 1, -1, 7, -9, 60, -80]))) for m in marks]
        monitor.set_marks(marks)
        want = [s for s, legs in held.items() if _short(money[s], legs, marks, kinds, terms)]
        assert monitor.at_risk().tolist() == want
        fell += len(want)
        monitor._check()
    assert fell > 1_000


def _short(
    money: int,
    legs: list[tuple[int, int, int]],
    marks: list[int],
    kinds: list[MarketKind],
    terms: list[int],
) -> bool:
    for market, lots, cost in legs:
        value = Fraction(lots * marks[market] * terms[market])
        if kinds[market] == MarketKind.INVERSE:
            value = Fraction(-lots * terms[market], marks[market])
        worth = abs(floor(value))
        rate, amount = (20_000, 1_500_000) if worth >= 10**8 else (5_000, 0)
        money += floor(value) - cost - max(0, ceil(Fraction(worth * rate, 10**6)) - amount)
    return money <= 0


def test_adl_takes_what_the_bankrupt_owes_to_a_unit_a_party_and_leaves_it_at_zero() -> None:
    world = inverse_world(limit=LimitRule.BANKRUPTCY, source=PriceSource.INDEX)
    venue = world.venue(0)
    long, *shorts = (venue.open_account() for _ in range(4))
    venue.deposit(long, 0, 700_001)
    bankrupt = venue.open_position(long, 0, 3_001, -(K * 3_001 // 20_000))
    others = []
    for account, lots in zip(shorts, (1_000, 1_000, 1_001), strict=True):
        venue.deposit(account, 0, 10**9)
        others.append(venue.open_position(account, 0, -lots, K * lots // 20_000))
    world.start()
    before = {scope: venue.what_if(scope, {0: 17_777})[0] for scope in (bankrupt, *others)}
    assert before[bankrupt] < 0
    venue.set_index(0, 17_777)
    world.run()
    assert venue.marks() == [17_777]
    assert venue.position(bankrupt, 0) == (0, 0)
    assert venue.collateral(bankrupt) == 0
    gained = sum(venue.equity(scope) - before[scope] for scope in others)
    assert abs(gained - before[bankrupt]) <= 4
    assert not any(venue.audit().values())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": 2}, "kind"),
        ({"kind": "inverse"}, "kind"),
        ({"multiplier": 0}, "multiplier"),
        ({"multiplier": 2**41, "size_max": 2**20}, "notional bound"),
        ({"price_max": 0}, "price_max"),
        ({"schedule": Schedule.tiers(ROWS, multiplier=K)}, "contract"),
        ({"schedule": Schedule.tiers(ROWS, multiplier=1, contract="inverse")}, "multiplier"),
        ({"schedule": ROWS}, "schedule must be a Schedule, got list"),
        ({"schedule": Schedule.tiers(ROWS, **INVERSE, strict=False)}, "must be strict just where"),
        (
            {"schedule": Schedule.risk(long_ppm=1, short_ppm=1, slippage_ppm=0, **INVERSE)},
            "must be of a linear contract with risk factors",
        ),
    ],
)
def test_what_an_inverse_market_refuses(changes: dict[str, Any], said: str) -> None:
    world = World()
    world.add_venue()
    given: dict[str, Any] = {"multiplier": K, "kind": MarketKind.INVERSE, "brackets": ROWS}
    with pytest.raises((oc.ConfigError, oc.InputError, oc.InputTypeError), match=said):
        world.venue(0).add_market(**{"size_max": 10**6} | given | changes)
    assert world.venue(0).add_market(**given, size_max=10**6) == 0


def test_size_max_bounds_positions_as_in_a_linear_market() -> None:
    world = inverse_world()
    venue = world.venue(0)
    account = venue.open_account()
    venue.deposit(account, 0, 2**59)
    world.start()
    assert venue.submit(account, 0, Side.BID, 20_000, 10**7) > 0
    assert venue.submit(account, 0, Side.BID, 20_000, 1) == Reject.POSITION_LIMIT


def test_a_market_of_people_counts_dollars_and_says_what_k_is() -> None:
    market = oc.Market(
        "BTCUSD", tick_size="0.5", lot_size="1", settle="BTC", decimals=8, kind="inverse"
    )
    assert market.multiplier == K
    assert market.size_max == 2**60 // K
    assert market.to_cost("7890.25", 5_000) == -floor(Fraction(5_000 * SATOSHI * 100, 789_025))
    assert market.worth(3, 20_001) == -29_999
    with pytest.raises(oc.ConfigError, match="smallest decimals that work are 4"):
        oc.Market("X", tick_size="3.2", lot_size="1", settle="BTC", decimals=3, kind="inverse")
    with pytest.raises(oc.ConfigError, match="no decimals up to 9 work"):
        oc.Market("X", tick_size="0.3", lot_size="1", settle="BTC", decimals=8, kind="inverse")


def test_a_fork_and_its_original_agree_and_the_kind_is_part_of_the_hash() -> None:
    worlds = []
    for kind in MarketKind:
        world = World()
        world.add_venue()
        world.venue(0).add_market(multiplier=10, size_max=100, kind=kind, last=100)
        world.start()
        assert world.fork().state_hash() == world.state_hash()
        worlds.append(world.state_hash())
    assert len(set(worlds)) == len(MarketKind)


def test_a_population_of_an_inverse_market_is_drawn_in_coins() -> None:
    from ordercascade.core import populate
    from ordercascade.core.laws import Crowd, Law, LawKind, Terms

    constant = Law(LawKind.CONSTANT, a=1.0)
    crowd = Crowd(
        accounts=50, long_share=0.5, cross_share=1.0, leverage=Law(LawKind.CONSTANT, a=10.0),
        size=Law(LawKind.CONSTANT, a=2e8), size_is_value=True, entry=constant,
        entry_in_ticks=False, held=(1.0,),
    )  # fmt: skip
    terms = Terms(20_000, K, 10**6, 10**7, ROWS, MarketKind.INVERSE)
    drawn = populate.draw(crowd, [terms], 7, "x")
    assert set(np.abs(drawn.openings["size"]).tolist()) == {20_000}  # 2 BTC at 10,000 USD
    assert set((drawn.openings["cost"] * np.sign(drawn.openings["size"])).tolist()) == {-2 * 10**8}
    assert set(drawn.deposits.tolist()) == {2 * 10**7}


def test_external_is_the_other_side_of_an_inverse_opening() -> None:
    world = inverse_world()
    venue = world.venue(0)
    account = venue.open_account()
    venue.deposit(account, 0, SATOSHI)
    venue.open_position(account, 0, 7, -K * 7 // 20_000)
    world.start()
    outside = venue.holder(HolderKind.EXTERNAL, 0)
    assert venue.position(outside, 0) == (-7, K * 7 // 20_000)


SCENARIO = """
schema = 1
name = "coins"
seed = 3

[[venue]]
name = "perp"
preset = "simple"
RULES
[venue.fund]
balance = "0.5"

[[venue.market]]
name = "BTCUSD"
kind = "inverse"
tick_size = "0.5"
lot_size = "1"
settle = "BTC"
decimals = 8
brackets = [{ floor = 0, maintenance = 0.005, leverage_max = 100 }]
book = { kind = "ladder", mid = "60000.25", step = "10", levels = 400, size = "3000" }

[[venue.population]]
market = "BTCUSD"
accounts = 300
long_share = 0.8
leverage = { values = [10, 25, 50], weights = [1, 1, 1] }
notional = { kind = "lognormal", median = "0.05", sigma = 1.0 }
entry = { kind = "normal", sigma_bps = 30 }

[[shock]]
at_s = 1
side = "ask"
notional = "9"

[[funding]]
at_s = 2
rate = "0.001"
"""


@pytest.mark.parametrize("rules", ["", 'mm_base = "entry"', 'leg = "worst_pnl"'])
def test_a_scenario_in_coins_cascades_and_its_tape_passes_the_audit(rules: str) -> None:
    tape = oc.run(oc.Scenario.from_toml(SCENARIO.replace("RULES", rules)))
    found = oc.audit(tape)
    assert found.ok, found
    summary = tape.summary()
    assert summary["liquidations"] > 50
    assert set(summary["money_check"].values()) == {0}
    # 9 BTC at the mark are 540,000 USD: 180 levels, on average 900 USD or 1.5 % below.
    assert summary["shock_notional"] == pytest.approx(9 * SATOSHI * 60_000 / 59_095, rel=1e-4)
