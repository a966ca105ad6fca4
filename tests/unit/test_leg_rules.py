"""Which legs of a cross scope are sold: what its book can take most of, or all. ADR 28."""

from __future__ import annotations

from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.derivatives import set_portfolio, span
from ordercascade.core.world import World
from ordercascade.enums import (
    LegRule,
    MarkRefresh,
    Outcome,
    PriceSource,
    ShortfallAt,
    Side,
    StepKind,
)
from ordercascade.tape import Tape
from reference.scripts import Call
from unit.audit_worlds import meta_of, tape_of_calls
from unit.worlds import BRACKETS, rows, run_checked

SECOND = 10**9


def two_legs(
    sizes: tuple[int, int],
    bids: tuple[dict[int, int], dict[int, int]],
    deposit: int,
    *,
    leg: LegRule,
    multipliers: tuple[int, int] = (1, 1),
    **rules: Any,
) -> World:
    """Positions from 100 in two markets whose outside price goes from 100 to 90: 5 % must stay."""
    world = World()
    world.add_venue(leg=leg, **rules)
    venue = world.venue(0)
    for levels, size, multiplier in zip(bids, sizes, multipliers, strict=True):
        market = venue.add_market(
            multiplier=multiplier,
            brackets=BRACKETS,
            source=PriceSource.INDEX,
            index=100,
            price_max=1_000,
            size_max=1_000,
        )
        for price, lots in levels.items():
            venue.seed_level(market, Side.BID if size > 0 else Side.ASK, price, lots)
    account = venue.open_account()
    venue.deposit(account, 0, deposit)
    for market, size in enumerate(sizes):
        venue.open_position(account, market, size, 100 * size * multipliers[market])
        world.schedule_index(0, 0, market, 90 if size > 0 else 110)
    world.start()
    return world


def sold(world: World) -> list[tuple[int, ...]]:
    run_checked(world)
    return rows(world, "liquidations", "market", "lots_asked", "lots_filled", "tranche")


@pytest.mark.parametrize(
    ("sizes", "bids", "market"),
    [
        ((20, 10), ({90: 9}, {90: 5}), 1),  # 9/20 < 5/10
        ((20, 10), ({90: 10}, {90: 5}), 0),  # the same share: 1,800 against 900
        ((20, 10), ({90: 9}, {88: 1, 85: 4}), 1),  # whatever the price
        ((10, 11), ({90: 900}, {90: 11}), 1),  # both whole: 990 against 900
        ((10, 10), ({90: 10}, {90: 90}), 0),  # nothing to choose: market 0
        ((3, 10), ({90: 1}, {90: 3}), 0),  # 1/3 > 3/10
        ((10, 3), ({90: 3}, {90: 1}), 1),
        ((-20, -10), ({110: 9}, {110: 5}), 1),  # shorts are closed on the asks
        ((10, 20), ({}, {90: 1}), 1),  # nothing at all rests
        ((10, 20), ({}, {}), 1),
    ],
)
def test_the_leg_of_which_the_book_takes_the_largest_share_goes_first(
    sizes: tuple[int, int], bids: Any, market: int
) -> None:
    """Then the larger value, then market 0."""
    deposit = 10 * sum(abs(size) for size in sizes) + 1
    world = two_legs(sizes, bids, deposit, leg=LegRule.MOST_LIQUID)
    assert sold(world)[0][0] == market


def test_every_leg_gets_an_order_in_the_same_round() -> None:
    """Equity 50 of 90 for 20 lots at 90. 5 of each leg: 67 for 15 lots, then 45 for 10: healthy."""
    world = two_legs((10, 10), ({90: 99}, {90: 99}), 250, leg=LegRule.PRO_RATA,
                     fraction_ppm=500_000)  # fmt: skip
    assert sold(world) == [(0, 5, 5, 1), (1, 5, 5, 2)]
    outcomes = rows(world, "liquidations", "outcome")
    assert outcomes == [(Outcome.PENDING,), (Outcome.HEALTHY,)]
    steps = rows(world, "steps", "kind", "round", "parent", "generation")
    orders = {step[1:] for step in steps if step[0] == StepKind.LIQUIDATION}
    assert len(orders) == 1  # one round, the parent of the first for both


