"""Every field of the state is in `state_hash()`, or stands below with the reason why it is not.

A compiled hand (flipping.py) changes one number at a time in worlds stopped where their queue,
cursors and lists are not empty; the hash must change, and come back with the number. The fields
are read from the shipped .pxd files: a new one fails here until somebody decides.
"""

from __future__ import annotations

from typing import Any

import pytest

from ordercascade.core.derivatives import (
    schedule_volatility,
    set_option,
    set_portfolio,
    span,
)
from ordercascade.core.dislocation import schedule_collateral, schedule_dislocation
from ordercascade.core.lending import schedule_interest
from ordercascade.core.planning import schedule_expiry, set_answers
from ordercascade.core.schedule import Schedule
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.duties import CallAction, ExpiryRule, PairRule, TrancheRule
from ordercascade.enums import (
    AdlRule,
    BreakerKind,
    FeedKind,
    FundingRule,
    LegRule,
    NoteKind,
    PriceMode,
    PriceSource,
    ShortfallAt,
    Side,
    SocialRule,
    StepKind,
    Takeover,
    TakeoverWhen,
    Told,
)
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.mechanisms.closing import Deleverage
from ordercascade.mechanisms.feeds import Feed
from ordercascade.mechanisms.slices import Slices
from ordercascade.mechanisms.surcharges import ContagionBuffer, VolatilityFee, VolatilityMargin
from ordercascade.mechanisms.tranches import Tranches
from unit.flipping import LISTS, PLACES, WHOLE, cells, fields_of
from unit.worlds import holding, make, rows

BRACKETS = [(0, 50_000, 0, 100_000), (10**6, 60_000, 10_000, 120_000)]

ROWS = "rows of their own struct, flipped there"
LIST = "a list of numbers, flipped as such"
ROOM = "how much is allocated, which decides nothing"
SCRATCH = "scratch: empty, or filled anew before it is read"
LINK = "follows from the rows; _check() walks it"
CALL = "only inside a call, when nothing may be hashed"
BACK = "where a failed call goes back to; it decides nothing of what happens next"

