"""Options: their price by formula and limits, marks, settlement, blocks, what is refused."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import pytest

from ordercascade.core.derivatives import (
    schedule_volatility,
    set_option,
    set_portfolio,
    span,
    trade_option,
)
from ordercascade.core.planning import schedule_expiry
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.duties import ExpiryRule, OptionKind
from ordercascade.enums import MarketKind, NoteKind, PriceSource, Reject, Side, StepKind
from ordercascade.errors import ConfigError, InputError
from ordercascade.mechanisms.options import normal, option_value
from unit.worlds import rows, run_checked

DAY = 86_400 * 10**9
YEAR_S = 365 * 86_400
CALL, PUT = OptionKind.CALL, OptionKind.PUT
GRID: dict[str, Any] = {"reference": 0, "rows": span(150_000), "up_ppm": 0, "down_ppm": 0}


# --- the formula ---------------------------------------------------------------------------------


def test_the_normal_distribution_is_exact_to_1e_15_and_its_tail_to_4e_9_of_itself() -> None:
    worst = tail = 0.0
    for k in range(-3_700, 3_701):
        z = k / 100
        worst = max(worst, abs(normal(z) - NormalDist().cdf(z)))
        if z < 0:
            truth = 0.5 * math.erfc(-z / math.sqrt(2))
            tail = max(tail, abs(normal(z) / truth - 1))
    assert worst < 1e-15
    assert tail < 4e-9
    assert (normal(-40.0), normal(0.0), normal(40.0)) == (0.0, 0.5, 1.0)


@pytest.mark.parametrize(
    ("kind", "spot", "strike", "years", "vol", "rate", "price"),
    [
        # Hull, Options, Futures, and Other Derivatives, the example of the formula: 4.76 and 0.81.
        (CALL, 42.0, 40, 0.5, 0.2, 0.1, 4.759422392871532),
        (PUT, 42.0, 40, 0.5, 0.2, 0.1, 0.8085993729000922),
        # Haug, The Complete Guide to Option Pricing Formulas: 2.1334.
        (CALL, 60.0, 65, 0.25, 0.3, 0.08, 2.1333684449162007),
        (CALL, 100.0, 100, 1.0, 0.2, 0.0, 7.965567455405804),
    ],
)
def test_prices_are_those_of_the_textbooks(
    kind: OptionKind, spot: float, strike: int, years: float, vol: float, rate: float, price: float
) -> None:
    terms = {"volatility_ppm": round(vol * 10**6), "rate_ppm": round(rate * 10**6)}
    found = option_value(kind, spot=spot, strike=strike, seconds=int(years * YEAR_S), **terms)
    assert found == pytest.approx(price, abs=1e-9)


def test_put_and_call_are_at_parity() -> None:
    """call - put = S - K e^(-rT), whatever the volatility."""
    for spot in (20.0, 95.0, 100.0, 400.0):
        for vol in (0, 1, 200_000, 3_000_000):
            for rate in (0, 50_000):
                terms = {"strike": 100, "seconds": 90 * 86_400, "volatility_ppm": vol}
                call = option_value(CALL, spot=spot, rate_ppm=rate, **terms)
                put = option_value(PUT, spot=spot, rate_ppm=rate, **terms)
                forward = spot - 100 * math.exp(-rate / 10**6 * 90 / 365)
                assert call - put == pytest.approx(forward, abs=1e-11)


def test_limits() -> None:
    """No time or no volatility: what exercising is worth; deep in: S - K; far out: nothing; much
    volatility: a call is worth S and a put K."""
    for kind, spot, worth in ((CALL, 130.0, 30.0), (CALL, 70.0, 0.0), (PUT, 70.0, 30.0)):
        for seconds, vol in ((0, 600_000), (YEAR_S, 0), (1, 10_000)):
            found = option_value(kind, spot=spot, strike=100, seconds=seconds, volatility_ppm=vol)
            assert found == pytest.approx(worth, abs=1e-12)
    deep: dict[str, Any] = {"strike": 100, "seconds": 86_400, "volatility_ppm": 600_000}
    assert option_value(CALL, spot=1e6, **deep) == pytest.approx(1e6 - 100)
    assert option_value(CALL, spot=1.0, **deep) == 0.0
    wild: dict[str, Any] = {"strike": 100, "seconds": 100 * YEAR_S, "volatility_ppm": 50_000_000}
    assert option_value(CALL, spot=100.0, **wild) == pytest.approx(100.0)
    assert option_value(PUT, spot=100.0, **wild) == pytest.approx(100.0)


def test_a_price_rises_with_volatility_and_time() -> None:
    later = wilder = 0.0
    for k in range(3, 200):
        now = option_value(CALL, spot=90.0, strike=100, seconds=k * 86_400, volatility_ppm=500_000)
        more = option_value(CALL, spot=90.0, strike=100, seconds=86_400, volatility_ppm=k * 20_000)
        assert now > later
        assert more > wilder
        later, wilder = now, more
    with pytest.raises(InputError, match="must be above 0"):
        option_value(CALL, spot=0.0, strike=100, seconds=1, volatility_ppm=1)
    with pytest.raises(InputError, match="must be above 0"):
        option_value(CALL, spot=1.0, strike=0, seconds=1, volatility_ppm=1)


# --- markets -------------------------------------------------------------------------------------


def listed(
    *options: dict[str, Any], index: int = 10_000, portfolio: bool = True, **rules: Any
) -> tuple[World, Venue]:
    """A future at its index, depth around it, and options on it; multiplier 10; one underlying."""
    world = World(1)
    world.add_venue(rules.pop("asset_count", 1), **rules)
    venue = world.venue(0)
    venue.add_market(
        multiplier=10, price_max=10**6, size_max=10**6, index=index, source=PriceSource.INDEX
    )
    for _ in options:
        venue.add_market(multiplier=10, price_max=10**6, size_max=10**6)
    for k, terms in enumerate(options, 1):
        given = {"underlying": 0, "expires_ns": 30 * DAY, "vol_ppm": 500_000, "strike": 10_000}
        set_option(world, 0, k, **(given | terms))
    if portfolio:
        grid = GRID | {"markets": list(range(len(options) + 1))}
        set_portfolio(world, 0, underlyings=[grid], maintenance_ppm=800_000)
    for price, size in ((index - 10, 10_000), (index - 200, 50_000)):
        venue.seed_level(0, Side.BID, price, size)
    for price, size in ((index + 10, 10_000), (index + 200, 50_000)):
        venue.seed_level(0, Side.ASK, price, size)
    return world, venue


def opened(venue: Venue, money: int, *legs: tuple[int, int, int]) -> int:
    """An account with (market, size, entry) legs; returns its cross scope."""
    account = venue.open_account()
    scope = int(venue.deposit(account, 0, money))
    for market, size, entry in legs:
        venue.open_position(account, market, size, size * entry * 10)
    return scope


def priced(kind: OptionKind, spot: int, days: float, vol_ppm: int) -> int:
    """The mark in whole ticks, halves up."""
    found = option_value(
        kind, spot=float(spot), strike=10_000, seconds=int(days * 86_400), volatility_ppm=vol_ppm
    )
    return max(1, math.floor(found + 0.5))


def test_the_mark_is_the_formula_s_on_the_underlying_s_mark_at_the_time() -> None:
    world, venue = listed({"kind": CALL}, {"kind": PUT}, {"kind": CALL, "per": 20})
    world.schedule_index(10 * DAY, 0, 0, 11_000)
    schedule_volatility(world, 20 * DAY, 0, 1, vol_ppm=900_000)
    schedule_volatility(world, 21 * DAY, 0, 0, factor_ppm=500_000)
    world.start()
    call = priced(CALL, 10_000, 30, 500_000)
    assert venue.marks()[:3] == [10_000, call, call] == [10_000, 571, 571]
    assert abs(venue.marks()[3] - 20 * 571) < 20
    assert venue.prices(1)[0] == 571  # its last price is that, too
    seen = []
    while world.step() >= 0:
        seen.append((world.time_ns // DAY, venue.marks()[1:3]))
        world._check()
    assert (10, [priced(k, 11_000, 20, 500_000) for k in (CALL, PUT)]) in seen
    assert (20, [priced(CALL, 11_000, 10, 900_000), priced(PUT, 11_000, 10, 500_000)]) in seen
    assert (21, [priced(CALL, 11_000, 9, 450_000), priced(PUT, 11_000, 9, 250_000)]) in seen
    notes = rows(world, "notes", "kind", "market", "a", "b")
    assert (NoteKind.VOLATILITY, 1, 900_000, 500_000) in notes
    assert (NoteKind.VOLATILITY, 3, 250_000, 500_000) in notes


def test_an_option_in_the_coin_has_the_price_over_the_underlying_s() -> None:
    world, venue = listed({"kind": CALL, "coin": True, "per": 10_000})
    world.start()
    found = option_value(CALL, spot=1e4, strike=10_000, seconds=30 * 86_400, volatility_ppm=500_000)
    assert venue.marks()[1] == math.floor(found / 1e4 * 10_000 + 0.5)


@pytest.mark.parametrize(
    ("kind", "spot", "rule", "window", "stated", "price"),
    [
        (CALL, 12_000, ExpiryRule.MARK, 0, 0, 2_000),
        (CALL, 9_000, ExpiryRule.MARK, 0, 0, 0),
        (PUT, 9_000, ExpiryRule.INDEX, 0, 0, 1_000),
        (PUT, 9_000, ExpiryRule.STATED, 0, 77, 77),
        (CALL, 12_000, ExpiryRule.AVERAGE_MARK, 20 * DAY, 0, 1_000),  # half at 10,000
    ],
)
def test_at_its_end_it_is_settled_at_what_exercising_brings(
    kind: OptionKind, spot: int, rule: ExpiryRule, window: int, stated: int, price: int
) -> None:
    """Bought at 500, from `external`; what the option brings is paid, and nothing else moves."""
    world, venue = listed(
        {"kind": kind, "rule": rule, "window_ns": window, "price": stated}, index=10_000
    )
    long = opened(venue, 10**6, (1, 10, 500))
    short = opened(venue, 10**8, (1, -30, 500))
    world.schedule_index(20 * DAY, 0, 0, spot)
    world.start()
    run_checked(world)
    assert world.time_ns == 30 * DAY
    assert venue.position(long, 1) == venue.position(short, 1) == (0, 0)
    assert venue.collateral(long) == 10**6 + 10 * (price - 500) * 10
    assert venue.collateral(short) == 10**8 - 30 * (price - 500) * 10
    assert not any(venue.audit().values())


def test_orders_are_refused_by_name() -> None:
    world, venue = listed({"kind": CALL})
    opened(venue, 10**6)
    world.schedule_shock(5, 0, 1, Side.BID, size=3)
    world.start()
    assert venue.submit(1, 1, Side.BID, 500, 1) == Reject.NO_BOOK
    run_checked(world)
    assert rows(world, "orders", "market", "filled", "result") == [(1, 0, Reject.NO_BOOK)]
    assert trade_option(world, 0, 1, buyer=1, seller=0, size=1, price=1) == Reject.EXPIRED_MARKET


# --- blocks --------------------------------------------------------------------------------------


def test_lots_change_hands_at_a_price() -> None:
    world, venue = listed({"kind": CALL})
    buyer, seller = opened(venue, 10**6), opened(venue, 10**6)
    world.start()
    mark = venue.marks()[1]
    assert trade_option(world, 0, 1, buyer=1, seller=2, size=10, price=600) == 0
    assert venue.position(buyer, 1) == (10, 60_000)
    assert venue.position(seller, 1) == (-10, -60_000)
    assert venue.equity(buyer) == 10**6 + 10 * (mark - 600) * 10
    assert venue.prices(1)[0] == 600
    assert venue.marks()[1] == mark
    fill = rows(world, "fills", "market", "price", "size", "taker_account", "maker_account")
    assert fill == [(1, 600, 10, 1, 2)]
    assert rows(world, "steps", "kind", "market")[-1] == (StepKind.AGENTS, 1)
    world._check()
    assert not any(venue.audit().values())
    assert trade_option(world, 0, 1, buyer=0, seller=1, size=4, price=700) == 0
    assert venue.position(buyer, 1) == (6, 36_000)
    assert venue.collateral(buyer) == 10**6 + 4 * 100 * 10


def test_a_block_needs_margin_unless_it_makes_nobody_worse() -> None:
    world, venue = listed({"kind": CALL}, {"kind": PUT})
    poor = opened(venue, 150_000, (0, 10, 10_000))
    opened(venue, 10**7)
    world.start()
    assert venue.initial(poor) == 150_000  # 15 % of 10 lots at 10,000 * 10
    assert trade_option(world, 0, 1, buyer=2, seller=1, size=60, price=572) == Reject.INSUFFICIENT
    assert venue.position(poor, 1) == (0, 0)
    assert trade_option(world, 0, 2, buyer=1, seller=2, size=10, price=572) == 0
    assert venue.initial(poor) < 60_000  # the put caps the loss
    assert trade_option(world, 0, 1, buyer=1, seller=2, size=10**6, price=1) == (
        Reject.INSUFFICIENT
    )
    assert trade_option(world, 0, 2, buyer=1, seller=2, size=10**6, price=1) == (
        Reject.POSITION_LIMIT
    )


def test_what_is_no_block_is_refused_by_name() -> None:
    world, venue = listed({"kind": CALL})
    opened(venue, 1_000)
    world.start()
    with pytest.raises(InputError, match="must be another account"):
        trade_option(world, 0, 1, buyer=1, seller=1, size=1, price=1)
    with pytest.raises(InputError, match="must be an option"):
        trade_option(world, 0, 0, buyer=1, seller=0, size=1, price=1)
    with pytest.raises(InputError, match="size"):
        trade_option(world, 0, 1, buyer=1, seller=0, size=0, price=1)
    account = venue.open_account()
    assert trade_option(world, 0, 1, buyer=account, seller=0, size=1, price=1) == (
        Reject.INSUFFICIENT
    )


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"strike": 0}, "strike"),
        ({"kind": 7}, "kind"),
        ({"underlying": 1}, "underlying"),
        ({"underlying": 9}, "underlying"),
        ({"vol_ppm": -1}, "vol_ppm"),
        ({"per": 0}, "per"),
        ({"strikes": 1}, "strikes"),
        ({"expires_ns": 0}, "expires_ns"),
    ],
)
def test_terms_are_judged(terms: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        listed(terms)


def test_where_an_option_cannot_stand() -> None:
    world, venue = listed({"kind": CALL}, portfolio=False)
    with pytest.raises(ConfigError, match="no rate of its own value covers"):
        world.start()
    with pytest.raises(ConfigError, match="has its terms already"):
        set_option(world, 0, 1, underlying=0, strike=1, expires_ns=9, vol_ppm=1)
    with pytest.raises(ConfigError, match="must be a market with a book"):
        set_option(world, 0, 0, underlying=1, strike=1, expires_ns=9, vol_ppm=1)
    with pytest.raises(InputError, match="vol_ppm"):
        schedule_volatility(world, 5, 0, 1)
    with pytest.raises(InputError, match="must be an option for vol_ppm"):
        schedule_volatility(world, 5, 0, 0, vol_ppm=1)
    made = venue.add_market(multiplier=10, price_max=10**6, size_max=10**6)
    venue.seed_level(made, Side.BID, 10, 1)
    with pytest.raises(ConfigError, match="must have no book"):
        set_option(world, 0, made, underlying=0, strike=1, expires_ns=9, vol_ppm=1)
    opened(venue, 1)
    with pytest.raises(InputError, match="must have no accounts"):
        set_option(world, 0, made, underlying=0, strike=1, expires_ns=9, vol_ppm=1)


def test_what_an_option_and_its_underlying_must_share() -> None:
    world = World(1)
    world.add_venue(2)
    venue = world.venue(0)
    venue.add_market(index=100)
    venue.add_market(asset=1)
    venue.add_market(kind=MarketKind.INVERSE, multiplier=10**6)
    for market in range(2):
        venue.add_market(size_max=1000)
        assert market + 3 == venue.market_count - 1
    terms: dict[str, Any] = {"strike": 100, "expires_ns": 50, "vol_ppm": 1}
    with pytest.raises(ConfigError, match="must settle in the same asset"):
        set_option(world, 0, 1, underlying=0, **terms)
    with pytest.raises(ConfigError, match="must be a linear market"):
        set_option(world, 0, 2, underlying=0, **terms)
    set_option(world, 0, 3, underlying=0, **terms)
    with pytest.raises(ConfigError, match="must have a book of its own"):
        set_portfolio(world, 0, underlyings=[{"reference": 3, "markets": [3], "rows": span(9)}])
    with pytest.raises(ConfigError, match="settle in one asset"):
        set_portfolio(world, 0, underlyings=[{"reference": 0, "markets": [0, 1], "rows": span(9)}])
    grids = [{"reference": 0, "markets": [0], "rows": span(9)}]
    grids += [{"reference": 4, "markets": [4, 3], "rows": span(9)}]
    set_portfolio(world, 0, underlyings=grids)
    for market in (1, 2, 4):
        venue.seed_level(market, Side.BID, 5, 1)
    with pytest.raises(ConfigError, match="in one portfolio with its underlying"):
        world.start()


def test_an_underlying_may_not_end_before_its_options() -> None:
    world, _ = listed({"kind": CALL})
    schedule_expiry(world, 29 * DAY, 0, 0, rule=ExpiryRule.MARK)
    with pytest.raises(ConfigError, match="must not be after its underlying's end"):
        world.start()


def test_a_block_stays_within_the_cells_and_the_open_interest() -> None:
    """All lots that one account may hold are worth 2**60 at the highest price: the most there is."""
    world = World(1)
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(index=10_000, source=PriceSource.INDEX)
    venue.add_market(multiplier=2**20, price_max=2**20, size_max=2**20)
    set_option(world, 0, 1, underlying=0, strike=10_000, expires_ns=DAY, vol_ppm=1)
    grid = {"reference": 0, "markets": [0, 1], "rows": span(1)}
    set_portfolio(world, 0, underlyings=[grid])
    for _ in range(3):
        venue.deposit(venue.open_account(), 0, 2**58)
    world.start()
    most = 2**20
    assert trade_option(world, 0, 1, buyer=1, seller=2, size=most, price=1) == 0
    assert trade_option(world, 0, 1, buyer=3, seller=0, size=most, price=2**20) == (
        Reject.POSITION_LIMIT
    )
    assert not any(venue.audit().values())
