"""A closing fee valued at the bankruptcy price counts in the trigger. MARGIN §2.2, §3; ADR 10."""

from __future__ import annotations

import random
from fractions import Fraction
from math import ceil
from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.derivatives import set_portfolio, span
from ordercascade.core.schedule import Schedule
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import MarketKind, PriceSource, Side, StepKind
from unit.preset_worlds import scenario_of

PPM = 10**6
FEE = 5_500  # 0.55 %: large enough to move ticks
UNIT = {MarketKind.LINEAR: 100, MarketKind.INVERSE: 10**9}
ROWS = [(0, 50_000, 0, 100_000), (3 * 10**7, 80_000, 900_000, 150_000)]


def venue_of(*kinds: MarketKind, base: str = "entry", **rules: Any) -> tuple[World, Venue]:
    """Markets at an outside price of 1,000 with maintenance on the entry value, books empty."""
    world = World(1)
    world.add_venue(**rules)
    venue = world.venue(0)
    for kind in kinds:
        contract = "inverse" if kind == MarketKind.INVERSE else "linear"
        venue.add_market(
            kind=kind,
            multiplier=UNIT[kind],
            price_max=10_000,
            size_max=1_000,
            source=PriceSource.INDEX,
            index=1_000,
            schedule=Schedule.tiers(
                ROWS,
                multiplier=UNIT[kind],
                contract=contract,
                base=base,
                fee_ppm=FEE,
                fee_base="bankruptcy",
            ),
        )
    return world, venue


def value_of(kind: MarketKind, size: int, price: int) -> int:
    if kind == MarketKind.INVERSE:
        return -UNIT[kind] * size // price
    return UNIT[kind] * size * price


def row_need(value: int) -> int:
    floor, rate, amount, _ = [row for row in ROWS if row[0] <= value][-1]
    assert floor <= value
    return max(0, ceil(Fraction(value * rate, PPM)) - amount)


def slow(venue: Venue, scope: int, kinds: list[MarketKind], marks: list[int], base: str) -> int:
    """Equity less what the trigger asks, from the page: each leg's fee at its bankruptcy value."""
    legs = [(k, *venue.position(scope, m), marks[m]) for m, k in enumerate(kinds)]
    legs = [leg for leg in legs if leg[1]]
    equity = venue.collateral(scope) + sum(value_of(k, n, p) - cost for k, n, cost, p in legs)
    asked = 0
    for kind, size, cost, price in legs:
        value = value_of(kind, size, price)
        asked += row_need(abs(cost) if base == "entry" else abs(value))
        bankrupt = abs(value - equity)  # where the leg has used up all the scope has ...
        gains = (size > 0) == (kind == MarketKind.LINEAR)
        if (value - equity > 0) != gains:
            continue  # ... but it cannot
        rate = Fraction(FEE, PPM)  # and the fee itself is part of what closing costs
        asked += ceil(bankrupt * rate / (1 - rate if gains else 1 + rate))
    return equity - asked


def open_leg(venue: Venue, account: int, market: int, kind: MarketKind, size: int) -> None:
    venue.open_position(account, market, size, value_of(kind, size, 1_000))