NOT_HASHED = {
    "World.events": "the tape, which has its own digest; what is read back is hashed by step",
    "World.venues": ROWS,
    "World.members": "the same venues",
    "World.agenda": ROWS,
    "World.streams": ROWS,
    "World.stream_names": "folded into each stream's key",
    "World.seed": "a Python int; see test_the_seed_is_part_of_the_hash",
    "World.__weakref__": "Python's own",
    "World.agenda_capacity": ROOM,
    "World.stream_capacity": ROOM,
    "World.busy": CALL,
    "World.ready": "made once: true of every world",
    "World.torn": "set where a call broke off: such a world has no hash",
    "World.saved": BACK,
    "World.journal": BACK,
    "World.fresh": BACK,
    "World.pieces": BACK,
    "World.mark": BACK,
    "World.called": BACK,
    "World.asked": CALL,
    "Stream.words": "computed from key and block",
    "State.rules": ROWS,
    "State.stages": ROWS,
    "Market.funding": ROWS,
    "State.gates": ROWS,
    "State.rooms": ROWS,
    "Gates.limiters": ROWS,
    "State.pledges": ROWS,
    "Pledge.tiers": ROWS,
    "Gates.on": "follows from the others; without it nothing of them is read",
    "State.acting": "set before every disposal, which is one step",
    "Stages.on": "follows from the others and from the policy; without it nothing of them is read",
    "Tranches.sales": ROWS,
    "Deleverage.score": ROWS,
    "Deleverage.scores": "the same, for people",
    "State.ledger": ROWS,
    "State.triggers": ROWS,
    "State.markets": ROWS,
    "State.scopes": ROWS,
    "State.queue": ROWS,
    "State.policy": "its own digest(), flipped as Tranche",
    "State.backstop": "its own digest(), flipped as Deleverage",
    "State.log": "the world's",
    "State.busy": CALL,
    "State.work": SCRATCH,
    "State.work_count": SCRATCH,
    "State.at_risk": SCRATCH,
    "State.around": SCRATCH,
    "State.intents": SCRATCH,
    "State.candidates": SCRATCH,
    "State.cells": SCRATCH,
    "Market.book": ROWS,
    "Market.brackets": ROWS,
    "Market.plan": "of a Schedule, which never changes; its numbers are hashed by the market",
    "Market.oracle": "its own digest(), flipped as OwnBook and Feed",
    "Market.timed": "follows from the oracle",
    "State.fed": "follows from the oracles",
    "State.depth_ppm": "follows from the policy",
    "State.brakes": ROWS,
    "State.rates": ROWS,
    "Rates.surcharges": "their own digest()s, flipped as VolatilityMargin and so on",
    "Rates.rows": ROWS,
    "Rates.lending": ROWS,
    "Lending.on": "follows from the others; without it nothing of them is read",
    "Volatile.gauges": ROWS,
    "Gauge.sigma": ROWS,
    "VolatilityMargin.bases_ppm": "the same as its bases, for people",
    "ContagionBuffer.looks": ROWS,
    "Feed.key": "folded into its stream's key",
    "Feed.stream": "its words, flipped as Stream's",
    "Feed.window": ROWS,
    "Feed.reports": ROWS,
    "Feed.mean2": "a double: its bits are hashed; the hand flips integers only",
    "Seen.area": "a sum over the rows before",
    "Slices.parts": "the same, for people",
    "Breaker.watches": ROWS,
    "Watch.window": "rows of Seen, flipped there",
    "Brakes.breakers": "their own digest()s, flipped as Breaker",
    "Brakes.valves": ROWS,
    "State.calls": ROWS,
    "Calls.triggers": "who is looked at; who is called follows from the flags and the marks",
    "Calls.listed": "the same",
    "Calls.loose": "the same",
    "Calls.loose_count": "the same",
    "Calls.answers": ROWS,
    "Calls.posted": "empty between two steps: the agenda has them",
    "Calls.posted_count": "empty between two steps: the agenda has them",
    "State.endings": ROWS,
    "State.highs": ROWS,
    "Highs.rows": ROWS,
    "Highs.capacity": ROOM,
    "Endings.rows": ROWS,
    "State.grids": ROWS,
    "Grids.maintenance": "a function, the same in every world",
    "Grids.contracts": ROWS,
    "Grids.seen": "prices in all scenarios, worked out anew where the marks are others",
    "Grids.grids": ROWS,
    "Grids.offsets": ROWS,
    "Contract.terms": ROWS,
    "Grid.rows": ROWS,
    "Endings.capacity": ROOM,
    "Ending.sum": "128 bits: both parts are hashed; the hand flips 64 at most",
    "Brakes.waiting": ROWS,
    "Entry.rank_above": "the sort key; the entries stand sorted",
    "Entry.rank_below": "the sort key; the entries stand sorted",
    "Ledger.holders": ROWS,
    "Ledger.positions": ROWS,
    "Ledger.accounts": LINK,
    "Ledger.sided": LINK,
    "Ledger.clearing": LINK,
    "Ledger.market_count": "the same as State.market_count",
    "Holder.first": LINK,
    "Holder.next": LINK,
    "Position.next": LINK,
    "Position.market_next": LINK,
    "Position.tier": "a guess that is judged before it is used",
    "Position.market_previous": LINK,
    "Book.rows": ROWS,
    "Book.ring": LINK,
    "Book.ladder": LINK,
    "Book.best": LINK,
    "Book.count": LINK,
    "Book.account_count": ROOM,
    "Book.free": "the free list is walked; another head would lead outside of it",
    "Book.price_max": "hashed; not flipped, since a walk stops by it. Market.price_max is",
    "Book.record": "always set in a venue",
    "Book.penned": "0 in a venue: its books hold no call phase",
    "Book.fills": SCRATCH,
    "Book.fill_count": SCRATCH,
    "Book.changes": SCRATCH,
    "Book.change_count": SCRATCH,
    "Book.ids": SCRATCH,
    "Order.next": "the walk of the queue follows it: its order is hashed",
    "Order.prev": LINK,
    "Order.penned": "0 in a venue: its books hold no call phase",
    "Triggers.markets": LINK,
    "Triggers.market_count": LINK,
    "Triggers.nodes": ROWS,
    "Triggers.node_count": LINK,
    "Triggers.armed": LINK,
    "Triggers.fired": SCRATCH,
    "Triggers.fired_count": SCRATCH,
    "Triggers.near": SCRATCH,
    "Triggers.near_count": SCRATCH,
    "Triggers.runs": LINK,
    "Triggers.run_count": LINK,
    "Triggers.free": LINK,
    "Triggers.scout": "a hint for the memory",
    "Triggers.armings": "a figure for the bench",
    "TriggerNode.spot": "in no promised order: what fires is sorted",
    "TriggerNode.place": "market and side of the position",
}
FLIPPED = sorted(name for name in cells() if name.partition("[")[0] not in NOT_HASHED)
FLIPPED = [name for name in FLIPPED if not name.endswith("_capacity")]
LENGTHS = ("_count", "Book.used")
# Lengths and numbers of rows may only fall: the hash would read what is not there.
FALLING = (*LENGTHS, "_step", ".parent", ".sub_parent", ".hit", ".hit_before")


