"""Margin schedules at their doors, against the engine, and against figures of real venues."""

from __future__ import annotations

import csv
import json
import math
from fractions import Fraction
from functools import partial
from operator import mul
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ordercascade as oc
from ordercascade import presets
from ordercascade.core.world import World
from ordercascade.data.brackets import schedule as brackets_of
from ordercascade.margin import (
    Schedule,
    bankruptcy_price,
    entry_price,
    fillable_price,
    leverage_row,
    liquidation_price,
    liquidation_range,
    loss_grid,
    margin_required,
    max_size,
    requirement,
    scaled,
    trigger_price,
    what_if,
)
from reference.margin import Bracket, nearest_unsafe
from reference.margin import maintenance as twin_maintenance

BTC = oc.Market("BTCUSDT", tick_size="0.1", lot_size="0.001", settle="USDT", decimals=6)
ROWS = brackets_of(BTC, presets.load("binance-usdm").brackets["BTCUSDT"], "brackets")


def test_the_trigger_is_the_running_engine_s() -> None:
    """A cross account in the engine, long then short, at many leverages: the same tick."""
    schedule = Schedule.tiers(ROWS, multiplier=BTC.multiplier, **presets.options("binance-usdm"))
    for side in (oc.Side.BID, oc.Side.ASK):
        for money in ("400", "1500", "9000", "40000"):
            venue = oc.Venue("binance-usdm", [BTC], index={"BTCUSDT": "60000"})
            maker, taker = venue.open_account(), venue.open_account()
            venue.deposit(maker, "10000000")
            venue.deposit(taker, money)
            other = oc.Side.ASK if side == oc.Side.BID else oc.Side.BID
            size = "0.3" if float(money) > 1000 else "0.05"
            venue.submit(maker, "BTCUSDT", other, price="60000", size=size)
            venue.submit(taker, "BTCUSDT", side, price="60000", size=size)
            lots = BTC.to_lots(size) * (1 if side == oc.Side.BID else -1)
            cost = lots * 600_000 * BTC.multiplier
            fee = abs(cost) * 500 // 10**6
            found = trigger_price(schedule, lots, cost, BTC.to_amount(money) - fee)
            price = venue.liquidation_price(taker, "BTCUSDT")
            assert found == (0 if price is None else BTC.to_ticks(price))


