"""Borrowers that close a part of what they hold when interest is dear. MECHANISMS §13; ADR 29."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ordercascade as oc
from ordercascade.core.lending import schedule_interest
from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import BreakerKind, NoteKind, Reject, Side, StepKind
from ordercascade.mechanisms.breakers import Breaker
from ordercascade.story import tell
from reference.interest import Lending, rate_of
from unit.plain_crowd import plain_crowd
from unit.worlds import BRACKETS, holding, make, rows, run_checked, run_forked

DAY = 86_400 * 10**9
TENTH = 365 * DAY // 10  # of a year: 36.5 days
AAVE = {"slope_ppb": 4 * 10**7, "steep_ppb": 6 * 10**8, "optimum_ppb": 8 * 10**8}


def pool(money: int = 20_000, times: int = 1, **terms: Any) -> tuple[World, Venue]:
    """A long of 10 at 100 (cost 100,000) with so much money; external sold it and has 100,000."""
    world, venue = make(bids={99: 5, 98: 50}, asks={101: 50})
    holding(venue, 10, 100, money)
    schedule_interest(world, TENTH, 0, every_ns=TENTH, times=times, **(AAVE | terms))
    return world, venue


def told(world: World) -> list[tuple[int, int]]:
    """Share and lots of each."""
    found = rows(world, "notes", "kind", "a", "b")
    return [(a, b) for kind, a, b in found if kind == NoteKind.RELIEF]


def test_a_borrower_sells_its_share_in_whole_lots() -> None:
    """80,000 of 100,000 are lent: 4 %. 0.2 % of a position for each per cent and day are 0.002 x 4
    x 36.5 = 29.2 % in a tenth of a year: 2.92 of 10 lots, so 2, at 99."""
    world, venue = pool(elasticity_ppm=2_000)
    world.start()
    run_checked(world)
    assert told(world) == [(292_000_000, 2)]
    assert rows(world, "fills", "market", "price", "size", "taker_account")[-1] == (0, 99, 2, 1)
    assert venue.position(venue.scope_of(1, 0), 0)[0] == 8
    kinds = rows(world, "steps", "kind", "time_ns", "scope", "parent", "generation")
    assert kinds[0] == (StepKind.INTEREST, TENTH, -1, -1, 0)
    assert kinds[1] == (StepKind.AGENTS, TENTH, -1, -1, 0)
    order = rows(world, "orders", "step", "account", "side", "size", "filled", "result")
    assert order == [(1, 1, Side.ASK, 2, 2, 0)]


def test_it_sells_again_with_every_payment_of_what_is_left() -> None:
    """After two lots at 99 it owes 80,000 + 320 - 19,800 = 60,520 of 80,520 that are lent: at 75.16
    % 3.758 %, so 0.274 of 8: 2 of the three left at 99; then 0.25 of 6: 1."""
    world, venue = pool(times=3, elasticity_ppm=2_000)
    world.start()
    run_forked(world)
    want, held, owed, lent = [], 10, 80_000, 100_000
    bids = [99] * 5 + [98] * 50
    for _ in range(3):
        used = owed * 10**9 // lent
        rate = rate_of(Lending(0, 4 * 10**7, 6 * 10**8, 8 * 10**8, 0), used)
        charge = -(-owed * (rate * 1_000 // 10) // 10**12)
        share = floor(Fraction(2_000 * rate * 100, 10**15) * Fraction(365, 10) * 10**9)
        lots = held * share // 10**9
        brought = sum(bids.pop(0) for _ in range(lots)) * 100
        want.append((share, lots))
        held, owed, lent = held - lots, owed + charge - brought, lent + charge - brought
    assert told(world) == want and [lots for _, lots in want] == [2, 2, 1]
    assert venue.position(venue.scope_of(1, 0), 0)[0] == held


def test_at_most_all_of_it_is_closed() -> None:
    world, venue = pool(elasticity_ppm=10**6)
    world.start()
    run_checked(world)
    assert told(world) == [(10**9, 10)]
    assert venue.position(venue.scope_of(1, 0), 0)[0] == 0


def test_a_share_of_less_than_a_lot_closes_nothing() -> None:
    """0.0684 % for each per cent and day are 9.9864 % of ten lots; 0.0685 % are 10.001 %."""
    for elasticity, lots in ((684, 0), (685, 1)):
        world, _ = pool(elasticity_ppm=elasticity)
        world.start()
        run_checked(world)
        assert told(world)[0][1] == lots
        assert len(rows(world, "orders", "step")) == lots


def test_who_lends_closes_nothing_and_every_leg_of_a_borrower_its_share() -> None:
    """A borrower of 10 long here and 7 short there (share 1/2, about) closes 5 and 3; a short
    lends, and so does a long that paid in full."""
    world, venue = make(bids={99: 50}, asks={101: 50})
    venue.add_market(multiplier=100, price_max=10_000, size_max=10_000, brackets=BRACKETS)
    for side, price in ((Side.BID, 9), (Side.ASK, 11)):
        venue.seed_level(1, side, price, 50)
    holding(venue, 10, 100, 40_000)
    venue.open_position(1, 1, -7, -7 * 10 * 100)
    holding(venue, -20, 100, 50_000)
    holding(venue, 4, 100, 40_000)
    schedule_interest(world, 5, 0, every_ns=TENTH, base_ppb=10**7, slope_ppb=0, steep_ppb=0,
                      optimum_ppb=10**8, elasticity_ppm=13_699)  # fmt: skip
    world.start()
    run_checked(world)
    assert told(world) == [(500_013_500, 8)]
    assert rows(world, "orders", "account", "market", "side", "size") == [
        (1, 0, Side.ASK, 5), (1, 1, Side.BID, 3),
    ]  # fmt: skip
    sizes = {a: venue.position(venue.scope_of(a, 0), 0)[0] for a in (1, 2, 3)}
    assert sizes == {1: 5, 2: -20, 3: 4}


def test_money_brought_in_at_that_instant_comes_first() -> None:
    """80,000 more, before the orders: it owes nothing (but 320 of interest) with 320 more."""
    for amount, lots in ((80_320, 0), (80_319, 2)):
        world, venue = pool(elasticity_ppm=2_000)
        world.schedule_transfer(TENTH, 0, 1, 0, amount)
        world.start()
        run_checked(world)
        assert [part for _, part in told(world)] == [lots]
        assert venue.position(venue.scope_of(1, 0), 0)[0] == 10 - lots


def test_a_payment_that_is_not_made_closes_nothing() -> None:
    """Nobody lends, or a year at 1,000 % would pass a bound: the payment's note says -1."""
    world, venue = make(bids={99: 5}, asks={101: 5})
    venue.deposit(venue.open_account(), 0, 10)
    venue.open_position(1, 0, 1, 2**59)
    schedule_interest(world, 0, 0, every_ns=365 * DAY, base_ppb=10**10, elasticity_ppm=10**6,
                      **AAVE)  # fmt: skip
    world.start()
    world.run(2)
    ((rate, used),) = [row[1:] for row in rows(world, "notes", "kind", "a", "b")
                       if row[0] == NoteKind.INTEREST]  # fmt: skip
    assert rate > 10**10 and used == -1 and told(world) == [(0, 0)]
    world, _ = make(bids={99: 5}, asks={101: 5})
    schedule_interest(world, 7, 0, every_ns=TENTH, elasticity_ppm=10**6, **AAVE)
    world.start()
    run_checked(world)
    assert told(world) == [(0, 0)]