def test_a_leg_whose_scope_is_healthy_by_then_is_dropped() -> None:
    """Equity 70: after 5 lots of market 0 that is enough for the 67.5 of 15 lots."""
    world = two_legs((10, 10), ({90: 99}, {90: 99}), 270, leg=LegRule.PRO_RATA,
                     fraction_ppm=500_000)  # fmt: skip
    assert sold(world) == [(0, 5, 5, 1)]
    assert rows(world, "liquidations", "outcome") == [(Outcome.HEALTHY,)]


def test_a_whole_leg_does_not_end_the_cooldown_that_a_partial_one_started() -> None:
    """Equity 20 of 54. 5 of 10 lots; 2 lots are worth 180, less than 400: all of them.

    22.5 are needed for the 5 lots left, so 10 s later 2 of those: 3 lots ask for 13.5.
    """
    world = two_legs((10, 2), ({90: 99}, {90: 99}), 140, leg=LegRule.PRO_RATA,
                     fraction_ppm=500_000, min_value=400, cooldown_ns=10 * SECOND)  # fmt: skip
    assert sold(world) == [(0, 5, 5, 1), (1, 2, 2, 2), (0, 2, 2, 3)]
    steps = rows(world, "steps", "kind", "time_ns")
    times = [time for kind, time in steps if kind == StepKind.LIQUIDATION]
    assert times == [0, 0, 10 * SECOND]


def test_what_an_earlier_leg_sold_counts_for_the_next_try() -> None:
    """Nobody bids in market 1, whose order is the round's last: market 0 is still tried again.

    Equity 20: 12 lots ask for 54, with 5 sold 31.5, with 2 more 22.5, then 3 (270 < 400): 9.
    """
    world = two_legs((10, 2), ({90: 99}, {}), 140, leg=LegRule.PRO_RATA, fraction_ppm=500_000,
                     min_value=400)  # fmt: skip
    assert sold(world) == [(0, 5, 5, 1), (1, 2, 0, 2), (0, 2, 2, 3), (1, 2, 0, 4), (0, 3, 3, 5)]


@pytest.mark.parametrize("when", ShortfallAt)
def test_one_loss_is_settled_once(when: ShortfallAt) -> None:
    """Equity 10 at 90, bids at 85: 40 short after market 0, 90 short after both.

    After the order the other leg is deleveraged, its order dropped; at the round's end the first
    row bears the fund's 90 and the second finds a flat scope with nothing.
    """
    world = two_legs((10, 10), ({85: 99}, {85: 99}), 210, leg=LegRule.PRO_RATA,
                     shortfall_at=when)  # fmt: skip
    world.venue(0).fund_deposit(0, 100)
    orders = sold(world)
    ends = rows(world, "liquidations", "outcome", "shortfall", "paid_fund", "paid_adl")
    if when == ShortfallAt.ORDER:
        assert orders == [(0, 10, 10, 1)]
        assert ends == [(Outcome.DELEVERAGED, 40, 0, 40)]
    else:
        assert orders == [(0, 10, 10, 1), (1, 10, 10, 2)]
        assert ends == [(Outcome.SHORTFALL, 90, 90, 0), (Outcome.CLOSED, 0, 0, 0)]


@pytest.mark.parametrize("leg", [LegRule.MOST_LIQUID, LegRule.PRO_RATA])
def test_a_portfolio_refuses_rules_that_ask_its_books(leg: LegRule) -> None:
    world = World()
    world.add_venue(leg=leg)
    world.venue(0).add_market(multiplier=1, brackets=BRACKETS, last=100)
    terms = {"reference": 0, "markets": [0], "rows": span(160_000)}
    with pytest.raises(oc.ConfigError, match="most_liquid or pro_rata"):
        set_portfolio(world, 0, underlyings=[terms])
        world.start()


def test_a_leg_that_no_price_could_make_fall_has_no_trigger_price() -> None:
    """A lot of 1 sold short beside ten of 10**9, which nobody offers.

    Equity 4·10**10 of 4.5·10**10, and after 2 of the 10 lots of 3.6·10**10: not at risk, but 2 % of
    the value short of the exit level. The short would have to lose 4·10**9: no tick is that high.
    """
    world = two_legs((10, -1), ({90: 3}, {}), 140 * 10**9, leg=LegRule.PRO_RATA,
                     multipliers=(10**9, 1), fraction_ppm=250_000, buffer_ppm=20_000)  # fmt: skip
    assert sold(world)[:4] == [(0, 2, 2, 1), (1, 1, 0, 2), (0, 2, 1, 3), (1, 1, 0, 4)]
    triggers = rows(world, "liquidations", "market", "trigger_price")
    assert triggers[1] == (1, 1)
    assert triggers[3] == (1, 0)