def test_the_trigger_is_the_older_twin_s_for_every_row_of_a_real_table() -> None:
    rows = [Bracket(*row) for row in ROWS]
    schedule = Schedule.tiers(ROWS, multiplier=100)
    for row in rows:
        for sign in (1, -1):
            size = sign * max(1, (row.floor + row.floor // 7) // (600_000 * 100))
            cost = size * 600_000 * 100
            for money in (abs(cost) // 50, abs(cost) // 9, abs(cost) // 2):

                def unsafe(tick: int, size: int = size, left: int = money - cost) -> bool:
                    value = size * tick * 100
                    return left + value < twin_maintenance(rows, abs(value))

                found = trigger_price(schedule, size, cost, money)
                value = partial(mul, size * 100)
                assert found == nearest_unsafe(rows, size, value, unsafe)


def test_arrays_and_numbers_answer_alike_and_broadcast() -> None:
    schedule = Schedule.tiers(ROWS, multiplier=100)
    sizes = np.array([5, -7, 0, 900_000])
    many = liquidation_price(schedule, sizes, sizes * 60_000_000, 10**9, digits=3)
    one = [liquidation_price(schedule, int(n), int(n) * 60_000_000, 10**9, digits=3) for n in sizes]
    assert many.tolist() == one
    assert isinstance(one[0], int)
    strided = liquidation_price(schedule, np.repeat(sizes, 2)[::2], sizes * 60_000_000, 10**9)
    assert (
        strided.tolist() == liquidation_price(schedule, sizes, sizes * 60_000_000, 10**9).tolist()
    )
    assert len(liquidation_price(schedule, np.array([], np.int64), 0, 0)) == 0
    assert what_if(schedule, 600_000, 1, 60_000_000, 7) == (7, 240_000)
    equity, need = what_if(schedule, np.array([600_000, 500_000]), sizes, sizes * 60_000_000, 0)
    assert equity.shape == need.shape == (2, 4)
    out = np.empty((2, 4), np.int64), np.empty((2, 4), np.int64)
    again = what_if(schedule, np.array([600_000, 500_000]), sizes, sizes * 60_000_000, 0, out=out)
    assert again[0] is out[0]
    assert (out[0] == equity).all() and (out[1] == need).all()


@pytest.mark.parametrize(
    ("call", "kind", "rule"),
    [
        (lambda s: liquidation_price(s, 1.0, 1, 1), oc.InputTypeError, "size must be an int"),
        (lambda s: liquidation_price(s, True, 1, 1), oc.InputTypeError, "size must be an int"),
        (
            lambda s: liquidation_price(s, np.array([1.0]), 1, 1),
            oc.InputTypeError,
            "size must be an array of int64, got float64",
        ),
        (
            lambda s: liquidation_price(s, np.ones((2, 2), int), 1, 1),
            oc.InputError,
            "one dimension",
        ),
        (
            lambda s: liquidation_price(s, np.array([1, 2]), np.array([1, 2, 3]), 1),
            oc.InputError,
            "cost must be 1 or as many as the rest, 2, got 3",
        ),
        (lambda s: liquidation_price(s, 2**41, 1, 1), oc.InputError, r"size must be in \[-"),
        (
            lambda s: trigger_price(s, np.array([1, 2**41]), 1, 1),
            oc.InputError,
            r"size must be in .*\(row 1\)",
        ),
        (lambda s: liquidation_price(s, 1, 2**61, 1), oc.InputError, r"cost must be in"),
        (
            lambda s: liquidation_price(s, 1, 1, 1, other_maintenance=-1),
            oc.InputError,
            r"other_maintenance must be in \[0, 2\*\*60\]",
        ),
        (lambda s: liquidation_price(s, 1, 1, 1, digits=10), oc.InputError, r"digits must be in"),
        (lambda s: what_if(s, 0, 1, 1, 1), oc.InputError, r"prices must be in .*\(row 0\)"),
        (lambda s: what_if(s, 2**31, 1, 1, 1), oc.InputError, r"prices must be in"),
        (
            lambda s: what_if(s, 2**31 - 1, np.array([1, 2**39]), 0, 0),
            oc.InputError,
            r"size times price must be worth at most 2\*\*60 units.*row 1",
        ),
        (
            lambda s: what_if(s, 1, 1, 1, 1, out=(np.empty((2, 2), int), np.empty((2, 2), int))),
            oc.InputError,
            "out must be two arrays of shape",
        ),
        (lambda s: margin_required(s, 1, 0), oc.InputError, r"price must be in \[1, "),
        (lambda s: margin_required(s, 1, 1, bids=-1), oc.InputError, r"bids must be in \[0, "),
        (lambda s: margin_required(s, 1, 1, leverage=1001), oc.InputError, "leverage must be in"),
        (lambda s: max_size(s, 1, 1, side=2), oc.InputError, "side must be in"),
        (lambda s: bankruptcy_price(s, 1, 1, 1, other_maintenance=5), oc.InputError, "price must"),
        (lambda s: liquidation_price(None, 1, 1, 1), TypeError, "Argument 'schedule'"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(call: Any, kind: Any, rule: str) -> None:
    schedule = Schedule.flat(maintenance_ppm=5_000, initial_ppm=10_000)
    with pytest.raises(kind, match=rule):
        call(schedule)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: Schedule.tiers([]), r"rows: must have 1 to 4096 rows"),
        (lambda: Schedule.tiers([(1, 0, 0, 0)]), r"rows\[0\].floor: must be 0"),
        (lambda: Schedule.tiers([(0, 5, 0, 9), (0, 6, 0, 9)]), r"rows\[1\].floor: must be above"),
        (
            lambda: Schedule.tiers([(0, 6_000, 0, 9_000), (1_000, 5_000, -1, 9_000)]),
            r"rows\[1\].maintenance_ppm: must not fall",
        ),
        (
            lambda: Schedule.tiers([(0, 5_000, 0, 9_000), (1_000, 6_000, 0, 9_000)]),
            r"rows\[1\].amount: must keep maintenance continuous: 1.0, got 0",
        ),
        (
            lambda: Schedule.slab([(0, 5, 9), (10, 6, 8)]),
            r"rows\[1\].initial_ppm: must not fall",
        ),
        (lambda: Schedule.tiers([(0, 1)]), r"rows\[0\]: must be floor, maintenance, amount, init"),
        (lambda: Schedule("flot"), "kind: must be one of flat, tiers"),
        (
            lambda: Schedule.flat(maintenance_ppm=1, initial_ppm=2, contract="spot"),
            "contract: must be one of linear, quanto, inverse, got 'spot'",
        ),
        (lambda: Schedule.flat(maintenance_ppm=1, initial_ppm=2, strict=1), "strict: must be True"),
        (lambda: Schedule.flat(maintenance_ppm=1, initial_ppm=2, mark=1), "mark: is no number"),
        (
            lambda: Schedule.interest(maintenance_ppm=1, initial_ppm=2, lower=5, upper=5),
            "upper: must be 0 or above lower",
        ),
        (
            lambda: Schedule.risk(long_ppm=1, short_ppm=1, slippage_ppm=0, base="entry"),
            "base: must be mark or oracle with kind 'risk'",
        ),
        (
            lambda: Schedule.tiers([(0, 1, 0, 2)], by="size"),
            "by: must be value, or size with",
        ),
    ],
)
def test_a_schedule_that_contradicts_itself_is_refused(make: Any, rule: str) -> None:
    with pytest.raises(oc.ConfigError, match=r"schedule\." + rule):
        make()


def test_hedged_legs_share_one_price_by_the_published_formula() -> None:
    """MARGIN §3: X + cum_L + cum_S - L E_L + S E_S over L mmr_L + S mmr_S - L + S.

    3 long at 1,000 and 1 short at 1,100, 500 behind, 1 %: (500 - 3000 + 1100) / (0.04 - 2).
    """
    schedule = Schedule.flat(maintenance_ppm=10_000, initial_ppm=20_000, multiplier=10**4)
    cost = (3 * 1_000 - 1 * 1_100) * 10**4
    below, above = liquidation_range(schedule, 3, 1, cost, 500 * 10**4, 1_000)
    exact = Fraction(500 - 3000 + 1100) / (Fraction(4, 100) - 2)
    assert (below, above) == (math.floor(exact), 0)
    with pytest.raises(oc.InputError, match="hedge"):
        liquidation_range(Schedule.slab([(0, 1, 2), (9, 2, 3)]), 1, 1, 0, 0, 5)


def test_an_inverse_long_loses_twice_and_quanto_is_linear() -> None:
    """60,000 USD at 60,000, 0.1 BTC, 1 %: P = N (1 + mmr) / (W + N / E) = 55,090.9…"""
    inverse = Schedule.flat(
        maintenance_ppm=10_000, initial_ppm=20_000, contract="inverse", multiplier=10**9
    )
    cost = -(60_000 * 10**9 // 600_000)  # ticks of 0.1, units of 10^-8
    found = liquidation_price(inverse, 60_000, cost, 10**7, digits=2)
    assert found == math.ceil(Fraction(60_000 * 101, 100) / Fraction(11, 10) * 1000)
    linear = Schedule.flat(maintenance_ppm=10_000, initial_ppm=20_000, multiplier=7)
    quanto = Schedule.flat(
        maintenance_ppm=10_000, initial_ppm=20_000, multiplier=7, contract="quanto"
    )
    assert liquidation_price(quanto, 9, 9_000, 900) == liquidation_price(linear, 9, 9_000, 900)


def test_cross_bankruptcy_shares_equity_by_maintenance() -> None:
    """dYdX doc: net collateral shared by maintenance; one leg alone has the ordinary price."""
    schedule = Schedule.flat(maintenance_ppm=100_000, initial_ppm=200_000)
    alone = bankruptcy_price(schedule, 10, 10 * 500, 1_000)
    assert alone == 400
    # Equity at 450: 1000 - 500 = 500; maintenance 450 here, 550 elsewhere: the share is 225.
    shared = bankruptcy_price(
        schedule, 10, 10 * 500, 1_000, other_maintenance=550, price=450, digits=1
    )
    assert shared == Fraction(10 * 450 - 225, 10) * 10
    # It cannot lose more than there is: negative, and kept.
    assert bankruptcy_price(schedule, 10, 10 * 500, 6_000) == -100


def test_the_state_of_a_real_account_is_reproduced(shared: Path) -> None:
    """Hyperliquid 2023-05: MM 34.348153 of 12 positions; liquidationPx only with MM frozen.

    The printed price is mark - s (account value - MM) / |q|: maintenance stays as it is at the mark
    (kept here as the other legs' maintenance, with a rate of 0). The price with maintenance at that
    price lies nearer, by the factor 1 - s mmr.
    """
    state = json.loads((shared / "data" / "state_hyperliquid_2023-05.json").read_text("utf-8"))
    legs = [entry["position"] for entry in state["state"]["assetPositions"]]
    unit = 10**6
    equity = round(Fraction(state["state"]["marginSummary"]["accountValue"]) * unit)
    rates = {leg["coin"]: leverage_row(state["max_leverage"][leg["coin"]]) for leg in legs}
    table = {
        coin: Schedule.flat(initial_ppm=initial, maintenance_ppm=maintenance)
        for coin, (initial, maintenance) in rates.items()
    }
    need = {}
    for leg in legs:
        value = round(Fraction(leg["positionValue"]) * unit)
        initial, need[leg["coin"]] = margin_required(
            table[leg["coin"]], 1, value, leverage=int(leg["leverage"]["value"])
        )
        assert abs(initial - Fraction(leg["marginUsed"]) * unit) <= 1
    total = sum(need.values())
    assert abs(total - Fraction("34.348153") * unit) <= len(legs)
    checked = 0
    for leg in legs:
        size, mark = (
            Fraction(leg["szi"]),
            Fraction(leg["positionValue"]) / abs(Fraction(leg["szi"])),
        )
        lots, sign = round(abs(size) * 10**5), 1 if size > 0 else -1
        grid = {"multiplier": 10, "initial_ppm": 10**6}
        cost = sign * round(abs(size) * mark * unit)
        args = (sign * lots, cost, equity)
        frozen = liquidation_price(
            Schedule.flat(maintenance_ppm=0, **grid), *args, other_maintenance=total, digits=5
        )
        moving = liquidation_price(
            Schedule.flat(maintenance_ppm=rates[leg["coin"]][1], **grid),
            *args,
            other_maintenance=total - need[leg["coin"]],
            digits=5,
        )
        if leg["liquidationPx"] is None:
            assert frozen == 0
            continue
        printed = Fraction(leg["liquidationPx"])
        assert abs(Fraction(frozen, 10**5) - printed * 1) <= printed / 10**5
        assert moving < frozen  # a short's maintenance grows on the way
        checked += 1
    assert checked >= 2


def test_real_risk_limits_step_as_bitmex_says(shared: Path) -> None:
    """34 instruments of 2021: each step beyond the limit adds the base maintenance to both."""
    text = (shared / "data" / "margin_bitmex_2021-07-22.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        limit, step = int(row["riskLimit"]), int(row["riskStep"])
        base, initial = (round(Fraction(row[key]) * 10**6) for key in ("maintMargin", "initMargin"))
        table = Schedule.steps(
            limit=limit, step=step, maintenance_ppm=base, initial_ppm=initial, strict=False
        )
        for value, n in ((limit, 0), (limit + 1, 1), (limit + step, 1), (limit + step + 1, 2)):
            rates = table.rates(value)
            assert rates == ((initial + n * base) * 10**6, base * (1 + n) * 10**6)


def test_kraken_s_levels_go_by_contracts(shared: Path) -> None:
    text = (shared / "data" / "margin_kraken-futures_2021-07-22.csv").read_text("utf-8")
    levels: dict[str, list[tuple[int, int, int]]] = {}
    for row in csv.DictReader(text.splitlines()):
        floor = Fraction(row["min_contracts"])
        rates = (
            round(Fraction(row[key]) * 10**6) for key in ("maintenance_margin", "initial_margin")
        )
        maintenance, initial = rates
        levels.setdefault(row["symbol"], []).append((int(floor), maintenance, initial))
    assert len(levels) > 10
    for rows in levels.values():
        table = Schedule.slab(rows, by="size", contract="inverse", multiplier=10)
        for (floor, maintenance, initial), before in zip(rows, [rows[0], *rows], strict=False):
            assert table.rates(0, floor) == (initial * 10**6, maintenance * 10**6)
            if floor:
                assert table.rates(0, floor - 1) == (before[2] * 10**6, before[1] * 10**6)


def test_the_formulas_beside_refuse_what_has_no_answer() -> None:
    for call in (
        lambda: entry_price([]),
        lambda: entry_price([(Fraction(1), Fraction(0))]),
        lambda: fillable_price(
            Fraction(1), 1, 1, 0, rate_ppm=1, spread_ppm=1, adjustment_ppm=10**6
        ),
        lambda: leverage_row(0),
        lambda: loss_grid(Fraction(1), Fraction(1), [Fraction(-1)]),
        lambda: requirement([[Fraction(1)], []]),
    ):
        with pytest.raises(oc.InputError):
            call()
    tiers = [(Fraction(10), Fraction(1)), (Fraction(20), Fraction(3))]
    assert [scaled(Fraction(x), tiers) for x in (5, 10, 15, 30)] == [5, 10, 25, 70]


def test_a_short_is_caught_in_the_jump_between_two_slabs() -> None:
    """Nothing below 1,000 of value, 50 % from there. One lot sold at 900 with 200 behind it.

    The first row ends at 1,100 by its own line, but at 1,000 the requirement jumps to 500. Inverse
    longs lose value the same way: 10^6 / price reaches 1,000 of value at 1,000.
    """
    rows = [(0, 0, 0), (1_000, 500_000, 500_000)]
    linear = Schedule.slab(rows)
    assert trigger_price(linear, -1, -900, 200) == 1_000
    assert liquidation_price(linear, -1, -900, 200, digits=3) == 1_000_000
    inverse = Schedule.slab(rows, contract="inverse", multiplier=10**6)
    assert trigger_price(inverse, 1, -900, 200) == 1_001  # ceil(10^6 / 1001) = 1,000
    assert liquidation_price(inverse, 1, -900, 200, digits=3) == 1_000_000


def test_margin_of_orders_counts_the_worse_side() -> None:
    """Long 2 at 100 with 1 more bid and 5 asks: the asks' side is 3 short, no worse than 3 long."""
    flat = Schedule.flat(maintenance_ppm=10_000, initial_ppm=100_000)
    assert margin_required(flat, 2, 100, bids=1, asks=5) == (30, 2)
    assert margin_required(flat, 2, 100, asks=7) == (50, 2)
    assert margin_required(flat, 2, 100, asks=7, leverage=4) == (125, 2)
    risk = Schedule.risk(long_ppm=100_000, short_ppm=200_000, slippage_ppm=50_000)
    assert margin_required(risk, 2, 100, bids=1)[1] == 40  # 200 at 15 %, 100 at 10 %
    assert margin_required(risk, 2, 100, bids=1, asks=5)[1] == 100  # 500 at 20 %


def test_a_row_out_of_bounds_is_refused_where_many_prices_or_sizes_are_asked_for() -> None:
    flat = Schedule.flat(maintenance_ppm=5_000, initial_ppm=10_000)
    with pytest.raises(oc.InputError, match=r"size must be in .*\(row 1\)"):
        what_if(flat, np.array([5, 6]), np.array([1, 2**41]), 1, 1)
    with pytest.raises(oc.InputError, match=r"price must be in \[1, .*\(row 2\)"):
        max_size(flat, np.array([5, 6, 0]), 1_000)
    with pytest.raises(oc.InputError, match=r"collateral must be in .*\(row 0\)"):
        max_size(flat, 5, 2**60 + 1)
    with pytest.raises(oc.InputError, match=r"worth at most 2\*\*60 units.*\(row 1\)"):
        bankruptcy_price(
            flat, np.array([1, 2**40]), 1, 1, other_maintenance=1, price=2**31 - 1
        )  # fmt: skip


def test_a_refused_question_leaves_the_caller_s_arrays_as_they_were() -> None:
    flat = Schedule.flat(maintenance_ppm=5_000, initial_ppm=10_000)
    out = np.full((1, 2), 7), np.full((1, 2), 8)
    with pytest.raises(oc.InputError, match=r"size must be in .*\(row 0\)"):
        what_if(flat, 5, np.array([2**41, 1]), 1, 1, out=out)
    assert out[0].tolist() == [[7, 7]]
    assert out[1].tolist() == [[8, 8]]


def test_margins_of_many_positions_are_those_of_each() -> None:
    risk = Schedule.risk(long_ppm=100_000, short_ppm=200_000, slippage_ppm=50_000)
    sizes, bids = np.array([2, -3, 0]), np.array([1, 0, 4])
    initial, maintenance = margin_required(risk, sizes, 100, bids=bids, asks=1, leverage=9)
    one = [
        margin_required(risk, int(n), 100, bids=int(bid), asks=1, leverage=9)
        for n, bid in zip(sizes, bids, strict=True)
    ]
    assert list(zip(initial.tolist(), maintenance.tolist(), strict=True)) == one
    assert one[0] == (40, 40)


def test_a_share_of_negative_equity_is_floored() -> None:
    """Equity 1,000 - 2,000 at 300; maintenance 300 here and 50 elsewhere: floor(-857.1) = -858."""
    flat = Schedule.flat(maintenance_ppm=100_000, initial_ppm=200_000)
    asked = {"other_maintenance": 50, "price": 300}
    assert bankruptcy_price(flat, 10, 5_000, 1_000, digits=1, **asked) == 3_858  # (3000 + 858) / 10
    assert bankruptcy_price(flat, 10, 5_000, 1_000, **asked) == 386
    # With 100 elsewhere it is -750 without a rest: 3,750 / 10.
    asked["other_maintenance"] = 100
    assert bankruptcy_price(flat, 10, 5_000, 1_000, digits=1, **asked) == 3_750


def test_a_bankruptcy_price_stays_within_the_ticks_there_are() -> None:
    """Beyond them it is the last tick for a long, its negative, or 0 where no price does it."""
    flat = Schedule.flat(maintenance_ppm=100_000, initial_ppm=200_000)
    last = 2**31 - 1
    assert bankruptcy_price(flat, 0, 0, 5) == 0
    assert bankruptcy_price(flat, 1, 2**50, 0, digits=2) == 100 * last
    assert bankruptcy_price(flat, -1, -(2**50), 0) == 0
    assert bankruptcy_price(flat, 1, -(2**50), 0, digits=2) == -100 * last
    assert bankruptcy_price(flat, 1, last, 0) == last
    assert bankruptcy_price(flat, 1, last + 1, 0) == last
    inverse = Schedule.flat(
        maintenance_ppm=10_000, initial_ppm=20_000, contract="inverse", multiplier=10**6
    )
    assert bankruptcy_price(inverse, 1, -1_000, 2_000) == 334  # 10^6 / 3000, up
    assert bankruptcy_price(inverse, 1, -1_000, -1_000) == last  # At no price is it worth 0.
    assert bankruptcy_price(inverse, -1, 1_000, 1_000) == 0
    assert bankruptcy_price(inverse, -1, 1_000, -2_000) == 333


def test_a_negative_price_of_a_short_is_rounded_down() -> None:
    """10 lots sold for 5,000 and 6,001 in debt: they would have to be bought at -100.1."""
    flat = Schedule.flat(maintenance_ppm=100_000, initial_ppm=200_000)
    assert bankruptcy_price(flat, -10, -5_000, -6_001) == -101
    assert bankruptcy_price(flat, -10, -5_000, -6_001, digits=1) == -1_001
    assert bankruptcy_price(flat, 10, 5_000, 6_001) == -100


def unsafe_ticks(schedule: Schedule, size: int, cost: int, money: int) -> list[int]:
    """The ticks up to 200 at which equity is below maintenance."""
    equity, need = what_if(schedule, np.arange(1, 201), np.array([size]), cost, money)
    return [at + 1 for at in range(200) if equity[at, 0] < need[at, 0]]


@pytest.mark.parametrize(
    ("rows", "cost", "expected"),
    [
        ([(0, 0, 0), (1_010, 500_000, 500_000)], 510, 5),
        ([(0, 0, 0), (500, 100_000, 100_000), (1_010, 600_000, 600_000)], 420, 4),
        ([(0, 0, 0), (500, 590_000, 590_000), (1_010, 600_000, 600_000)], 420, 10),
        ([(0, 900_000, 900_000), (1_010, 950_000, 950_000)], 101, 20),
        ([(0, 0, 0), (150, 10_000, 10_000)], 50, 0),
    ],
)
def test_a_row_without_a_tick_of_its_own_is_passed_over(
    rows: list[tuple[int, int, int]], cost: int, expected: int
) -> None:
    """A tick is worth 100, so no tick lies just above 1,010: the row below answers, or the next."""
    schedule = Schedule.slab(rows, multiplier=100)
    ticks = unsafe_ticks(schedule, 1, cost, 0)
    assert trigger_price(schedule, 1, cost, 0) == expected == max(ticks, default=0)


def test_a_position_that_is_safe_at_every_tick_has_no_trigger() -> None:
    linear = Schedule.flat(maintenance_ppm=0, initial_ppm=10, multiplier=100)
    assert unsafe_ticks(linear, 1, 100, 0) == []
    assert [trigger_price(linear, 1, cost, 0) for cost in (50, 100, 101)] == [0, 0, 1]
    # An inverse short that is worth 2^50 / 2^31 = 2^19 units even at the last tick.
    inverse = Schedule.flat(
        maintenance_ppm=0, initial_ppm=10, multiplier=2**50, contract="inverse"
    )  # fmt: skip
    assert trigger_price(inverse, -1, 2**19, 0) == 0
    assert trigger_price(inverse, -1, 2**19 + 2, 0) == 2**50 // (2**19 + 2) + 1
    assert trigger_price(inverse, -1, 2**20, 0) == 2**30 + 1


def test_a_hedged_pair_has_the_rates_of_its_two_sizes() -> None:
    """1 % and 0.1 % a lot: 3 long ask 1.3 %, 2 short 1.2 %; the sum is rounded up once."""
    table = Schedule.size(maintenance_ppm=10_000, initial_ppm=20_000, increment_ppt=10**9)

    def safe(price: int, base: int) -> bool:
        need = Fraction(3 * price * 13 + 2 * price * 12, 1_000)
        return base + price >= math.ceil(need)

    found = liquidation_range(table, 3, 2, 1_000, 900, 1_000)
    assert found == (max(p for p in range(1, 1_000) if not safe(p, -100)), 0)
    assert found[0] == 106
    # With the shorts in the majority it is the rise that hurts.
    turned = liquidation_range(table, 2, 3, -1_000, 100, 1_000)
    assert turned == (0, 1_035)  # 1,100 - 1,034 - ceil(6.3 % of it) = 0


def test_rates_and_amounts_say_what_a_kind_has() -> None:
    """MARGIN §2: a risk factor with its slippage, and initial margin as a multiple of it."""
    risk = Schedule.risk(
        long_ppm=100_000, short_ppm=200_000, slippage_ppm=50_000, initial_ppm=1_200_000
    )  # fmt: skip
    assert risk.rates(0, 5) == (180_000 * 10**6, 150_000 * 10**6)
    assert risk.rates(0, -5) == (300_000 * 10**6, 250_000 * 10**6)
    assert repr(risk) == "<Schedule risk, 0 rows>"
    by_lots = Schedule.slab([(0, 1, 2), (9, 2, 3)], by="size")
    for table in (risk, by_lots):
        with pytest.raises(oc.InputError, match="schedule must have rows by value"):
            table.amount(5)
    tiers = Schedule.tiers([(0, 5_000, 0, 9_000), (1_000, 6_000, 1, 9_000)])
    assert [tiers.amount(value) for value in (999, 1_000)] == [0, 1]
    assert repr(tiers) == "<Schedule tiers, 2 rows>"


def test_an_engine_with_a_rate_of_the_size_asks_what_the_answers_say() -> None:
    """Initial and maintenance margin, with the fee in the trigger: 5 lots at 1,000."""
    options = {"multiplier": 10, "fee_ppm": 600}
    table = Schedule.size(
        maintenance_ppm=10_000, initial_ppm=20_000, increment_ppt=10**9, **options
    )
    world = World()
    world.add_venue()
    venue = world.venue()
    venue.add_market(multiplier=10, size_max=100, index=1_000, last=1_000, schedule=table)
    account = venue.open_account()
    venue.deposit(account, 0, 1_250)
    venue.seed_level(0, oc.Side.ASK, 1_000, 9)
    world.start()
    assert margin_required(table, 5, 1_000) == (1_250, 750)
    assert venue.submit(account, 0, oc.Side.BID, 1_000, 6) == oc.Reject.INSUFFICIENT
    assert venue.submit(account, 0, oc.Side.BID, 1_000, 5) == 0
    scope = venue.scope_of(account, 0)
    assert venue.maintenance(scope) == 750 + 30  # 50,000 at 600 ppm: the fee of the close
    assert venue.liquidation_price(scope, 0) == trigger_price(table, 5, 50_000, 1_250)