def in_a_round() -> World:
    """Stop a cascade after its second liquidation order, the loss table yet to come.

    Two longs are sold out far below their bankruptcy and two more have fallen meanwhile, so
    queue, hot, pending, broke and rows hold something; the agenda and two streams do, too.
    """
    world = World(1)
    world.add_venue(shortfall_at=ShortfallAt.ROUND, cooldown_ns=7, liquidation_fee_ppm=1000)
    venue = world.venue(0)
    for _ in range(2):
        venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, brackets=BRACKETS)
    for price, size in {99: 5, 98: 2, 97: 2, 60: 3, 50: 100}.items():
        venue.seed_level(0, Side.BID, price, size)
    venue.seed_level(0, Side.ASK, 101, 5)
    venue.seed_level(1, Side.BID, 99, 5)
    venue.seed_level(1, Side.ASK, 101, 5)
    for money in (5_200, 5_250, 9_000, 9_500):
        holding(venue, 10, 100, money)
    venue.fund_deposit(0, 11)
    world.draw("first")
    world.draw("second")
    world.schedule_shock(5, 0, 0, Side.ASK, size=1, limit=3)
    world.schedule_shock(6, 0, 0, Side.ASK, notional=9)
    world.schedule_transfer(5, 0, 1, 0, 5)
    world.schedule_index(5, 0, 1, 77)
    world.schedule_shock(0, 0, 0, Side.ASK, size=7)
    world.start()
    world.run(4)
    return world


def handing_over() -> World:
    """Stop a deleveraging of three legs after the first; the costs of the others are fixed.

    Equity −459 over legs of maintenance 8, 48 and 22: X is fixed by a split into −47, −282, −130,
    while what is left, −412 over 48 and 22, would be split into −283, −129.
    """
    world = World()
    world.add_venue()
    venue = world.venue(0)
    flat = [(0, 1_000_000, 0, 1_000_000)]
    for market in range(3):
        venue.add_market(
            price_max=10_000, size_max=10_000, brackets=flat, source=PriceSource.INDEX, index=1_000
        )
        venue.seed_level(market, Side.BID, 1, 1)
    bankrupt, other = venue.open_account(), venue.open_account()
    venue.deposit(bankrupt, 0, 10_000)
    venue.deposit(other, 0, 10**6)
    for market, price in enumerate((8, 48, 22)):
        venue.open_position(bankrupt, market, 1, price + (10_459 if market == 0 else 0))
        venue.open_position(other, market, -1, -1_000)
    world.start()
    for market, price in enumerate((8, 48, 22)):
        venue.set_index(market, price)
    while not rows(world, "adl", "step"):
        assert world.step() >= 0
    return world


def healed() -> World:
    """End where a scope fell at a peek and healed before the marks were taken: it is loose."""
    world, venue = make(bids={99: 5, 90: 100}, asks={101: 5, 102: 5})
    holding(venue, 10, 100, 5_200)
    world.schedule_shock(0, 0, 0, Side.ASK, size=6)
    world.schedule_shock(0, 0, 0, Side.BID, size=6)
    world.start()
    world.run()
    return world