@pytest.mark.parametrize("leg", ["most_liquid", "pro_rata"])
@pytest.mark.parametrize("name", ["contagion", "two-market-cross"])
def test_a_scenario_names_the_rule_and_its_tape_passes_the_audit(name: str, leg: str) -> None:
    tape = oc.run(oc.scenarios.load(name, f'leg="{leg}"'), progress=False)
    found = oc.audit(tape)
    assert found.ok, str(found)
    steps, orders = tape.steps, tape.liquidations
    rounds = [(int(steps["time_ns"][row]), int(steps["round"][row])) for row in orders["step"]]
    turns = list(zip(orders["scope"].tolist(), rounds, strict=True))
    # In the smaller one an order for one leg is enough, and the other is dropped.
    assert (len(set(turns)) < len(turns)) == ((name, leg) == ("contagion", "pro_rata"))


@pytest.mark.parametrize("told", [LegRule.LARGEST_MARGIN_RELIEF, LegRule.WORST_PNL])
def test_the_audit_notices_another_leg_than_the_book_s(told: LegRule) -> None:
    """A run by `most_liquid` whose metadata name another rule: the leg that was sold is wrong."""
    calls = [
        Call(-1, "add_venue", (1,), {"leg": LegRule.MOST_LIQUID}),
        *(Call(0, "add_market", (), {"multiplier": 1, "brackets": BRACKETS, "index": 100,
                                     "source": PriceSource.INDEX}) for _ in range(2)),
        Call(0, "seed_level", (0, Side.BID, 90, 9)),
        Call(0, "seed_level", (1, Side.BID, 90, 5)),
        Call(0, "open_account"),
        Call(0, "deposit", (1, 0, 301)),
        Call(0, "open_position", (1, 0, 20, 2_000)),
        Call(0, "open_position", (1, 1, 10, 1_000)),
        *(Call(-1, "schedule_index", (0, 0, market, 90)) for market in range(2)),
        Call(-1, "start"),
        Call(-1, "run"),
    ]  # fmt: skip
    tape = tape_of_calls(calls)
    assert tape.liquidations["market"][0] == 1
    assert oc.audit(tape).ok
    other = [calls[0]._replace(kwargs={"leg": told}), *calls[1:]]
    wrong = oc.audit(Tape(tape.__dict__["_log"], meta_of(other) | {"stop": tape.meta["stop"]}))
    assert not wrong.ok
    assert "liquidations[0].market must be 0, got 1" in str(wrong)


def test_a_liquidation_that_was_over_in_the_round_is_not_taken_up_by_its_table() -> None:
    """The first account sells 5 of 10 lots at 95: equity 80 of 73.75. Its other leg is dropped.

    Then the second one's 5 lots go at 90: 55 of 72.5. The next round begins anew with tranche 1.
    """
    world = World()
    world.add_venue(leg=LegRule.PRO_RATA, fraction_ppm=500_000, shortfall_at=ShortfallAt.ROUND,
                    mark_refresh=MarkRefresh.ORDER)  # fmt: skip
    venue = world.venue(0)
    for _ in range(2):
        venue.add_market(multiplier=1, brackets=BRACKETS, last=100)
    venue.seed_level(0, Side.BID, 95, 6)
    venue.seed_level(0, Side.BID, 90, 99)
    for deposit, markets in ((130, (0, 1)), (90, (0,))):
        account = venue.open_account()
        venue.deposit(account, 0, deposit)
        for market in markets:
            venue.open_position(account, market, 10, 1_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    orders = rows(world, "liquidations", "account", "market", "lots_filled", "tranche", "outcome")
    assert orders[0] == (1, 0, 5, 1, Outcome.HEALTHY)
    assert orders[1][:4] == (2, 0, 5, 1)
    assert orders[2][:2] == (1, 0)
    assert orders[2][3] == 1
