"""Margin schedules answer as their twin of fractions: any table, contract and side."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordercascade.core.answers import (
    bankruptcy_price,
    liquidation_price,
    liquidation_range,
    margin_required,
    max_size,
    trigger_price,
    what_if,
)
from ordercascade.core.schedule import Schedule
from reference.schedule import PPM, Claim, Twin

TICK_MAX = 2**31 - 1
SEEN = 300  # ticks that the twin scans


@st.composite
def tiers(draw: st.DrawFn) -> tuple[tuple[int, int, int, int], ...]:
    """Return continuous marginal tiers: floors in steps that keep amounts whole."""
    rows = [(0, draw(st.integers(0, 200_000)), 0, 250_000)]
    for _ in range(draw(st.integers(0, 4))):
        floor, rate, amount, _initial = rows[-1]
        # floor * (difference of rates) must be whole units: rates in per mille, floors in 1000s.
        floor += 1000 * draw(st.integers(1, 20))
        more = 1000 * draw(st.integers(0, 150))
        rows.append((floor, rate + more, amount + floor * more // PPM, 250_000))
    return tuple(rows)


@st.composite
def slabs(draw: st.DrawFn) -> tuple[tuple[int, int, int, int], ...]:
    floors = sorted(draw(st.sets(st.integers(1, 30_000), max_size=4)))
    rates = sorted(draw(st.lists(st.integers(0, 400_000), min_size=5, max_size=5)))
    return tuple((floor, rate, 0, rate) for floor, rate in zip([0, *floors], rates, strict=False))


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Schedule, Twin]:
    """Return a schedule and its twin."""
    kind = draw(st.sampled_from(["tiers", "slab", "lots", "size", "skew", "risk", "interest"]))
    rate = st.integers(0, 300_000)
    inverse = draw(st.booleans())
    common: dict[str, Any] = {
        "multiplier": draw(st.integers(1, 30) if not inverse else st.integers(1, 10**5)),
        "strict": draw(st.booleans()),
        "fee_ppm": draw(st.sampled_from([0, 0, 750, 20_000])),
    }
    at_entry, at_bankruptcy = draw(st.booleans()) and kind != "risk", draw(st.booleans())
    options = common | {
        "contract": "inverse" if inverse else "linear",
        "base": "entry" if at_entry else "mark",
        "fee_base": "bankruptcy" if at_bankruptcy else "mark",
    }
    twin = common | {"inverse": inverse, "at_entry": at_entry, "fee_at_bankruptcy": at_bankruptcy}
    if kind == "tiers":
        rows = draw(tiers())
        return Schedule.tiers(rows, **options), Twin(kind=kind, rows=rows, **twin)
    if kind in ("slab", "lots"):
        rows = draw(slabs())
        if kind == "lots":
            rows = tuple((floor // 1000, *rest) for floor, *rest in rows)
            rows = tuple({row[0]: row for row in reversed(rows)}.values())[::-1]
        made = Schedule.slab(
            [(floor, rate, most) for floor, rate, _, most in rows],
            by="size" if kind == "lots" else "value",
            **options,
        )
        return made, Twin(kind="slab", rows=rows, by_lots=kind == "lots", **twin)
    if kind == "interest":
        flat = draw(rate)
        made = Schedule.interest(
            maintenance_ppm=flat, initial_ppm=300_000, lower=10, upper=20, **options
        )
        return made, Twin(kind=kind, rows=((0, flat, 0, 300_000),), **twin)
    numbers: dict[str, int]
    if kind == "size":
        numbers = {"maintenance_ppm": draw(rate), "initial_ppm": draw(rate) + 1}
        numbers["increment_ppt"] = draw(st.integers(0, 10**10))
        made = Schedule.size(**numbers, **options)
    elif kind == "skew":
        numbers = {"scale": draw(st.integers(10, 10**6)), "fraction_ppm": draw(rate)}
        numbers |= {"minimum_ppm": draw(rate), "scalar_ppm": draw(st.integers(0, PPM))}
        numbers["fixed"] = draw(st.integers(0, 50))
        made = Schedule.skew(**numbers, **options)
    else:
        numbers = {"long_ppm": draw(rate), "short_ppm": draw(rate), "slippage_ppm": draw(rate)}
        made = Schedule.risk(**numbers, **options)
    return made, Twin(kind=kind, numbers=tuple(numbers.items()), **twin)


@st.composite
def claims(draw: st.DrawFn, twin: Twin) -> Claim:
    """Return a position entered within what the twin scans, and something behind it."""
    size = draw(st.integers(1, 40)) * draw(st.sampled_from([1, -1]))
    cost = twin.value(size, draw(st.integers(1, SEEN)))
    money = draw(st.integers(-abs(cost) // 4 - 5, abs(cost) + 50))
    return Claim(size, cost, money, draw(st.sampled_from([0, 0, 1, 17])))


def asked(schedule: Schedule, claim: Claim) -> int:
    return trigger_price(
        schedule, claim.size, claim.cost, claim.money, other_maintenance=claim.asked
    )


@settings(max_examples=300)
@given(st.data())
def test_the_trigger_is_the_tick_nearest_to_safety_of_a_scan(data: st.DataObject) -> None:
    schedule, twin = data.draw(schedules())
    claim = data.draw(claims(twin))
    found = asked(schedule, claim)
    unsafe = [tick for tick in range(1, SEEN + 1) if twin.unsafe(claim, tick)]
    if claim.size < 0:
        assert found == unsafe[0] if unsafe else found == 0 or found > SEEN
    elif found <= SEEN:
        assert found == (unsafe[-1] if unsafe else 0)
    if found:
        assert twin.unsafe(claim, found)
        beyond = found + (1 if claim.size > 0 else -1)
        assert not 1 <= beyond <= TICK_MAX or not twin.unsafe(claim, beyond)


@settings(max_examples=300)
@given(st.data(), st.integers(0, 9))
def test_the_liquidation_price_is_the_exact_crossing_rounded_toward_safety(
    data: st.DataObject, digits: int
) -> None:
    schedule, twin = data.draw(schedules())
    claim = data.draw(claims(twin))
    power = 10**digits
    found = liquidation_price(
        schedule, claim.size, claim.cost, claim.money, other_maintenance=claim.asked, digits=digits
    )
    exact = twin.crossing(claim)
    if exact is None or (claim.size < 0 and exact > TICK_MAX):
        assert found == 0
    elif claim.size > 0:
        assert found == (TICK_MAX * power if exact >= TICK_MAX else math.ceil(exact * power))
    elif exact == 0:
        assert found == power
    else:
        assert found == max(1, math.floor(exact * power))


@settings(max_examples=100)
@given(st.data(), st.lists(st.integers(1, SEEN), min_size=1, max_size=5))
def test_what_if_gives_the_twin_s_equity_and_maintenance(
    data: st.DataObject, prices: list[int]
) -> None:
    schedule, twin = data.draw(schedules())
    several = [data.draw(claims(twin)) for _ in range(3)]
    size, cost, money, other = (np.array(column) for column in zip(*several, strict=True))
    equity, maintenance = what_if(
        schedule, np.array(prices), size, cost, money, other_maintenance=other
    )
    for at, price in enumerate(prices):
        for i, claim in enumerate(several):
            value = twin.value(claim.size, price)
            measure = Fraction(abs(claim.cost if twin.at_entry and claim.cost else value))
            need = math.ceil(twin.asked(claim.size, measure, Fraction(0)))
            assert equity[at, i] == claim.money - claim.cost + value
            assert maintenance[at, i] == need + claim.asked


@settings(max_examples=100)
@given(st.data(), st.integers(1, SEEN), st.integers(0, 10**6), st.integers(0, 1))
def test_the_largest_size_is_covered_and_one_lot_more_is_not(
    data: st.DataObject, price: int, money: int, side: int
) -> None:
    schedule, _ = data.draw(schedules())
    leverage = data.draw(st.integers(0, 20))
    sign = 1 - 2 * side
    most = max_size(schedule, price, money, side=side, leverage=leverage, size_max=10**6)
    for size, covered in ((most, True), (most + 1, False)):
        if 1 <= size <= min(10**6, 1000):  # Beyond, the rate of a size has its own bound.
            initial, _ = margin_required(schedule, sign * size, price, leverage=leverage)
            assert (initial <= money) is covered


@settings(max_examples=100)
@given(st.data(), st.integers(1, SEEN))
def test_at_the_bankruptcy_price_the_account_has_less_than_the_rounding(
    data: st.DataObject, entry: int
) -> None:
    inverse = data.draw(st.booleans())
    schedule = Schedule.flat(
        maintenance_ppm=10_000,
        initial_ppm=20_000,
        multiplier=60 if not inverse else 10**6,
        contract="inverse" if inverse else "linear",
    )
    twin = Twin(kind="flat", inverse=inverse, multiplier=60 if not inverse else 10**6)
    size = data.draw(st.integers(1, 40)) * data.draw(st.sampled_from([1, -1]))
    cost = twin.value(size, entry)
    money = data.draw(st.integers(1, max(1, abs(cost))))
    found = bankruptcy_price(schedule, size, cost, money, digits=6)
    if found > 0 and found < TICK_MAX * 10**6:
        price = Fraction(found, 10**6)
        left = money - cost + twin.real_value(size, price)
        step = abs(twin.real_value(size, price + Fraction(1, 10**6)) - twin.real_value(size, price))
        back = abs(twin.real_value(size, price) - twin.real_value(size, price * 2)) * 2
        assert 0 <= left <= max(step, back)


@settings(max_examples=100)
@given(
    tiers(),
    st.integers(0, 30),
    st.integers(0, 30),
    st.integers(1, SEEN),
    st.integers(0, 20_000),
    st.booleans(),
)
def test_a_hedged_pair_has_one_range_of_safe_prices(
    rows: tuple[tuple[int, int, int, int], ...],
    longs: int,
    shorts: int,
    price: int,
    money: int,
    strict: bool,
) -> None:
    schedule = Schedule.tiers(rows, multiplier=10, strict=strict)
    twin = Twin(kind="tiers", rows=rows, multiplier=10)
    cost = (longs - shorts) * 100 * 10

    def unsafe(tick: int) -> bool:
        need = sum(
            twin.asked(1, Fraction(lots * tick * 10), Fraction(0)) for lots in (longs, shorts)
        )
        slack = money - cost + (longs - shorts) * tick * 10 - math.ceil(need)
        return slack < 0 or (slack == 0 and not strict)

    below, above = liquidation_range(schedule, longs, shorts, cost, money, price)
    if longs == shorts == 0:
        assert (below, above) == (0, 0)
    elif unsafe(price):
        assert (below, above) == (price, price)
    else:
        under = [tick for tick in range(1, price) if unsafe(tick)]
        over = [tick for tick in range(price + 1, SEEN + 1) if unsafe(tick)]
        assert below == max(under, default=0)
        assert above == over[0] if over else above == 0 or above > SEEN


def test_a_long_and_its_mirror_differ_only_by_the_side_of_the_rates() -> None:
    """A flat 1 % at 10x: long 9.0909…, short 10.8910…, in ticks of 10^-4 around 100,000."""
    schedule = Schedule.flat(maintenance_ppm=10_000, initial_ppm=20_000)
    cost, money = 100_000 * 10**6, 10_000 * 10**6
    assert liquidation_price(schedule, 10**6, cost, money) == math.ceil(
        Fraction(90_000 * PPM, 990_000)
    )
    assert liquidation_price(schedule, -(10**6), -cost, money) == 110_000 * PPM // 1_010_000


@pytest.mark.parametrize("size", [0, 1, -1])
def test_the_numbers_at_the_edge_of_the_bounds_do_not_overflow(size: int) -> None:
    schedule = Schedule.tiers([(0, 4_000, 0, 20_000), (10**18, 500_000, 496 * 10**15, 10**6)])
    big = 2**60
    for money in (-big, 0, big):
        for cost in (-big, big):
            for others in (-big, big):
                claim = Claim(size * 2**40, cost, money + others, big)
                found = trigger_price(
                    schedule, claim.size, cost, money, other_equity=others, other_maintenance=big
                )
                twin = Twin(kind="t", rows=((0, 4_000, 0, 0), (10**18, 500_000, 496 * 10**15, 0)))
                if not size or not found or abs(claim.size) * (found + 1) >= 2**62:
                    continue  # A market's value stays within 2**60.
                assert twin.unsafe(claim, found)
                nearer = found + size
                assert not 1 <= nearer <= TICK_MAX or not twin.unsafe(claim, nearer)