def staged() -> World:
    """Stop a takeover by the window, where the vault holds lots and the window remembers them."""
    policy = Tranches(TrancheRule.WINDOW, capacity=4, window_ns=10)
    stages = {"takeover": Takeover.VAULT, "takeover_price": PriceMode.MARK, "variation": True}
    world, venue = make(
        bids={90: 5},
        policy=policy,
        backstop=Deleverage(AdlRule.SCORES, scores={7: 1, 8: 2}),
        stages=stages | {"dispose_ppm": 500_000, "dispose_ns": 20},
    )
    holding(venue, 10, 100, 5_000)
    world.schedule_shock(0, 0, 0, Side.ASK, size=1)
    world.start()
    world.run(4)
    return world


def gated() -> World:
    """A venue with every gate, some of whose money has left, and a rule of funding."""
    rates = [(10**9, 10_000, 5_000), (10**6, 500_000, 0), (7, 0, 10**9), (9, 1, 10**9)]
    gates = {"stop_ns": 100, "stays_ppm": 1_000, "rates": rates}
    world, venue = make(bids={90: 5}, gates=gates)
    terms = {"interest_ppb": 3, "clamp_ppb": 5, "cap_ppb": 7, "share": 3}
    venue.set_funding(0, rule=FundingRule.PREMIUM, at_index=True, **terms)
    holding(venue, 10, 100, 52_000)
    world.start()
    assert venue.withdraw(1, 0, 1_000) == 0
    return world


def covering() -> World:
    """Stop after the first order of a policy that asks how long a liquidation has lasted."""
    policy = Tranches(TrancheRule.COVER, portion_ppm=100_000, ramp_ns=10, cooldown_ns=3)
    world, venue = make(bids={90: 50}, policy=policy)
    holding(venue, 10, 100, 12_000)
    world.schedule_shock(5, 0, 0, Side.ASK, size=1)
    world.start()
    while not rows(world, "liquidations", "step"):
        assert world.step() >= 0
    return world


def scanned() -> World:
    """A world with a position whose requirement jumps: it is looked at every step."""
    world = World()
    world.add_venue()
    venue = world.venue(0)
    table = Schedule.slab([(0, 50_000, 100_000), (9_000, 90_000, 180_000)], multiplier=100)
    venue.add_market(multiplier=100, price_max=10_000, size_max=99, index=90, schedule=table)
    holding(venue, 1, 90, 5_000)
    world.start()
    venue.set_index(0, 89)
    return world


def calling() -> World:
    """Stop between two margin calls, one answer on the agenda, the market to expire."""
    world, venue = make(
        bids={90: 50, 80: 50}, calls={"call_ppm": 3_000_000, "release_ppm": 4_000_000}
    )
    for _ in range(3):
        holding(venue, 10, 100, 20_000)
    set_answers(world, 0, 1, 2, action=CallAction.ADD, wallet=700, target_ppm=5_000_000)
    set_answers(world, 0, 3, action=CallAction.REDUCE, share_ppm=500_000, delay_ns=7)
    ends = {"rule": ExpiryRule.AVERAGE_INDEX, "window_ns": 50}
    schedule_expiry(world, 100, 0, 0, **ends)
    world.schedule_shock(5, 0, 0, Side.ASK, size=1)
    world.start()
    while (StepKind.MARGIN_CALL,) not in rows(world, "steps", "kind"):
        assert world.step() >= 0
    return world


def guarded() -> World:
    """Stop in a halt in which an outside order waits; a report of the feed is on its way."""
    second = 10**9
    halt = Breaker(
        BreakerKind.HALT,
        band_ppm=1_000,
        window_ns=9 * second,
        halt_ns=60 * second,
        everybody=True,
    )
    world = World(2)
    world.add_venue(breakers=[halt], policy=Slices([5 * 10**8, 10**9]))
    venue = world.venue(0)
    feed = Feed(
        FeedKind.TWAP,
        window_ns=2 * second,
        heartbeat_ns=second,
        latency_ns=second,
        congestion_ppm=5,
    )
    venue.add_market(multiplier=100, price_max=10_000, size_max=99, oracle=feed, last=100)
    for price in (99, 90, 80, 70):
        venue.seed_level(0, Side.BID, price, 1)
    holding(venue, 5, 100, 4_000)
    for k in range(12):
        world.schedule_shock(k * second, 0, 0, Side.ASK, size=1)
    schedule_dislocation(world, second, 0, 0, Told.OWN, -10_000)
    world.start()
    while NoteKind.HELD not in [kind for (kind,) in rows(world, "notes", "kind")]:
        assert world.step() >= 0
    return world


