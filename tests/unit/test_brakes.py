"""Circuit breakers by hand: the auction's prices, slices, what waits, and a few lines of TOML."""

from __future__ import annotations

from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import (
    BreakerKind,
    MarkRefresh,
    NoteKind,
    OrderLimit,
    OrderType,
    PriceSource,
    QueueOrder,
    Reject,
    ReleaseRule,
    Side,
    StepKind,
    Stop,
)
from ordercascade.errors import ConfigError, InputError, InputTypeError
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.mechanisms.tranches import Tranches
from ordercascade.story import tell
from unit.worlds import rows, run_checked

SECOND = 10**9
LOTS, COLLATERAL = [10, 20, 15, 30], [595, 1_380, 1_320, 4_350]


def ladder(
    *breakers: Breaker, size: int = 15, owners: int = 4, round_ns: int = 0
) -> tuple[World, Venue]:
    """The book and the longs of T2a (tests/golden/test_t2a.py); a sale of `size` at time 0."""
    world = World()
    world.add_venue(
        trigger_strict=False,
        queue=QueueOrder.TRIGGER_PRICE,
        mark_refresh=MarkRefresh.ORDER,
        breakers=breakers,
        round_ns=round_ns,
    )
    venue = world.venue()
    venue.add_market(multiplier=10, brackets=[(0, 50_000, 0, 100_000)], last=100)
    for price in range(100, 79, -1):
        venue.seed_level(0, Side.BID, price, 10)
    for lots, collateral in zip(LOTS[:owners], COLLATERAL[:owners], strict=True):
        account = venue.open_account()
        venue.deposit(account, 0, collateral)
        venue.open_position(account, 0, lots, lots * 1_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=size)
    world.start()
    return world, venue


def halt(band: int = 10_000, **rest: Any) -> Breaker:
    return Breaker(BreakerKind.HALT, band_ppm=band, halt_ns=60 * SECOND, **rest)


def kinds(world: World) -> list[str]:
    return [StepKind(kind).name for (kind,) in rows(world, "steps", "kind")]


def test_a_halt_reopens_in_an_auction_at_one_price_worked_out_by_hand() -> None:
    """After the sale of 15 the last price is 99: 1 % down, so the market halts before anybody is
    sold. In the auction A sells 10 at any price into bids of 5 at 99 and 10 at 98: ten lots trade
    at 98 or below and 98 leaves the fewest over, so all of them trade at 98."""
    world, _venue = ladder(halt(release=ReleaseRule.AUCTION, everybody=True))
    run_checked(world)
    assert kinds(world)[:6] == ["SHOCK", "MARK", "HALT", "RESUME", "AUCTION", "MARK"]
    first = [row[1:] for row in rows(world, "fills", "step", "price", "size") if row[0] == 4]
    assert first == [(98, 5), (98, 5)]
    assert rows(world, "steps", "time_ns")[3] == (60 * SECOND,)
    assert [row for row in rows(world, "levels", "step", "price", "size_after") if row[0] == 4] == [
        (4, 99, 0),
        (4, 98, 5),
    ]
    # The mark of 98 is 1 % below the new reference: B is sold in the next auction, then C.
    asked = rows(world, "liquidations", "account", "lots_filled", "worst_price", "value")
    assert asked == [(1, 10, 98, 9_800), (2, 20, 96, 19_200), (3, 15, 95, 14_250)]
    # Each auction finds the mark that the one before it made.
    assert rows(world, "liquidations", "mark_before") == [(99,), (98,), (96,)]
    held = [row for row in rows(world, "notes", "kind", "a") if row[0] == NoteKind.RELEASED]
    assert [lots for _, lots in held] == [10, 20, 15, 0]


def test_what_waits_outside_trades_in_the_auction_though_nobody_is_at_risk() -> None:
    """A sale of 15 ends 1 % down at 99: a halt. At its end 7 lots that waited meet bids of 5 at 99
    and 10 at 98: all seven trade at 98."""
    breaker = halt(release=ReleaseRule.AUCTION, everybody=True)
    world, _venue = ladder(breaker, owners=0)
    world.schedule_shock(10 * SECOND, 0, 0, Side.ASK, size=7, limit=90)
    run_checked(world)
    assert kinds(world)[:7] == ["SHOCK", "MARK", "HALT", "SHOCK", "RESUME", "AUCTION", "MARK"]
    assert rows(world, "fills", "step", "price", "size")[2:] == [(5, 98, 5), (5, 98, 2)]