@pytest.mark.parametrize("kind", list(UNIT))
@pytest.mark.parametrize("size", [7, -7])
@pytest.mark.parametrize("base", ["entry", "mark"])
def test_one_leg_has_an_exact_trigger(kind: MarketKind, size: int, base: str) -> None:
    """The liquidation price is the last tick at which the page's sum is below zero."""
    world, venue = venue_of(kind, base=base)
    account = venue.open_account()
    venue.deposit(account, 0, abs(value_of(kind, size, 1_000)) // 5)
    open_leg(venue, account, 0, kind, size)
    scope = venue.cross_scope(account)
    world.start()
    tick = venue.liquidation_price(scope, 0)
    assert tick is not None
    away = 1 if size > 0 else -1
    assert (
        slow(venue, scope, [kind], [tick], base)
        < 0
        <= slow(venue, scope, [kind], [tick + away], base)
    )
    venue.set_index(0, tick + away)
    world.settle()
    assert StepKind.LIQUIDATION not in world.log.column("steps", "kind").tolist()
    assert venue.equity(scope) - venue.maintenance(scope) == slow(
        venue, scope, [kind], [tick + away], base
    )
    venue.set_index(0, tick)
    world.settle()
    assert StepKind.LIQUIDATION in world.log.column("steps", "kind").tolist()


def test_without_the_fee_the_trigger_is_further_away() -> None:
    """Isolated by hand: 10 lots of 1,000 at 100 units: cost 10^6, money 10^5. Maintenance at entry
    is 50,000, the fee 900,000 * 0.0055 / 0.9945 = 4,978: safe down to 954,978 = 955 ticks."""
    world, venue = venue_of(MarketKind.LINEAR)
    account = venue.open_account()
    venue.deposit(account, 0, 100_000)
    venue.open_position(account, 0, 10, 10**6)
    world.start()
    scope = venue.cross_scope(account)
    assert venue.maintenance(scope) == 50_000 + 4_978
    assert venue.liquidation_price(scope, 0) == 954
    assert venue.what_if(scope, {0: 955}) == (55_000, 54_978)


@pytest.mark.parametrize("seed", range(6))
def test_several_legs_are_judged_at_every_step_as_the_page_says(seed: int) -> None:
    """Two markets of one kind, accounts with legs in both: equity less maintenance, what_if and
    liquidation prices are the slow sum's, and nobody at risk is overlooked."""
    draw = random.Random(seed)
    kinds = [draw.choice(list(UNIT))] * 2
    base = draw.choice(["entry", "mark"])
    world, venue = venue_of(
        *kinds, base=base, calls={"call_ppm": 1_500_000, "release_ppm": 2 * PPM}
    )
    scopes = []
    for _ in range(12):
        account = venue.open_account()
        sizes = [draw.choice((-1, 1)) * draw.randint(1, 9) for _ in kinds]
        gross = sum(abs(value_of(k, n, 1_000)) for k, n in zip(kinds, sizes, strict=True))
        venue.deposit(account, 0, gross * draw.randint(60, 300) // 1_000)
        for market, size in enumerate(sizes):
            open_leg(venue, account, market, kinds[market], size)
        scopes.append(venue.cross_scope(account))
    for market in range(2):
        venue.seed_level(market, Side.BID, 400, 1_000)
        venue.seed_level(market, Side.ASK, 2_500, 1_000)
    world.start()
    for _ in range(12):
        market = draw.randint(0, 1)
        venue.set_index(market, draw.randint(850, 1_150))
        world.settle()
        world._check()
        assert not any(venue.audit().values())
        marks = venue.marks()
        for scope in scopes:
            judge(venue, scope, kinds, marks, base, draw)
        held = [s for s in scopes if any(venue.position(s, m)[0] for m in (0, 1))]
        below = [s for s in held if slow(venue, s, kinds, marks, base) < 0]
        assert below == []


def judge(
    venue: Venue, scope: int, kinds: list[MarketKind], marks: list[int], base: str,
    draw: random.Random,
) -> None:  # fmt: skip
    want = slow(venue, scope, kinds, marks, base)
    assert venue.equity(scope) - venue.maintenance(scope) == want
    other = [draw.randint(700, 1_300) for _ in kinds]
    equity, maintenance = venue.what_if(scope, dict(enumerate(other)))
    assert equity - maintenance == slow(venue, scope, kinds, other, base)
    for market in (0, 1):
        tick = venue.liquidation_price(scope, market)
        size = venue.position(scope, market)[0]
        if tick is None or not 2 <= tick < 9_999:
            continue
        at, next_to = ([*marks], [*marks])
        at[market], next_to[market] = tick, tick + (1 if size > 0 else -1)
        assert slow(venue, scope, kinds, at, base) < 0 <= slow(venue, scope, kinds, next_to, base)


def test_quotes_leave_the_fee_out_so_that_the_only_leg_takes_all_equity() -> None:
    world, venue = venue_of(MarketKind.LINEAR)
    account = venue.open_account()
    venue.deposit(account, 0, 100_000)
    venue.open_position(account, 0, 10, 10**6)
    world.start()
    scope = venue.cross_scope(account)
    assert venue.bankruptcy_quote(scope, 0, 10) == 900_000


def test_other_assets_as_margin_are_refused_beside_such_a_fee() -> None:
    world = World(1)
    world.add_venue(asset_count=2)
    venue = world.venue(0)
    table = Schedule.tiers(ROWS, multiplier=100, fee_ppm=1, fee_base="bankruptcy")
    venue.add_market(multiplier=100, price_max=10_000, size_max=99, index=100, schedule=table)
    world.add_collateral(0, 1, price=100)
    with pytest.raises(
        oc.ConfigError, match=r"market\[0\].schedule: must take its fee at the mark"
    ):
        world.start()


def test_portfolios_by_scenarios_are_refused_beside_such_a_fee() -> None:
    """A market that scenarios margin has no such fee, but one beside it has."""
    world, _ = venue_of(MarketKind.LINEAR, MarketKind.LINEAR)
    grid = {"reference": 0, "markets": [0], "rows": span(150_000)}
    set_portfolio(world, 0, underlyings=[grid])
    with pytest.raises(
        oc.ConfigError, match=r"market\[1\].schedule: must take its fee at the mark where"
    ):
        world.start()


def test_hedged_accounts_are_refused_beside_such_a_fee() -> None:
    _, venue = venue_of(MarketKind.LINEAR)
    with pytest.raises(
        oc.ConfigError, match=r"market\[0\].schedule: must take its fee at the mark"
    ):
        venue.open_account(hedge=True)


def test_bybit_s_inverse_contracts_run_it_and_the_audit_works_it_out_again() -> None:
    made = scenario_of("bybit-inverse", seed=3, fund=20_000)
    (item, *_) = made.venues[0].markets
    assert item.margins is not None
    assert item.margins.arguments["fee_base"] == "bankruptcy"
    tape = oc.run(made, progress=False)
    assert len(tape.liquidations) > 0
    assert oc.audit(tape).ok
    tape.meta["markets"][0]["schedule"]["fee_base"] = "mark"
    assert not oc.audit(tape).ok