def backed() -> World:
    """A scope that another asset backs, after a haircut in tiers; it is looked at every step."""
    world = World()
    world.add_venue(asset_count=2)
    venue = world.venue(0)
    venue.add_market(multiplier=100, price_max=10_000, size_max=99, index=90)
    tiers = ((0, 50_000), (3, 100_000))
    world.add_collateral(0, 1, price=100, multiplier=90, per=7, tiers=tiers, impact_ppm=3, volume=9)
    holding(venue, 1, 90, 400)
    venue.deposit(1, 1, 50)
    world.start()
    schedule_collateral(world, 1, 0, 1, price=99)
    schedule_collateral(world, 2, 0, 1, peg_ppm=990_000)
    world.run()
    return world


def surcharged() -> World:
    """Stop inside the round in which margin, fee and buffer begin to move."""
    volatile = {"sample_ns": 10, "start_ppb": 10**8, "step_ppm": 10**6}
    margin = VolatilityMargin(
        k_ppm=10**6, mpor_ns=10**15, bases_ppm=[50_000, 60_000], cap_ppm=200_000, buffer_ppm=1,
        stressed_ppm=2, **volatile,
    )  # fmt: skip
    fee = VolatilityFee(base_ppm=0, slope_ppm=1, cap_ppm=2, reference_ppb=1, to_fund_ppm=5)
    buffer = ContagionBuffer(reach_ppm=10_000, cap_ppm=9)
    world, venue = make(bids={90: 5, 80: 5}, surcharges=[margin, fee, buffer])
    holding(venue, 10, 100, 12_000)
    terms = {"slope_ppb": 1, "steep_ppb": 2, "optimum_ppb": 3, "elasticity_ppm": 5}
    for time in (0, 10**9):  # One is paid, so its share is known; one is to come.
        schedule_interest(world, time, 0, every_ns=1, **terms)
    world.schedule_shock(0, 0, 0, Side.ASK, size=6)
    world.schedule_shock(100, 0, 0, Side.ASK, size=1)
    world.start()
    while StepKind.RATES not in [kind for (kind,) in rows(world, "steps", "kind")]:
        assert world.step() >= 0
    return world


def funded() -> World:
    """Stop where a market's own fund has fallen, in the second of its days."""
    stages = {
        **{"takeover": Takeover.FUND, "takeover_when": TakeoverWhen.UNFILLED},
        **{"social_rule": SocialRule.DAY, "day_ns": 10, "day_at_ns": 3, "fund_market": True},
        **{"drawdown_ppm": 300_000, "drawdown_ns": 50},
    }
    world, venue = make(bids={90: 20}, stages=stages, social=True)
    holding(venue, 10, 100, 5_200)
    holding(venue, 10, 100, 100_000)
    venue.fund_deposit(0, 3_000, market=0)
    world.schedule_shock(5, 0, 0, Side.ASK, size=1)
    world.start()
    while not rows(world, "funds", "step")[-1][0] >= 0:
        assert world.step() >= 0
    return world


def spread() -> World:
    """Stop between the orders of a scope's two legs."""
    world, venue = make(bids={90: 20}, leg=LegRule.PRO_RATA)
    venue.add_market(multiplier=100, brackets=BRACKETS, last=100)
    venue.seed_level(1, Side.BID, 99, 20)
    holding(venue, 10, 100, 6_000)
    venue.open_position(1, 1, 1, 10_000)
    world.schedule_shock(5, 0, 0, Side.ASK, size=1)
    world.start()
    while not rows(world, "liquidations", "step"):
        assert world.step() >= 0
    return world


