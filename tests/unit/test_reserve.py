"""Open orders ask margin by risk factors: levels, admission, cancellation. MARGIN §2.1.7, §2.3."""

from __future__ import annotations

import random
from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.changing import change
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import (
    AdlWhen,
    BreakerAction,
    CancelPolicy,
    HolderKind,
    PriceMode,
    PriceSource,
    Reject,
    Side,
    SocialRule,
    StepKind,
    Takeover,
)
from ordercascade.errors import ConfigError
from ordercascade.margin import Schedule, margin_required
from ordercascade.mechanisms.plugins import PluginBreaker
from ordercascade.mechanisms.tranches import Tranches
from unit.worlds import rows

SECOND = 10**9
LEVELS = {"search_ppm": 1_100_000, "initial_ppm": 1_200_000, "release_ppm": 1_400_000}
HOUSE = {
    "takeover": Takeover.FUND,
    "takeover_price": PriceMode.MARK,
    "takeover_collateral": True,
    "variation": True,
    "adl_when": AdlWhen.NEVER,
    "social_rule": SocialRule.GAINS,
    "dispose_ns": 5 * SECOND,
    "dispose_ppm": 10**6,
}


def risk(long: int = 200_000, short: int = 100_000, slip: int = 50_000) -> Schedule:
    return Schedule.risk(long_ppm=long, short_ppm=short, slippage_ppm=slip, initial_ppm=1_200_000)


def house(
    schedule: Schedule | None = None, *, stages: dict[str, Any] | None = None, **rules: Any
) -> tuple[World, Venue]:
    """A market at 100 whose mark is its index; nothing rests."""
    world = World(1)
    said = HOUSE | LEVELS if stages is None else stages
    world.add_venue(policy=Tranches(), cancel=CancelPolicy.MARKET, stages=said, **rules)
    venue = world.venue(0)
    venue.add_market(
        price_max=10**4, size_max=10**4, source=PriceSource.INDEX, index=100, last=100,
        schedule=schedule or risk(),
    )  # fmt: skip
    return world, venue


def isolated(venue: Venue, money: int) -> int:
    account = venue.open_account()
    venue.deposit(account, 0, money)
    venue.isolate(account, 0)
    return account


def purse(venue: Venue, account: int) -> tuple[int, int]:
    """Return (isolated, cross) money."""
    cross, scope = venue.cross_scope(account), venue.scope_of(account, 0)
    return venue.collateral(scope), venue.collateral(cross)


def test_maintenance_with_orders_is_the_public_answer() -> None:
    """The larger side of factor + slippage on lots held and the factor on open orders."""
    draw = random.Random(7)
    for _ in range(60):
        world, venue = house()
        one, other = (isolated(venue, 10**7) for _ in range(2))
        held, bids, asks = draw.randint(-40, 40), draw.randint(0, 60), draw.randint(0, 60)
        for account, size in ((one, held), (other, -held)):
            if size:
                venue.open_position(account, 0, size, 100 * size)
        world.start()
        for side, price, lots in ((Side.BID, 90, bids), (Side.ASK, 110, asks)):
            if lots:
                assert venue.submit(one, 0, side, price, lots) > 0
        scope = venue.scope_of(one, 0)
        _, want = margin_required(risk(), held, 100, bids=bids, asks=asks)
        assert venue.maintenance(scope, orders=True) == want
        _, alone = margin_required(risk(), held, 100)
        assert venue.maintenance(scope) == venue.maintenance(scope, orders=False) == alone


def test_an_order_sets_its_initial_margin_aside_and_gives_it_back() -> None:
    """10 bids: 10 * 100 * 0.2 = 200, at 1.2: 240; 20 asks beside them: the same 200."""
    world, venue = house()
    account = isolated(venue, 300)
    world.start()
    number = venue.submit(account, 0, Side.BID, 90, 10)
    assert number > 0 and purse(venue, account) == (240, 60)
    assert venue.submit(account, 0, Side.ASK, 110, 20) > 0
    assert purse(venue, account) == (240, 60)
    assert venue.submit(account, 0, Side.ASK, 110, 5) > 0  # 25 asks: 250, at 1.2: 300
    assert purse(venue, account) == (300, 0)
    steps = len(rows(world, "steps", "step"))
    before = world.state_hash()
    assert venue.submit(account, 0, Side.ASK, 110, 1) == Reject.INSUFFICIENT
    assert len(rows(world, "steps", "step")) == steps and world.state_hash() == before
    for _, order in rows(world, "orders", "step", "order_id"):
        venue.cancel(account, 0, order)
    world.settle(SECOND)
    assert purse(venue, account) == (0, 300)
    world._check()