def test_slices_let_so_many_lots_go_at_a_time() -> None:
    """A must sell all of its 10 (nobody buys at 95 or above to make it healthy): 4 lots a slice."""
    world, _venue = ladder(halt(20_000, release=ReleaseRule.DRIP, drip_ppm=400_000, drip_ns=SECOND),
                          size=25)  # fmt: skip
    run_checked(world)
    sold = rows(world, "liquidations", "step", "account", "lots_filled")
    times = [rows(world, "steps", "time_ns")[step][0] // SECOND for step, _, _ in sold]
    by_time: dict[int, int] = {}
    for time, (_, _, lots) in zip(times, sold, strict=True):
        by_time[time] = by_time.get(time, 0) + lots
    assert by_time
    back = next(a for k, a in rows(world, "notes", "kind", "a") if k == NoteKind.RELEASED)
    assert max(by_time.values()) <= -(-back * 4 // 10)
    assert min(by_time) == 60 and len(by_time) > 1


def test_an_outside_order_waits_for_the_end_of_a_halt_and_is_sent_whole() -> None:
    world, _venue = ladder(halt(everybody=True))
    world.schedule_shock(10 * SECOND, 0, 0, Side.ASK, size=7, limit=90)
    run_checked(world)
    orders = rows(world, "orders", "step", "account", "size", "filled", "result")
    waited = [row for row in orders if row[1] == 0 and row[2] == 7]
    assert [row[2:] for row in waited] == [(7, 0, Reject.HALTED), (7, 7, 0)]
    times = [rows(world, "steps", "time_ns")[row[0]][0] // SECOND for row in waited]
    assert times == [10, 60]
    notes = rows(world, "notes", "kind", "a", "b")
    assert (NoteKind.HELD, 7, Side.ASK) in notes


def test_users_are_refused_during_a_halt_of_everybody_and_may_cancel() -> None:
    world, venue = ladder(halt(everybody=True))
    account = venue.open_account()
    venue.deposit(account, 0, 10**6)
    order = venue.submit(account, 0, Side.ASK, 130, 5)
    world.settle()
    assert kinds(world)[-1] == "HALT"
    assert venue.submit(account, 0, Side.ASK, 131, 5) == Reject.HALTED
    assert venue.submit(account, 0, Side.BID, 1, 5, type=OrderType.MARKET) == Reject.HALTED
    assert venue.amend(account, 0, order, size=3) == Reject.HALTED
    assert venue.cancel(account, 0, order) == 5
    world.run()
    assert venue.submit(account, 0, Side.ASK, 131, 5) > 0


def test_a_band_for_everybody_refuses_what_lies_outside_it() -> None:
    world, venue = ladder(Breaker(band_ppm=50_000, everybody=True), size=1)
    account = venue.open_account()
    venue.deposit(account, 0, 10**6)
    world.settle()
    assert venue.submit(account, 0, Side.BID, 106, 1) == Reject.HALTED
    assert venue.submit(account, 0, Side.ASK, 94, 1) == Reject.HALTED
    assert venue.submit(account, 0, Side.ASK, 95, 1) == 0
    world.schedule_shock(world.time_ns, 0, 0, Side.ASK, size=80)
    world.settle()
    assert min(price for (price,) in rows(world, "fills", "price")) == 95
    left = [a for k, a in rows(world, "notes", "kind", "a") if k == NoteKind.HELD]
    assert left == [80 - (60 - 2)]


def test_the_strictest_of_a_list_wins() -> None:
    wide, narrow = Breaker(band_ppm=200_000), Breaker(band_ppm=30_000)
    worlds = [ladder(*each)[0] for each in ((narrow,), (wide, narrow), (narrow, wide))]
    for world in worlds:
        world.run()
    fills = [rows(world, "fills", "price", "size") for world in worlds]
    assert fills[0] == fills[1] == fills[2]
    world, _ = ladder(wide, halt(), narrow)
    world.run()
    assert "HALT" in kinds(world)


def test_a_pause_while_the_mark_lags_and_one_while_gas_is_dear() -> None:
    """GAS: ten gwei times 1 + one per scope passes 15 with the first in the queue."""
    gas = Breaker(BreakerKind.GAS, gas=10, gas_max=15, gas_ppm=10**6, halt_ns=SECOND,
                  halt_max_ns=5 * SECOND)  # fmt: skip
    world, _ = ladder(gas)
    run_checked(world)
    assert {"HALT", "RESUME", "LIQUIDATION"} <= set(kinds(world))
    assert [row for (row,) in rows(world, "liquidations", "account")] == [1, 2, 3]
    lag = Breaker(BreakerKind.LAG, band_ppm=10_000, halt_ns=SECOND, halt_max_ns=9 * SECOND)
    world = World()
    world.add_venue(breakers=[lag])
    venue = world.venue()
    venue.add_market(last=100, index=100, own_weight_ppm=0)  # The mark stays where the index is.
    venue.seed_level(0, Side.BID, 99, 1)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    run_checked(world)
    assert kinds(world) == ["SHOCK", "HALT", "RESUME"]
    assert world.time_ns == 9 * SECOND


@pytest.mark.parametrize("round_ns", [0, 1, SECOND])
@pytest.mark.parametrize("release", [ReleaseRule.AT_ONCE, ReleaseRule.DRIP])
def test_an_order_nobody_fills_inside_the_band_does_not_call_halt_after_halt(
    round_ns: int, release: ReleaseRule
) -> None:
    """The sale of 20 empties the book down to 98, and the band ends at 99. A's order finds nobody;
    it was in the queue, so gas is dear and the market pauses. The end of the pause is no news to
    the order: the band stands where it stood. (It was sent again, and called for the next one.)"""
    gas = Breaker(BreakerKind.GAS, gas=10, gas_max=15, gas_ppm=10**6, halt_ns=SECOND,
                  halt_max_ns=5 * SECOND, release=release,
                  **({"drip_ppm": 10**5, "drip_ns": SECOND} if release else {}))  # fmt: skip
    world, venue = ladder(Breaker(band_ppm=10_000), gas, size=20, owners=1, round_ns=round_ns)
    run_checked(world)
    assert kinds(world) == ["SHOCK", "MARK", "LIQUIDATION", "HALT", "RESUME"]
    assert world.stop == Stop.NOTHING_TO_FILL
    # A book that moved does let it try again.
    account = venue.open_account()
    venue.deposit(account, 0, 10**6)
    venue.submit(account, 0, Side.BID, 99, 50)
    world.settle()
    assert sum(lots for (lots,) in rows(world, "liquidations", "lots_filled")) == 10


def test_breakers_that_never_act_give_the_tape_of_none() -> None:
    """Off is the baseline's hash; and one whose band is never met writes what none writes."""
    plain, _ = ladder()
    off, _ = ladder(*[])
    far, _ = ladder(Breaker(band_ppm=10**6), halt(10**6))
    assert plain.state_hash() == off.state_hash() != far.state_hash()
    for world in (plain, far):
        world.run()
    for table, columns in {"fills": ("price", "size"), "steps": ("kind", "parent")}.items():
        assert rows(plain, table, *columns) == rows(far, table, *columns)


@pytest.mark.parametrize(
    ("numbers", "field"),
    [
        ({}, "band_ppm"),
        ({"band_ppm": 5, "halt_ns": 4}, "halt_ns"),
        ({"kind": BreakerKind.HALT, "band_ppm": 5}, "halt_ns"),
        ({"kind": BreakerKind.GAS, "halt_ns": 5, "halt_max_ns": 9}, "gas_max"),
        ({"kind": BreakerKind.LAG, "band_ppm": 5, "halt_ns": 1}, "halt_max_ns"),
        ({"band_ppm": 5, "release": ReleaseRule.AUCTION}, "release"),
        ({"kind": BreakerKind.HALT, "band_ppm": 5, "halt_ns": 1, "drip_ppm": 3}, "drip_ppm"),
        ({"band_ppm": 10**6 + 1}, "band_ppm"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(numbers: dict[str, Any], field: str) -> None:
    with pytest.raises((ConfigError, InputError), match=field):
        Breaker(**numbers)


def test_only_breakers_may_break_and_at_most_sixteen() -> None:
    with pytest.raises(InputTypeError, match="breakers"):
        World().add_venue(breakers=[3])
    with pytest.raises(ConfigError, match="at most 16"):
        World().add_venue(breakers=[halt()] * 17)


# ------------------------------------------------------------------ TOML


def test_the_shipped_trace_is_t2b() -> None:
    tape = oc.run(oc.scenarios.load("t2b"))
    orders = tape.tables["liquidations"]
    assert orders["lots_filled"].tolist() == [10, 15, 0]
    assert orders["limit_price"].tolist() == [97] * 3
    wide = oc.run(oc.scenarios.load("t2b", "breaker.band_pct=50"))
    assert sum(wide.tables["liquidations"]["lots_filled"].tolist()) == 45


def test_halts_are_told_and_the_audit_plays_them_again() -> None:
    tape = oc.run(oc.scenarios.load("halts"))
    found = set(tape.steps["kind"].tolist())
    assert {StepKind.HALT, StepKind.RESUME, StepKind.AUCTION} <= found
    assert "halted by a circuit breaker" in tell(tape)
    report = oc.audit(tape)
    assert report.ok
    rows = {check.name: check.rows for check in report.checks}
    assert rows["halts"] == len(tape) and rows["auctions"] > 0
    plain = oc.run(oc.scenarios.load("halts", "breaker=[]"))
    assert plain.state_hash() == oc.run(
        oc.scenarios.load("thin-book", "name=halts")).state_hash()  # fmt: skip


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('{ kind = "price_band" }', "band_pct"),
        ('{ kind = "price_band", band_pct = 5, halt_s = 3 }', "halt_s"),
        ('{ kind = "halt", band_pct = 5 }', "halt_s"),
        ('{ kind = "halt", band_pct = 5, halt_s = 1, gas_gwei = 4 }', "gas_gwei"),
        ('{ kind = "halt", band_pct = 5, halt_s = 1, release = "drip" }', "drip_fraction"),
        ('{ kind = "halt", band_pct = 5, halt_s = 1, release = "never" }', "release"),
        ('{ kind = "gas_pause", halt_s = 1, gas_gwei = 4 }', "gas_pause_gwei"),
        ('{ kind = "price_band", band_pct = 0.00001 }', "band_pct"),
        ('{ kind = "price_band", band_pct = 101 }', "band_pct"),
        ('{ kind = "curb", band_pct = 5 }', "kind"),
    ],
)
def test_keys_of_a_breaker_that_do_not_go_together_are_refused(line: str, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        oc.scenarios.load("t2a", f"venue[0].breaker=[{line}]")
    assert path in str(caught.value)


def test_while_slices_drip_users_trade_and_outside_orders_do_not_wait() -> None:
    """The halt was for everybody; what an outside order finds no buyer for is gone, not kept."""
    breaker = halt(
        20_000, release=ReleaseRule.DRIP, drip_ppm=400_000, drip_ns=SECOND, everybody=True
    )  # fmt: skip
    world, venue = ladder(breaker, size=25)
    account = venue.open_account()
    venue.deposit(account, 0, 10**6)
    world.settle()
    assert venue.submit(account, 0, Side.ASK, 130, 5) == Reject.HALTED
    world.settle(60 * SECOND)
    assert "RESUME" in kinds(world)
    assert rows(world, "liquidations", "lots_filled")[-1][0] < 10  # Slices still drip.
    assert venue.submit(account, 0, Side.ASK, 130, 5) > 0
    before = len(rows(world, "notes", "kind"))
    world.schedule_shock(world.time_ns, 0, 0, Side.ASK, size=5, limit=1_000)
    world.settle()
    assert rows(world, "orders", "account", "size", "filled", "result")[-1] == (0, 5, 0, 0)
    assert NoteKind.HELD not in [kind for (kind,) in rows(world, "notes", "kind")[before:]]
    run_checked(world)
    outside = [row for row in rows(world, "orders", "account", "size") if row == (0, 5)]
    assert len(outside) == 1


def test_a_band_lets_an_order_that_lies_outside_shrink_where_it_is() -> None:
    """A bid at 110 from before the band of 95 to 105: smaller, not anew."""
    world, venue = ladder(Breaker(band_ppm=50_000, everybody=True), size=1)
    account = venue.open_account()
    venue.deposit(account, 0, 10**6)
    order = venue.submit(account, 0, Side.BID, 110, 4)
    world.settle()
    assert venue.submit(account, 0, Side.BID, 110, 1) == Reject.HALTED
    assert venue.amend(account, 0, order, size=3) == order
    assert venue.depth(0, Side.BID, 1) == [(110, 3)]


FLAT = [(0, 50_000, 0, 100_000)]


def indexed(
    markets: int, index: int, *owners: tuple[int, int, int], band: int, **rules: Any
) -> tuple[World, Venue]:
    """Markets at an outside price that halt and reopen by auction; owners: money, market, lots."""
    world = World()
    world.add_venue(
        trigger_strict=False, breakers=[halt(band, release=ReleaseRule.AUCTION)], **rules
    )  # fmt: skip
    venue = world.venue()
    for _ in range(markets):
        venue.add_market(
            price_max=10_000, size_max=1_000, brackets=FLAT, index=index, source=PriceSource.INDEX
        )
    for money, market, lots in owners:
        account = venue.open_account()
        venue.deposit(account, 0, money)
        venue.open_position(account, market, lots, lots * index)
    world.start()
    return world, venue


def test_a_limit_beyond_the_last_tick_bids_the_last_tick_in_an_auction() -> None:
    """A short of 10 from 9,500 with 7,000 is bankrupt at 10,200; the market ends at 10,000."""
    world, venue = indexed(
        1, 9_500, (7_000, 0, -10), band=10_000, policy=Tranches(limit=OrderLimit.BANKRUPTCY)
    )  # fmt: skip
    maker = venue.open_account()
    venue.deposit(maker, 0, 10**7)
    venue.submit(maker, 0, Side.ASK, 10_000, 20)
    venue.set_index(0, 9_900)
    world.settle()
    run_checked(world)
    assert kinds(world)[-3:] == ["HALT", "RESUME", "AUCTION"]
    names = ("limit_price", "lots_asked", "lots_filled", "worst_price")
    assert rows(world, "liquidations", *names) == [(10_200, 10, 10, 10_000)]


def test_an_auction_leaves_the_orders_of_other_markets_to_their_turn() -> None:
    """In the round that reopens the first market a long in the second is sold as ever."""
    world, venue = indexed(2, 1_000, (600, 0, 10), (501, 1, 10), band=20_000)
    for market in range(2):
        maker = venue.open_account()
        venue.deposit(maker, 0, 10**7)
        venue.submit(maker, market, Side.BID, 900, 50)
    venue.set_index(0, 970)
    world.settle()
    assert kinds(world)[-1] == "HALT"
    world.schedule_index(60 * SECOND, 0, 1, 999)
    run_checked(world)
    steps = rows(world, "steps", "kind", "market", "time_ns")
    sold = [(StepKind(steps[step][0]).name, *steps[step][1:], lots)
            for step, lots in rows(world, "liquidations", "step", "lots_filled")]  # fmt: skip
    assert sold == [("AUCTION", 0, 60 * SECOND, 10), ("LIQUIDATION", 1, 60 * SECOND, 10)]


def test_whoever_the_first_auction_makes_healthy_sells_nothing_in_the_second() -> None:
    """Both markets fall to 970: 10 and 20 lots with 2,100 are 1,200 against 1,455 asked. At one
    time both reopen; 50 bids at 1,000 take the first owner's lots there, and the mark is 1,000
    again, so 1,500 against 1,470."""
    world = World()
    world.add_venue(
        trigger_strict=False,
        mark_refresh=MarkRefresh.ORDER,
        breakers=[halt(20_000, release=ReleaseRule.AUCTION, everybody=True)],
    )
    venue = world.venue()
    for _ in range(2):
        venue.add_market(price_max=10_000, size_max=1_000, brackets=FLAT, last=1_000)
    for market in range(2):
        venue.seed_level(market, Side.BID, 970, 1)
        venue.seed_level(market, Side.BID, 500, 100)
        world.schedule_shock(0, 0, market, Side.ASK, size=1)
    scopes = []
    for money, *legs in ((700, 10), (2_100, 10, 20)):
        account = venue.open_account()
        scopes.append(venue.deposit(account, 0, money))
        for market, lots in enumerate(legs):
            venue.open_position(account, market, lots, lots * 1_000)
    world.schedule_shock(SECOND, 0, 0, Side.BID, size=50, limit=1_000)
    world.start()
    world.settle(0)
    assert venue.at_risk() == scopes
    run_checked(world)
    assert kinds(world).count("AUCTION") >= 2
    assert rows(world, "liquidations", "scope", "lots_filled", "worst_price") == [
        (scopes[0], 10, 1_000)
    ]
    assert (venue.equity(scopes[1]), venue.maintenance(scopes[1])) == (1_500, 1_470)


def test_a_band_judges_a_change_by_the_side_of_its_order() -> None:
    """95 to 105: a bid may not move to 107 nor an ask to 94, but the other way round they may."""
    world, venue = ladder(Breaker(band_ppm=50_000, everybody=True), size=1)
    account = venue.open_account()
    venue.deposit(account, 0, 10**6)
    bid = venue.submit(account, 0, Side.BID, 90, 4)
    ask = venue.submit(account, 0, Side.ASK, 120, 4)
    world.settle()
    before = world.state_hash()
    assert venue.amend(account, 0, bid, price=107, size=4) == Reject.HALTED
    assert venue.amend(account, 0, ask, price=94, size=4) == Reject.HALTED
    assert world.state_hash() == before
    assert venue.amend(account, 0, bid, price=94, size=4) == bid
    assert venue.amend(account, 0, ask, price=107, size=4) == ask