def test_what_the_book_does_not_take_stays() -> None:
    world, venue = make(bids={99: 3}, asks={101: 50})
    holding(venue, 10, 100, 20_000)
    schedule_interest(world, TENTH, 0, every_ns=TENTH, elasticity_ppm=10**6, **AAVE)
    world.start()
    run_checked(world)
    assert told(world) == [(10**9, 3)]
    assert venue.position(venue.scope_of(1, 0), 0)[0] == 7


def test_a_halted_market_refuses_and_the_tape_says_so() -> None:
    halt = Breaker(
        BreakerKind.HALT, band_ppm=10_000, window_ns=10**9, halt_ns=10**9, everybody=True
    )
    world, venue = make(bids={99: 5, 90: 50}, asks={101: 50}, breakers=[halt])
    holding(venue, 10, 100, 20_000)
    schedule_interest(world, TENTH, 0, every_ns=TENTH, elasticity_ppm=2_000, **AAVE)
    world.schedule_shock(TENTH - 5, 0, 0, Side.ASK, size=6)
    world.start()
    run_checked(world)
    assert told(world) == [(292_000_000, 0)]
    orders = rows(world, "orders", "account", "size", "filled", "result")
    assert (1, 2, 0, Reject.HALTED) in orders


def test_a_sale_that_moves_the_mark_is_the_parent_of_who_falls_by_it() -> None:
    """One borrower sells all into a thin book; a second, near its maintenance, falls by that."""
    world, venue = make(bids={100: 1, 97: 50}, asks={101: 50})
    holding(venue, 10, 100, 20_000)
    near = holding(venue, 10, 100, 7_000)
    schedule_interest(world, 5, 0, every_ns=1_000, elasticity_ppm=10**6, base_ppb=10**10,
                      slope_ppb=0, steep_ppb=0, optimum_ppb=10**8)  # fmt: skip
    schedule_interest(world, 5, 0, every_ns=DAY // 1_000, elasticity_ppm=10**6, base_ppb=10**9,
                      slope_ppb=0, steep_ppb=0, optimum_ppb=10**8)  # fmt: skip
    world.start()
    run_forked(world)
    fallen = rows(world, "liquidations", "step", "scope")
    steps = rows(world, "steps", "kind", "parent", "generation")
    assert [scope for _, scope in fallen] == [near]
    parent = steps[fallen[0][0]][1]
    assert steps[parent][0] == StepKind.AGENTS and steps[fallen[0][0]][2] == 1