def test_what_an_order_sets_aside_is_missed_where_it_came_from() -> None:
    """10 long of another market behind 700 fall below 40; behind the 460 left, below 72."""
    world, venue = house(stages=HOUSE | LEVELS | {"variation": False, "social_rule": 0})
    venue.add_market(
        price_max=10**4, size_max=10**4, source=PriceSource.INDEX, index=100, last=100,
        schedule=risk(),
    )  # fmt: skip
    account = isolated(venue, 700)
    cross = venue.open_position(account, 1, 10, 1_000)
    world.start()
    venue.set_index(1, 95)
    world.settle(SECOND)
    assert venue.submit(account, 0, Side.BID, 90, 10) > 0
    assert purse(venue, account) == (240, 460)
    venue.set_index(1, 71)
    world.settle(2 * SECOND)
    world._check()
    assert venue.position(cross, 1) == (0, 0)


def test_an_amendment_that_grows_sets_more_aside_and_one_too_large_is_refused() -> None:
    world, venue = house()
    account = isolated(venue, 300)
    world.start()
    number = venue.submit(account, 0, Side.BID, 90, 5)
    assert purse(venue, account) == (120, 180)
    number = venue.amend(account, 0, number, price=91, size=12)
    assert number > 0 and purse(venue, account) == (288, 12)
    assert venue.amend(account, 0, number, size=13) == Reject.INSUFFICIENT
    assert venue.amend(account, 0, number, price=92, size=2) > 0
    assert purse(venue, account) == (288, 12)


def test_an_order_that_closes_what_is_held_asks_nothing() -> None:
    """Held 10 long: 250, at 1.2: 300. Asks of 10 leave the short side shut."""
    world, venue = house()
    account, other = isolated(venue, 300), isolated(venue, 10**6)
    for who, size in ((account, 10), (other, -10)):
        venue.open_position(who, 0, size, 100 * size)
    world.start()
    world.settle(1)
    assert purse(venue, account) == (300, 0)
    assert venue.submit(account, 0, Side.ASK, 100, 10) > 0
    assert venue.submit(account, 0, Side.ASK, 100, 15) > 0  # 25 asks: 250, as what is held
    assert purse(venue, account) == (300, 0)
    assert venue.submit(account, 0, Side.ASK, 100, 1) == Reject.INSUFFICIENT


def fallen(price: int) -> tuple[World, Venue, int, int]:
    """A long of 10 with 5 bids, 360 in all; then the index falls."""
    world, venue = house()
    account, other = isolated(venue, 420), isolated(venue, 10**6)
    for who, size in ((account, 10), (other, -10)):
        venue.open_position(who, 0, size, 100 * size)
    world.schedule_index(SECOND, 0, 0, price)
    world.start()
    world.settle(1)
    number = venue.submit(account, 0, Side.BID, 50, 5)
    assert number > 0 and purse(venue, account) == (420, 0)
    world.run()
    world._check()
    return world, venue, account, venue.scope_of(account, 0)


def test_orders_go_before_a_position_does() -> None:
    """At 93: 420 - 70 = 350 covers 10 * 93 * 0.25 + 5 * 93 * 0.2 = 325.5.

    At 90: 320 covers 315. At 89: 310 < 311.5, so the orders go, and 222.5 stays covered. At 70:
    120 < 175, so the network takes the position over.
    """
    for price, open_lots, held in ((93, 5, 10), (90, 5, 10), (89, 0, 10), (70, 0, 0)):
        world, venue, _, scope = fallen(price)
        assert sum(lots for _, lots in venue.depth(0, Side.BID)) == open_lots
        assert venue.position(scope, 0)[0] == held
        taken = [kind for (kind,) in rows(world, "steps", "kind") if kind == StepKind.TAKEOVER]
        assert len(taken) == (held == 0)


def test_a_cross_scope_reserves_the_initial_margin_of_the_worse_side() -> None:
    """Of 10 bids 240, of 30 asks 360. MARGIN §2.3."""
    world, venue = house(stages={})
    account = venue.open_account()
    venue.deposit(account, 0, 360)
    world.start()
    assert venue.submit(account, 0, Side.BID, 90, 10) > 0
    assert venue.initial(venue.cross_scope(account)) == 240
    assert venue.submit(account, 0, Side.ASK, 110, 30) > 0
    assert venue.initial(venue.cross_scope(account)) == 360
    assert venue.submit(account, 0, Side.ASK, 110, 1) == Reject.INSUFFICIENT
    assert venue.withdraw(account, 0, 1) == Reject.INSUFFICIENT


