"""Portfolio margin against its twin, and random days of a venue with options: nothing is lost."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from ordercascade.core.derivatives import (
    buckets,
    schedule_volatility,
    set_option,
    set_portfolio,
    span,
    trade_option,
)
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.duties import OptionKind
from ordercascade.enums import AdlTrigger, BreakerKind, MarketKind, PriceSource, Side, StepKind
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.mechanisms.surcharges import VolatilityFee
from reference import portfolio as twin

DAY = 86_400 * 10**9
ROUNDS = int(os.environ.get("ORDERCASCADE_PROOF_ROUNDS", "40"))
OPS = int(os.environ.get("ORDERCASCADE_PROOF_OPS", "4000"))


def grid(draw: random.Random, reference: int, markets: list[int]) -> dict[str, Any]:
    """A grid of one of the two shapes, its numbers at random."""
    width = draw.choice([50_000, 160_000, 333_333])
    if draw.random() < 0.5:
        rows = span(width, extreme_ppm=draw.choice([0, 3 * width]), counted_ppm=350_000)
    else:
        far = [(-660_000, None), (1_000_000, 123_457), (5_000_000, None)]
        rows = buckets(width, draw.choice([1, 3, 4]), extended=draw.sample(far, 2))
    return {
        "reference": reference,
        "markets": markets,
        "rows": rows,
        "up_ppm": draw.choice([0, 250_000, 500_000]),
        "down_ppm": draw.choice([0, 250_000, 1_000_000]),
        "power_short_ppm": draw.choice([0, 300_000]),
        "power_long_ppm": draw.choice([0, 130_000]),
        "floor_ppm": draw.choice([0, 500_000]),
        "short_ppm": draw.choice([0, 7_777]),
        "contingency_ppm": draw.choice([0, 6_000]),
        "option_ppm": draw.choice([0, 1_111]),
        "concentration_ppm": draw.choice([0, 20_000]),
        "concentration_from": draw.choice([0, 10**6]),
    }


class Drawn:
    """A venue of two underlyings with two futures and some options each, as both sides know it."""

    def __init__(self, draw: random.Random, *, inverse: bool = True, **rules: Any) -> None:
        self.draw = draw
        self.world = World(draw.randrange(2**30))
        self.world.add_venue(**rules)
        self.venue: Venue = self.world.venue(0)
        self.markets: list[twin.Instrument] = []
        groups: list[list[int]] = []
        for spot in (10_000, 700):
            first = len(self.markets)
            odd = inverse and draw.random() < 0.5
            self._future(spot, MarketKind.LINEAR)
            self._future(
                spot + draw.randrange(-50, 300),
                MarketKind.INVERSE if odd else MarketKind.LINEAR,
            )
            count = draw.randrange(1, 5)
            for _ in range(count):
                self._option(first + draw.randrange(1 if odd else 2), spot)
            groups.append(list(range(first, len(self.markets))))
        self.terms: dict[str, Any] = {
            "underlyings": [grid(draw, group[0], group) for group in groups],
            "offsets": draw.choice(
                [[], [(0, 1, 400_000)], [(1, 0, 10**6)], [(0, 1, 250_000), (1, 0, 300_000)]]
            ),
            "maintenance_ppm": draw.choice([800_000, 10**6, 333_333]),
        }
        set_portfolio(self.world, 0, **self.terms)

    def _future(self, spot: int, kind: MarketKind) -> None:
        unit = 10 if kind == MarketKind.LINEAR else 10**9
        self.venue.add_market(kind=kind, multiplier=unit, price_max=10**6, size_max=10**6,
                              index=spot, source=PriceSource.INDEX)  # fmt: skip
        self.markets.append(twin.Instrument(kind.name.lower(), unit))

    def _option(self, underlying: int, spot: int) -> None:
        draw = self.draw
        option = {
            "kind": draw.choice(list(OptionKind)),
            "underlying": underlying,
            "strike": round(spot * draw.choice([0.5, 0.9, 1, 1.05, 2])),
            "expires_ns": draw.randrange(1, 200 * DAY),
            "vol_ppm": draw.choice([0, 1, 400_000, 650_000, 2_000_000]),
            "rate_ppm": draw.choice([0, 0, 40_000]),
            "coin": draw.random() < 0.25,
            "per": draw.choice([1, 7, 20]),
            "of": draw.choice([1, 3]),
        }
        if option["coin"]:
            option["per"] = 10_000
        unit = 50 if option["coin"] else 10
        market = self.venue.add_market(multiplier=unit, price_max=10**6, size_max=10**6)
        self.markets.append(twin.Instrument("linear", unit, option))
        self.options = [*getattr(self, "options", []), (market, option)]
        set_option(self.world, 0, market, **option)

    def account(self, money: int, most: int = 3) -> tuple[int, dict[int, int]]:
        """Open an account with a few legs at about their marks; return its scope and lots."""
        account = self.venue.open_account()
        scope = int(self.venue.deposit(account, 0, money))
        lots: dict[int, int] = {}
        count = min(len(self.markets), self.draw.randint(1, most))
        for market in self.draw.sample(range(len(self.markets)), count):
            size = self.draw.choice([-1, 1]) * self.draw.randrange(1, 200)
            kind = self.markets[market]
            second = market >= self.terms["underlyings"][1]["reference"]
            price = 100 if kind.option else (700 if second else 10_000)
            self.venue.open_position(account, market, size, twin.value(kind, size, price))
            lots[market] = size
        return scope, lots


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_random_portfolios_are_margined_as_by_the_twin(seed: int) -> None:
    """Initial and maintenance margin and what_if at random marks, equal to the unit."""
    drawn = Drawn(random.Random(seed))
    held = [drawn.account(10**12, 8) for _ in range(10)]
    drawn.world.start()
    venue = drawn.venue
    marks = venue.marks()
    for market, instrument in enumerate(drawn.markets):
        if option := instrument.option:
            spot = marks[option["underlying"]]
            assert marks[market] == min(10**6, twin.ticks(option, spot, option["expires_ns"],
                                                          option["vol_ppm"]))  # fmt: skip
    for scope, lots in held:
        initial, maintenance = twin.asked(drawn.markets, marks, lots, drawn.terms)
        assert (venue.initial(scope), venue.maintenance(scope)) == (initial, maintenance)
        moved = {
            m: max(1, round(mark * drawn.draw.uniform(0.5, 1.6)))
            for m, mark in enumerate(marks)
            if drawn.markets[m].option is None or drawn.draw.random() < 0.3
        }
        given = {m: moved.get(m, mark) for m, mark in enumerate(marks)}
        for m, instrument in enumerate(drawn.markets):
            option = instrument.option
            if option and m not in moved:
                spot = given[option["underlying"]]
                given[m] = min(10**6, twin.ticks(option, spot, option["expires_ns"],
                                                 option["vol_ppm"]))  # fmt: skip
        shown = [given[m] for m in range(len(marks))]
        want = twin.asked(drawn.markets, shown, lots, drawn.terms)[1]
        assert venue.what_if(scope, moved)[1] == want


@pytest.mark.parametrize("seed", range(8))
def test_open_orders_are_asked_by_their_worst_filling(seed: int) -> None:
    """Against all ways of the twin: two markets' bids, asks or neither."""
    draw = random.Random(1_000 + seed)
    drawn = Drawn(draw)
    scope, lots = drawn.account(10**14, 6)
    drawn.world.start()
    venue, account = drawn.venue, 1
    futures = [m for m, each in enumerate(drawn.markets) if each.option is None]
    orders: dict[int, list[int]] = {}
    for market in draw.sample(futures, 2):
        mark = venue.marks()[market]
        bid, ask = draw.randrange(1, 300), draw.randrange(0, 300)
        orders[market] = [0, bid, -ask]
        assert venue.submit(account, market, Side.BID, max(1, mark // 2), bid) > 0
        if ask:
            assert venue.submit(account, market, Side.ASK, mark * 2, ask) > 0
    (one, ways), (two, others) = orders.items()
    want = 0
    for first in ways:
        for second in others:
            filled = dict(lots)
            filled[one] = filled.get(one, 0) + first
            filled[two] = filled.get(two, 0) + second
            want = max(want, twin.asked(drawn.markets, venue.marks(), filled, drawn.terms)[0])
    assert venue.initial(scope) == want


def busy(draw: random.Random, drawn: Drawn, accounts: int) -> None:
    """One thing that a user, or the outside, does."""
    venue = drawn.venue
    account = draw.randrange(1, accounts + 1)
    futures = [m for m, each in enumerate(drawn.markets) if each.option is None]
    market = draw.choice(futures)
    mark = venue.marks()[market]
    what = draw.random()
    if what < 0.45:
        price = max(1, round(mark * draw.uniform(0.97, 1.03)))
        venue.submit(account, market, draw.choice(list(Side)), price, draw.randrange(1, 60))
    elif what < 0.7:
        option = draw.choice(drawn.options)[0]
        price = max(1, round(venue.marks()[option] * draw.uniform(0.8, 1.2)))
        other = draw.randrange(0, accounts + 1)
        if other != account:
            trade_option(drawn.world, 0, option, buyer=account, seller=other,
                         size=draw.randrange(1, 60), price=price)  # fmt: skip
    elif what < 0.76:
        venue.withdraw(account, 0, draw.randrange(1, 10**6))
    elif what < 0.82:
        venue.deposit(account, 0, draw.randrange(1, 10**5))
    else:
        now = drawn.world.time_ns + draw.randrange(1, DAY // 4)
        if draw.random() < 0.15:
            factor = draw.choice([500_000, 900_000, 1_200_000, 2_000_000])
            schedule_volatility(drawn.world, now, 0, market, factor_ppm=factor)
        else:
            drawn.world.schedule_index(now, 0, market, max(1, round(mark * draw.gauss(1, 0.03))))
        while drawn.world.step() >= 0:
            pass


@pytest.mark.parametrize("rule", [AdlTrigger.SHORTFALL, AdlTrigger.UNFILLED])
def test_a_random_venue_with_options_loses_no_unit(rule: AdlTrigger) -> None:
    """Orders, blocks, money, prices, volatilities, expiries: all ledgers add up, always.

    The tape shows that liquidations, deleveragings and expiries were among them.
    """
    kinds: set[int] = set()
    for seed in range(max(1, OPS // 1000)):
        draw = random.Random(seed)
        halt = Breaker(BreakerKind.HALT, band_ppm=60_000, halt_ns=DAY // 8, everybody=True)
        volatile = {"sample_ns": 10**9, "start_ppb": 10**7, "step_ppm": 10**6}
        fee = VolatilityFee(base_ppm=0, slope_ppm=1, cap_ppm=2_000, reference_ppb=1, **volatile)
        guards = {"breakers": [halt], "surcharges": [fee]} if seed % 2 else {}
        drawn = Drawn(draw, inverse=False, adl_trigger=rule, **guards)
        for market, each in enumerate(drawn.markets):
            if each.option is None:
                index = drawn.venue.prices(market)[1]
                for side, sign in ((Side.BID, -1), (Side.ASK, 1)):
                    for step in range(1, 6):
                        price = max(1, index + sign * step * max(1, index // 200))
                        drawn.venue.seed_level(market, side, price, 400)
        for _ in range(12):
            drawn.account(draw.choice([10**5, 10**6, 10**7]))
        drawn.world.start()
        for count in range(1000):
            busy(draw, drawn, 12)
            assert not any(drawn.venue.audit().values())
            if count % 50 == 0:
                drawn.world._check()
                other = drawn.world.fork()
                assert other.state_hash() == drawn.world.state_hash()
        kinds |= set(drawn.world.log.column("steps", "kind").tolist())
    assert {StepKind.LIQUIDATION, StepKind.ADL, StepKind.EXPIRY, StepKind.WATERFALL} <= kinds