def test_two_assets_have_shares_of_their_own() -> None:
    """Both are paid in one instant, then both are closed: asset 1 is borrowed at another rate."""
    world = World()
    world.add_venue(asset_count=2)
    venue = world.venue(0)
    for asset in (0, 1):
        venue.add_market(asset=asset, multiplier=100, price_max=10_000, size_max=10_000,
                         brackets=BRACKETS, last=100)  # fmt: skip
        venue.seed_level(asset, Side.BID, 99, 50)
    for asset, money in ((0, 20_000), (1, 60_000)):
        account = venue.open_account()
        venue.deposit(account, asset, money)
        venue.open_position(account, asset, 10, 100_000)
        schedule_interest(world, TENTH, 0, asset=asset, every_ns=TENTH, times=2,
                          elasticity_ppm=2_000, **AAVE)  # fmt: skip
    world.start()
    run_forked(world)
    assert told(world)[:2] == [(292_000_000, 2), (146_000_000, 1)]


def test_a_share_is_closed_once_and_payments_of_one_instant_together() -> None:
    """Two series meet: of both payments' shares, 29.2 % and a little more, the first orders take
    the sum, the second nothing. Terms without an elasticity add nothing, whatever is planned."""
    world, venue = pool(elasticity_ppm=2_000)
    schedule_interest(world, TENTH, 0, every_ns=TENTH, elasticity_ppm=2_000, **AAVE)
    world.start()
    run_forked(world)
    rates = [a for kind, a in rows(world, "notes", "kind", "a") if kind == NoteKind.INTEREST]
    shares = [rate * 73 // 10 for rate in rates]  # 0.002 x 36.5 days, of per cent
    assert told(world) == [(sum(shares), 10 * sum(shares) // 10**9), (0, 0)]
    assert venue.position(venue.scope_of(1, 0), 0)[0] == 5
    world, _ = pool(elasticity_ppm=2_000)
    schedule_interest(world, 2 * TENTH, 0, every_ns=TENTH, **AAVE)
    world.start()
    run_checked(world)
    assert told(world) == [(0, 0)]


def test_an_elasticity_of_0_is_the_world_without_it() -> None:
    hashes = set()
    for terms in ({}, {"elasticity_ppm": 0}):
        world, _ = pool(times=3, **terms)
        world.start()
        world.run()
        assert told(world) == []
        hashes.add(world.state_hash())
    assert len(hashes) == 1


@given(st.integers(0, 10**6), st.integers(0, 10**10), st.integers(1, 365 * DAY))
def test_the_share_is_the_formula_s(elasticity: int, base: int, span: int) -> None:
    """e R days, floored to 10^-9, at most 1; R as the payment notes it."""
    world, venue = make(bids={99: 5}, asks={101: 50})
    holding(venue, 1, 100, 9_999)
    schedule_interest(world, 0, 0, every_ns=span, base_ppb=base, slope_ppb=0, steep_ppb=0,
                      optimum_ppb=10**8, elasticity_ppm=elasticity)  # fmt: skip
    world.start()
    world.run(2)
    percent = Fraction(base, 10**9) * 100
    share = min(Fraction(1), Fraction(elasticity, 10**6) * percent * Fraction(span, DAY))
    assert told(world) == ([(floor(share * 10**9), floor(share))] if elasticity else [])


def test_it_is_refused_where_accounts_have_two_legs() -> None:
    world, venue = make(bids={99: 5}, asks={101: 50})
    venue.hedge(venue.open_account())
    before = world.state_hash()
    with pytest.raises(oc.ConfigError, match="elasticity_ppm.*hedge mode"):
        schedule_interest(world, 5, 0, every_ns=5, elasticity_ppm=1, **AAVE)
    assert world.state_hash() == before
    schedule_interest(world, 5, 0, every_ns=5, **AAVE)
    world, venue = make(bids={99: 5}, asks={101: 50})
    account = venue.open_account()
    schedule_interest(world, 5, 0, every_ns=5, elasticity_ppm=1, **AAVE)
    with pytest.raises(oc.ConfigError, match="interest.elasticity_ppm"):
        venue.hedge(account)


@pytest.mark.parametrize("value", [-1, 10**6 + 1, 0.5, "1"])
def test_a_bad_elasticity_is_refused_by_name(value: Any) -> None:
    world, _ = make(bids={99: 5}, asks={101: 5})
    before = world.state_hash()
    with pytest.raises((oc.InputError, oc.InputTypeError), match="elasticity_ppm"):
        schedule_interest(world, 5, 0, every_ns=5, elasticity_ppm=value, **AAVE)
    assert world.state_hash() == before


RULES = (
    "interest = {{ optimum = 0.5, slope1 = 0.04, slope2 = 3, every_s = 86400, at_s = 0, times = 3,"
    " borrower_elasticity = {} }}"
)


def crowd(elasticity: str, seed: int = 3) -> oc.Scenario:
    text = plain_crowd("relief", seed=seed, accounts=60, median=12_000,
                       rules=RULES.format(elasticity))  # fmt: skip
    return oc.Scenario.from_toml(text)


def test_a_key_of_interest_switches_it_on() -> None:
    plain, elastic = (oc.run(crowd(each), progress=False) for each in ("0", "0.001"))
    bare = oc.Scenario.from_toml(crowd("0").to_toml().replace("borrower_elasticity = 0\n", ""))
    assert oc.run(bare, progress=False).state_hash() == plain.state_hash()
    assert (plain.steps["kind"] == StepKind.AGENTS).sum() == 0
    assert (elastic.steps["kind"] == StepKind.AGENTS).sum() == 3
    assert set(elastic.summary()["money_check"].values()) == {0}
    found = oc.audit(elastic)
    assert found.ok and "interest" in found.gaps[0].reason
    assert "interest is dear: a borrower closes" in tell(elastic)
    back = oc.Scenario.from_toml(crowd("0.001").to_toml())
    assert back.config_hash() == crowd("0.001").config_hash()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("1.1", "venue[0].interest.borrower_elasticity: must be in [0, 1]"),
        ("-0.1", "venue[0].interest.borrower_elasticity: must be in [0, 1]"),
        ("0.0000001", "venue[0].interest.borrower_elasticity: must not be finer than a ppm"),
        ("'much'", "venue[0].interest.borrower_elasticity"),
    ],
)
def test_a_bad_key_is_refused_with_its_path(value: str, words: str) -> None:
    with pytest.raises(oc.ConfigError) as error:
        crowd(value)
    assert words in str(error.value)


def test_a_hedged_account_is_refused_beside_it() -> None:
    account = '[[venue.account]]\nname = "A"\nhedge = true\ncollateral = 5\n'
    for value, fits in (("0", True), ("0.1", False)):
        text = crowd(value).to_toml() + account
        if fits:
            oc.Scenario.from_toml(text)
            continue
        with pytest.raises(oc.ConfigError, match="interest.borrower_elasticity") as error:
            oc.Scenario.from_toml(text)
        assert "account[0].hedge" in str(error.value)