def optioned() -> World:
    """A future and an option on it, margined by scenarios beside another underlying."""
    world = World()
    world.add_venue()
    venue = world.venue(0)
    for index in (100, 0, 90):
        venue.add_market(multiplier=100, price_max=10_000, size_max=99, index=index)
    terms = {"vol_ppm": 500_000, "rate_ppm": 1, "per": 3, "of": 2, "strike": 101}
    set_option(world, 0, 1, underlying=0, expires_ns=10**15, **terms)
    numbers = {"up_ppm": 3, "down_ppm": 5, "power_short_ppm": 7, "power_long_ppm": 9}
    numbers |= {"floor_ppm": 1, "short_ppm": 2, "contingency_ppm": 3, "option_ppm": 4}
    numbers |= {"concentration_ppm": 5, "concentration_from": 6, "rows": span(100_000)}
    grids = [numbers | {"reference": 0, "markets": [0, 1]}]
    grids += [numbers | {"reference": 2, "markets": [2]}]
    set_portfolio(world, 0, underlyings=grids, offsets=[(0, 1, 5)], maintenance_ppm=800_000)
    holding(venue, 1, 90, 50_000)
    schedule_volatility(world, 10**9, 0, 1, vol_ppm=600_000)
    world.start()
    world.step()
    return world


def hedging() -> World:
    """Stop a cascade whose first scope holds both legs of a market, with orders at rest."""
    world, venue = make(bids={99: 1, 98: 50}, asks={101: 50}, pairs=PairRule.NET)
    account = venue.open_account(hedge=True)
    venue.deposit(account, 0, 10_000)
    venue.open_position(account, 0, 10, 100_000)
    venue.open_position(account, 0, -4, -40_000)
    holding(venue, 10, 100, 5_050)
    world.start()
    venue.submit(account, 0, Side.ASK, 120, 3, leg="long")
    venue.submit(account, 0, Side.ASK, 130, 3, leg="short")
    world.schedule_shock(0, 0, 0, Side.ASK, size=3)
    world.run(3)
    return world


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    return [
        in_a_round(),
        handing_over(),
        healed(),
        staged(),
        covering(),
        gated(),
        scanned(),
        guarded(),
        backed(),
        surcharged(),
        calling(),
        funded(),
        spread(),
        optioned(),
        hedging(),
    ]


def place_of(cell: str) -> str:
    """Return what the cell is a row of."""
    return cell if cell in LISTS else cell.partition(".")[0]


def counts(hand: Any, world: World, cell: str, row: int) -> bool:
    """Return whether this row is in use: the rules that decide when a field means something."""
    if cell.endswith(LENGTHS):
        return int(hand.read(world, cell, row)) > 0
    if cell.startswith("Order.") and cell != "Order.generation":
        return int(hand.read(world, "Order.size", row)) > 0
    if cell in ("Scope.adl_maintenance", "Scope.adl_money"):  # Frozen for one deleveraging.
        inside = rows(world, "steps", "kind")[-1] == (StepKind.ADL,)
        latest = hand.read(world, "State.adl_event", 0)
        return inside and latest == hand.read(world, "Scope.adl_event", row)
    if cell == "Market.dispose_at":  # Without stages nobody reads it.
        return bool(hand.read(world, "Stages.on", 0))
    if cell == "Scope.moved_market":  # Only where each market has a fund of its own.
        return bool(hand.read(world, "Stages.fund_market", 0))
    if cell == "State.backlog":  # Without an oracle that asks for it nobody reads it.
        return bool(hand.read(world, "State.fed", 0))
    if cell == "State.plan_step":  # Only where every leg gets an order is it read.
        return bool(hand.read(world, "Rules.leg", 0) == LegRule.PRO_RATA)
    if cell.startswith("Funding."):  # Without a rule nobody reads it.
        return bool(hand.read(world, "Funding.rule", row))
    if cell.startswith("Ending.") and cell != "Ending.known":
        return bool(hand.read(world, "Ending.known", row))
    if cell == "TriggerNode.tick":
        return int(hand.read(world, "TriggerNode.place", row)) >= 0
    if cell == "Position.handover":  # Scratch but while its scope is handed over.
        adl = rows(world, "steps", "kind")[-1] == (StepKind.ADL,)
        owner = hand.read(world, "Position.scope", row)
        return adl and owner == hand.read(world, "State.sub_scope", 0)
    return True