def test_without_factors_orders_ask_nothing() -> None:
    """The limit: the tape of a flat rate of the slippage, orders and all."""

    def tape(schedule: Schedule) -> list[tuple[int, ...]]:
        world, venue = house(schedule, stages=HOUSE | LEVELS | {"order_ppm": 0})
        accounts = [isolated(venue, 400 + 40 * k) for k in range(6)]
        for k, account in enumerate(accounts):
            size = (1 - 2 * (k % 2)) * (20 + k // 2)
            venue.open_position(account, 0, size, 100 * size)
        world.start()
        world.settle(1)
        for k, account in enumerate(accounts):
            assert venue.submit(account, 0, Side.BID, 60 + k, 30) > 0
            assert venue.submit(account, 0, Side.ASK, 140 - k, 30) > 0
        for second, price in enumerate((101, 97, 120, 80, 100), 1):
            world.schedule_index(second * SECOND, 0, 0, price)
        world.run()
        columns = ("postings", "step", "from_holder", "to_holder", "amount")
        return rows(world, *columns) + rows(world, "adl", "step", "lots", "cost")

    flat = Schedule.flat(maintenance_ppm=50_000, initial_ppm=60_000)
    assert len(tape(flat)) > 20
    assert tape(flat) == tape(risk(0, 0, 50_000))


def test_larger_factors_set_more_aside() -> None:
    """Over 50 books: never less at 1.5 times the factors, and more where an order rests."""
    for seed in range(50):
        draw = random.Random(seed)
        orders = [(draw.choice(list(Side)), draw.randint(1, 30)) for _ in range(4)]
        found = []
        for factor in (100_000, 150_000):
            world, venue = house(risk(factor, factor))
            account = isolated(venue, 10**6)
            world.start()
            for side, lots in orders:
                venue.submit(account, 0, side, 110 if side else 90, lots)
            found.append(purse(venue, account)[0])
        assert found[0] < found[1]


# ------------------------------------------------------------------ disposals inside bounds


def taken(**rules: Any) -> tuple[World, Venue]:
    """The fund holds 10 lots, taken over at 1 s; 5 bids at 98, 5 at 92."""
    world, venue = house(**rules)
    account, other = isolated(venue, 300), isolated(venue, 10**6)
    for who, size in ((account, 10), (other, -10)):
        venue.open_position(who, 0, size, 100 * size)
    world.schedule_index(SECOND, 0, 0, 70)
    world.schedule_index(2 * SECOND, 0, 0, 100)
    venue.seed_level(0, Side.BID, 98, 5)
    venue.seed_level(0, Side.BID, 92, 5)
    venue.seed_level(0, Side.ASK, 102, 5)
    world.start()
    world.settle(SECOND)
    world.settle(2 * SECOND)
    assert venue.inherited(HolderKind.FUND, 0)[0] == 10
    return world, venue


class Bounds:
    """A user's own breaker: a band without end, or a stop from 2 s to 40 s."""

    def __init__(self, low: int) -> None:
        self.low = low

    def judge(self, market: int, view: Any, time_ns: int) -> tuple[BreakerAction, int, int, int]:
        if self.low:
            return BreakerAction.HOLD, self.low, 0, 0
        if 2 * SECOND <= time_ns < 40 * SECOND:
            return BreakerAction.STOP, 0, 0, 40 * SECOND
        return BreakerAction.ALLOW, 0, 0, 0

    def state(self) -> bytes:
        return bytes([self.low])


@pytest.mark.parametrize(("low", "left"), [(0, 0), (92, 0), (93, 5), (98, 5), (99, 10)])
def test_a_disposal_goes_no_further_than_the_band(low: int, left: int) -> None:
    """max(mid (1 - range), lower bound) for a sell: MARGIN §6.3. The range alone reaches to 90."""
    breakers = [PluginBreaker(Bounds(low))] if low else []
    world, venue = taken(breakers=breakers)
    world.settle(6 * SECOND)
    assert venue.inherited(HolderKind.FUND, 0)[0] == left
    world._check()


def test_a_disposal_waits_for_the_end_of_a_halt() -> None:
    """MARGIN §6.9: disposals pause. Due at 6 s; trading stops from 2 s to 40 s."""
    world, venue = taken(breakers=[PluginBreaker(Bounds(0))])
    for second in (6, 30, 39):
        world.settle(second * SECOND)
        assert venue.inherited(HolderKind.FUND, 0)[0] == 10
    world.settle(40 * SECOND)
    world.settle(41 * SECOND)
    assert venue.inherited(HolderKind.FUND, 0)[0] == 0


@pytest.mark.parametrize(("pace", "sold_by"), [(5, 6), (2, 3), (9, 10), (0, 3)])
def test_another_pace_moves_the_next_disposal(pace: int, sold_by: int) -> None:
    """Taken over at 1 s, 5 s a step; at 2 s the step changes: the next one is at 1 s + step."""
    world, venue = taken()
    said = HOUSE | LEVELS | {"dispose_ns": pace * SECOND}
    change(world, 0, policy=Tranches(), cancel=CancelPolicy.MARKET, stages=said)
    world.settle(sold_by * SECOND - 1)
    early = venue.inherited(HolderKind.FUND, 0)[0]
    world.settle(sold_by * SECOND)
    assert venue.inherited(HolderKind.FUND, 0)[0] == 0
    assert early == (10 if pace else 0)


def test_risk_factors_of_an_inverse_contract_are_refused_by_name() -> None:
    world = World()
    world.add_venue()
    table = Schedule.risk(long_ppm=1, short_ppm=1, slippage_ppm=0, contract="inverse")
    with pytest.raises(ConfigError, match="must be of a linear contract with risk factors"):
        world.venue(0).add_market(kind=1, schedule=table)


def test_random_houses_keep_every_invariant_and_no_order_that_is_not_covered() -> None:
    """Orders, falls, closings and disposals; checked by the full scans after every step.

    After each settlement whoever still has open orders covers maintenance with them.
    """
    taken = cancelled = 0
    for seed in range(40):
        draw = random.Random(seed)
        factors = [draw.randint(0, 200_000) for _ in range(2)]
        world, venue = house(risk(*factors, draw.randint(1, 100_000)))
        accounts = [isolated(venue, draw.randint(50, 4_000)) for _ in range(8)]
        for one, other in zip(accounts[::2], accounts[1::2], strict=True):
            size = draw.randint(-15, 15)
            for who, lots in ((one, size), (other, -size)):
                if lots:
                    venue.open_position(who, 0, lots, lots * 100)
        for price, side in ((60, Side.BID), (90, Side.BID), (110, Side.ASK), (140, Side.ASK)):
            venue.seed_level(0, side, price, 8)
        world.start()
        for _ in range(7):
            for account in accounts:
                side, lots = draw.choice(list(Side)), draw.randint(1, 12)
                venue.submit(account, 0, side, draw.randint(70, 130), lots)
            world.schedule_index(world.time_ns + SECOND, 0, 0, draw.randint(60, 150))
            while world.step() >= 0:
                world._check()
            assert not any(venue.audit().values())
            for account in accounts:
                scope = venue.scope_of(account, 0)
                need = venue.maintenance(scope, orders=True)
                if need > venue.maintenance(scope):
                    assert venue.equity(scope) >= need
        kinds = [kind for (kind,) in rows(world, "steps", "kind")]
        taken += kinds.count(StepKind.TAKEOVER)
        cancelled += kinds.count(StepKind.PAYMENT)
    assert taken > 20 and cancelled > 40


def test_a_run_by_equal_factors_is_that_of_a_flat_schedule_and_its_audit_holds() -> None:
    """Populations hold positions and no orders: 1.5 % + 0.5 % is 2 %, at 1.5 times 3 % initial."""

    def tape(schedule: str) -> oc.Tape:
        head, _, tail = oc.scenarios.load("thin-book").to_toml().partition("[[venue.market]]")
        kept = "\n".join(line for line in tail.splitlines() if not line.startswith("brackets"))
        head = head.replace('preset = "binance-usdm"', 'preset = "vega"')
        book = "[venue.market.book]"
        kept = kept.replace(book, f"[venue.market.schedule]\n{schedule}\n\n{book}", 1)
        return oc.run(oc.Scenario.from_toml(f"{head}[[venue.market]]{kept}\n"), progress=False)

    flat = tape('type = "flat"\nmaintenance = 0.02\ninitial = 0.03')
    even = tape('type = "risk"\nlong = 0.015\nshort = 0.015\nslippage = 0.005\ninitial = 1.5')
    skewed = tape('type = "risk"\nlong = 0.017\nshort = 0.012\nslippage = 0.005\ninitial = 1.5')
    for table in ("steps", "fills", "liquidations", "adl", "postings"):
        for column in flat.tables[table].columns:
            assert flat.tables[table][column].tolist() == even.tables[table][column].tolist()
    assert flat.summary()["liquidations"] > 100 and skewed.summary()["liquidations"] > 100
    for each in (even, skewed):
        report = oc.audit(each)
        assert report.ok and not report.gaps, str(report)