@pytest.mark.parametrize("cell", FLIPPED)
def test_one_changed_field_is_another_hash(hand: Any, worlds: list[World], cell: str) -> None:
    flips = 0
    for world in worlds:
        before = world.state_hash()
        for row in range(hand.count(world, place_of(cell))):
            if not counts(hand, world, cell, row):
                continue
            value = hand.read(world, cell, row)
            hand.write(world, cell, row, value - 1 if cell.endswith(FALLING) else value ^ 1)
            changed = world.state_hash()
            hand.write(world, cell, row, value)
            assert changed != before, f"row {row}"
            assert world.state_hash() == before
            flips += 1
    assert flips > 0, "no world has a row of it"


def test_every_field_is_flipped_or_excused() -> None:
    fields = {f"{struct}.{field.name}" for struct in PLACES for field in fields_of(struct)}
    excused = set(NOT_HASHED) | {name for name in fields if name.endswith("_capacity")}
    flipped = {name.partition("[")[0] for name in cells()} - excused
    assert sorted(fields - flipped - excused) == []
    assert sorted(set(NOT_HASHED) - fields) == []
    for struct in PLACES:
        for name, kind, _ in fields_of(struct):
            full = f"{struct}.{name}"
            assert kind in WHOLE or full in excused or full in LISTS, full


def test_the_worlds_stop_where_their_lists_hold_something(hand: Any, worlds: list[World]) -> None:
    lists = [f"State.{name}" for name in "loose hot pending broke rows".split()]
    for name in [*lists, "Entry", "Item", "Stream"]:
        assert any(hand.count(world, name) for world in worlds), name


def test_flipped_worlds_are_sound_again(hand: Any, worlds: list[World]) -> None:
    for world in worlds:
        world._check()
        fork = world.fork()
        world.run()
        fork.run()
        assert world.state_hash() == fork.state_hash()


def test_the_seed_is_part_of_the_hash() -> None:
    assert World(1).state_hash() != World(2).state_hash()


def test_the_steps_written_are_part_of_the_hash() -> None:
    """A deposit of 7 and a withdrawal of 7 leave the money as it was, but later steps have other
    numbers, and fewer are left of `steps_max`."""
    world, venue = make(bids={99: 5}, asks={101: 5})
    holding(venue, 10, 100, 52_000)
    world.start()
    world.run()
    other = world.fork()
    other.venue(0).deposit(1, 0, 7)
    other.venue(0).withdraw(1, 0, 7)
    assert other.state_hash() != world.state_hash()


def armed_in_turn(order: tuple[int, int]) -> tuple[World, Venue]:
    """Two equal longs of trigger 94, armed again in the order given by a deposit and its return."""
    world, venue = make(bids={99: 5, 90: 100}, asks={101: 5})
    for _ in order:
        holding(venue, 10, 100, 5_200)
    world.schedule_shock(1, 0, 0, Side.ASK, size=6)
    world.start()
    world.settle()
    for account in order:
        venue.deposit(account, 0, 7)
        venue.withdraw(account, 0, 7)
    return world, venue


def test_worlds_of_one_hash_write_the_same_rows() -> None:
    """Which trigger was armed last is no state: it shows neither in the hash nor on the tape."""
    one, _ = armed_in_turn((1, 2))
    other, _ = armed_in_turn((2, 1))
    assert one.state_hash() == other.state_hash()
    one.run()
    other.run()
    assert one.state_hash() == other.state_hash()
    for table in ("scopes", "steps", "liquidations", "fills"):
        columns = ("step", "scope") if table != "fills" else ("step", "price", "size")
        assert rows(one, table, *columns) == rows(other, table, *columns)


def test_asking_for_a_bankruptcy_price_between_two_legs_changes_nothing() -> None:
    """The handing-over costs are fixed before the first leg; see handing_over() for the split."""
    world = handing_over()
    scope = rows(world, "adl", "scope_from")[0][0]
    before = world.state_hash()
    for market in range(3):
        world.venue(0).bankruptcy_price(scope, market)
    assert world.state_hash() == before
