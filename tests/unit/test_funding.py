"""Funding payments: exact splits, schedules, rates by rule, refusals, and the scenario's keys."""

from __future__ import annotations

import csv
import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import ordercascade as oc
from ordercascade.core.world import World
from ordercascade.enums import (
    FundingRule,
    HolderKind,
    MarketKind,
    NoteKind,
    PostReason,
    PriceSource,
    Reject,
    Side,
    StepKind,
)

BILLION = 10**9
SECOND = 10**9


def world_of(
    *lots: int, multiplier: int = 1, mark: int = 1_000, **market: Any
) -> tuple[Any, list[int]]:
    """A started world: an account for each size, 10^9 money each; external takes the rest."""
    world = World()
    world.add_venue()
    venue = world.venue(0)
    given = {"source": PriceSource.INDEX, "index": mark} | market
    venue.add_market(multiplier=multiplier, **{"price_max": 10**5, "size_max": 10**6} | given)
    scopes = []
    for size in lots:
        account = venue.open_account()
        venue.deposit(account, 0, BILLION)
        cost = size * mark * multiplier
        if given.get("kind") == MarketKind.INVERSE:
            cost = -size * multiplier // mark
        scopes.append(venue.open_position(account, 0, size, cost))
    world.start()
    world.settle()
    return world, scopes


def rows(world: Any, table: str, *columns: str) -> list[tuple[int, ...]]:
    cells = [world.log.column(table, column).tolist() for column in columns]
    return list(zip(*cells, strict=True))


def paid(world: Any) -> dict[int, int]:
    found = rows(world, "postings", "to_holder", "amount", "reason")
    return {holder: amount for holder, amount, reason in found if reason == PostReason.FUNDING}


def test_longs_pay_the_rate_of_their_value_and_shorts_get_it() -> None:
    """3 lots at 1,000 are worth 3,000; 1 % of it is 30."""
    world, (long, short) = world_of(3, -3)
    world.schedule_funding(5, 0, 0, rate_ppb=10_000_000)
    world.run()
    assert paid(world) == {long: -30, short: 30}
    assert rows(world, "steps", "kind", "market", "parent", "time_ns")[-1] == (
        StepKind.FUNDING, 0, -1, 5,
    )  # fmt: skip
    notes = rows(world, "notes", "kind", "market", "a", "b")
    assert notes == [(NoteKind.FUNDING, 0, 10_000_000, 1_000)]


def test_shares_are_floored_and_what_is_left_goes_by_largest_remainder() -> None:
    """Rate 0.0005: longs of 1, 1, 3 lots owe 0.5, 0.5, 1.5; a short of 5 is owed 2.5.

    Floors -1, -1, -2, 2; of the two units left the first goes to the lowest id of four equal
    remainders, the second to the next.
    """
    world, scopes = world_of(1, 1, 3, -5)
    world.schedule_funding(5, 0, 0, rate_ppb=500_000)
    world.run()
    assert [paid(world).get(scope, 0) for scope in scopes] == [0, 0, -2, 2]


def test_external_pays_and_gets_like_others_but_is_last_among_equals() -> None:
    world, (scope,) = world_of(1)
    outside = world.venue(0).holder(HolderKind.EXTERNAL, 0)
    assert outside < scope
    world.schedule_funding(5, 0, 0, rate_ppb=500_000)  # both remainders are a half
    world.run()
    assert paid(world) == {}  # floors -1 and 0: the unit goes to the scope, not to external
    world.schedule_funding(6, 0, 0, rate_ppb=1_500_000)  # -1.5 and 1.5: floors -2 and 1
    world.run()
    assert paid(world) == {scope: -1, outside: 1}


def test_an_inverse_long_pays_in_coins_of_its_unfloored_worth() -> None:
    """K q / p = 10^9 * 3 / 700 = 4,285,714.28...; 1 % is 42,857.14."""
    world, (long, short) = world_of(
        3, -3, multiplier=BILLION, mark=700, kind=MarketKind.INVERSE, size_max=10**3
    )
    world.schedule_funding(5, 0, 0, rate_ppb=10_000_000)
    world.run()
    assert paid(world) == {long: -42_857, short: 42_857}
    assert not any(world.venue(0).audit().values())


def test_funding_comes_after_price_ticks_and_before_transfers_and_orders() -> None:
    world, _ = world_of(3, -3)
    world.schedule_shock(5, 0, 0, Side.BID, size=1)
    world.schedule_transfer(5, 0, 1, 0, 7)
    world.schedule_funding(5, 0, 0, rate_ppb=0)
    world.schedule_index(5, 0, 0, 1_001)
    world.run()
    kinds = [kind for kind, time in rows(world, "steps", "kind", "time_ns") if time == 5]
    wanted = [StepKind.SHOCK, StepKind.FUNDING, StepKind.AGENTS, StepKind.SHOCK]
    assert kinds[:4] == wanted


@pytest.mark.parametrize(
    ("terms", "mark", "rate"),
    [
        ({"rule": FundingRule.NONE}, 1_010, 0),
        ({"rule": FundingRule.PREMIUM}, 1_010, 10_000_000),
        ({"rule": FundingRule.PREMIUM, "share": 8}, 1_010, 1_250_000),
        ({"rule": FundingRule.PREMIUM, "share": 3}, 990, -3_333_334),  # floored
        # within the clamp the rate is the interest, beyond it the premium less the clamp
        (
            {"rule": FundingRule.PREMIUM, "interest_ppb": 100_000, "clamp_ppb": 20_000_000},
            1_010,
            100_000,
        ),
        (
            {"rule": FundingRule.PREMIUM, "interest_ppb": 100_000, "clamp_ppb": 500_000},
            1_010,
            9_500_000,
        ),
        ({"rule": FundingRule.PREMIUM, "cap_ppb": 4_000_000}, 1_010, 4_000_000),
        ({"rule": FundingRule.PREMIUM, "cap_ppb": 4_000_000}, 990, -4_000_000),
        ({"rule": FundingRule.SKEW}, 1_010, 10_000_000),
    ],
)
def test_a_rate_by_rule_is_the_formula_floored(terms: dict[str, Any], mark: int, rate: int) -> None:
    """The index is 1,000; the mark is the last trade."""
    world, _ = world_of(3, -3, source=PriceSource.LAST, last=mark)
    venue = world.venue(0)
    venue.set_index(0, 1_000)
    venue.set_funding(0, **terms)
    world.settle()
    assert venue.marks() == [mark]
    world.schedule_funding(5, 0, 0)
    world.run()
    assert rows(world, "notes", "a", "b") == [(rate, mark)]


def test_positions_may_be_valued_at_the_index() -> None:
    world, (long, _) = world_of(3, -3, source=PriceSource.LAST, last=1_010)
    world.venue(0).set_funding(0, rule=FundingRule.NONE, at_index=True)
    world.schedule_funding(5, 0, 0, rate_ppb=10_000_000)
    world.run()
    assert paid(world)[long] == -30
    assert rows(world, "notes", "b") == [(1_000,)]


def test_whoever_funding_makes_liquidatable_is_liquidated_with_it_as_parent() -> None:
    world = World()
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(size_max=10**6, source=PriceSource.INDEX, index=1_000)
    venue.seed_level(0, Side.BID, 999, 100)
    account = venue.open_account()
    venue.deposit(account, 0, 160)
    venue.open_position(account, 0, 3, 3_000)  # maintenance is 150
    world.schedule_funding(5, 0, 0, rate_ppb=10_000_000)  # 30
    world.start()
    world.run()
    found = rows(world, "steps", "step", "kind", "parent")
    (funding,) = [step for step, kind, _ in found if kind == StepKind.FUNDING]
    assert [p for _, kind, p in found if kind == StepKind.LIQUIDATION] == [funding]


def test_a_payment_that_would_pass_a_cells_bound_is_not_made_and_the_tape_says_so() -> None:
    world = World()
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(size_max=2**30, price_max=2**20, source=PriceSource.INDEX, index=2**20)
    people = [venue.open_account() for _ in range(2)]
    venue.deposit(people[1], 0, 2**60 - 1)
    for account, lots in zip(people, (2**30, -(2**30)), strict=True):
        scope = venue.open_position(account, 0, lots, lots * 2**20)
    world.schedule_funding(5, 0, 0, rate_ppb=BILLION)
    world.start()
    world.run(2)
    assert (NoteKind.FUNDING, BILLION, 0) in rows(world, "notes", "kind", "a", "b")
    assert paid(world) == {}
    assert venue.collateral(scope) == 2**60 - 1


@pytest.mark.parametrize(
    "terms",
    [
        {"rule": 3},
        {"rule": "premium"},
        {"rule": FundingRule.SKEW, "cap_ppb": -1},
        {"rule": FundingRule.SKEW, "clamp_ppb": BILLION + 1},
        {"rule": FundingRule.SKEW, "interest_ppb": 2 * BILLION},
        {"rule": FundingRule.SKEW, "share": 0},
        {"rule": FundingRule.SKEW, "at_index": 1},
    ],
)
def test_terms_out_of_range_are_refused(terms: dict[str, Any]) -> None:
    world, _ = world_of(3, -3)
    before = world.state_hash()
    with pytest.raises((oc.InputError, oc.InputTypeError)):
        world.venue(0).set_funding(0, **terms)
    assert world.state_hash() == before


def test_terms_and_what_is_planned_are_state() -> None:
    hashes = set()
    world, _ = world_of(3, -3)
    hashes.add(world.state_hash())
    world.venue(0).set_funding(0, rule=FundingRule.PREMIUM)
    hashes.add(world.state_hash())
    world.venue(0).set_funding(0, rule=FundingRule.PREMIUM, share=8)
    hashes.add(world.state_hash())
    world.schedule_funding(5, 0, 0, times=2, every_ns=1)
    hashes.add(world.state_hash())
    assert len(hashes) == 4
    fork = world.fork()
    assert fork.run() == world.run() == 2
    assert fork.state_hash() == world.state_hash()


REGIMES = (  # of the file's rows: first, payments a period, interest, clamp
    (0, 1, 100_000, 300_000),
    (82, 8, 100_000, 300_000),
    (294, 8, 0, 0),
    (971, 8, 100_000, 300_000),
    (993, 8, 100_000, 200_000),
)


def test_rates_of_a_venue_are_the_formulas_to_their_last_digit(shared: Path) -> None:
    """1,038 rates of Hyperliquid's BTC perpetual with the premium they were made of, May to July
    2023. The file shows five regimes; all rows follow, to the eighth decimal that it has."""
    file = shared / "data" / "funding_hyperliquid_btc_2023.csv.gz"
    with gzip.open(file, "rt") as text:
        found = [(Decimal(r["premium"]), Decimal(r["funding_rate"])) for r in csv.DictReader(text)]
    index = 10**8
    world = World()
    world.add_venue()
    venue = world.venue(0)
    venue.add_market(price_max=2 * index, size_max=100, index=index, last=index)
    people = [venue.open_account() for _ in range(2)]
    for account in people:
        venue.deposit(account, 0, 10**15)
    world.start()
    for number, (premium, _) in enumerate(found):
        for first, share, interest, clamp in REGIMES:
            if number == first:
                venue.set_funding(
                    0, rule=FundingRule.PREMIUM, share=share, interest_ppb=interest, clamp_ppb=clamp
                )
        price = index + int(premium * index)
        for side, account in zip((Side.BID, Side.ASK), people, strict=True):
            assert venue.submit(account, 0, side, price, 1) > Reject.UNKNOWN_ORDER
        people.reverse()
        world.settle()  # the mark is taken
        world.schedule_funding(world.time_ns + SECOND, 0, 0)
        world.run()
    rates = [Decimal(a).scaleb(-9) for (a,) in rows(world, "notes", "a")]
    assert len(rates) == len(found) == 1_038
    off = max(abs(rate - said) for rate, (_, said) in zip(rates, found, strict=True))
    assert off <= Decimal("0.000000006")  # half of the file's last digit, and our floor


SCENARIO = """
schema = 1
name = "funded"

[[venue]]
name = "perp"
preset = "simple"

[[venue.market]]
name = "BTCUSDT"
tick_size = "0.1"
lot_size = "0.001"
settle = "USDT"
decimals = 6
oracle = { kind = "index", index = "60000.0" }
brackets = [{ floor = 0, maintenance = 0.005, leverage_max = 100 }]
RULE

[[venue.account]]
name = "long"
collateral = "10000"
[[venue.account.position]]
market = "BTCUSDT"
side = "long"
size = "1"
entry_price = "60000.0"

[[funding]]
at_s = 1
KEYS
"""


def played(rule: str = "", keys: str = "") -> Any:
    text = SCENARIO.replace("RULE", rule).replace("KEYS", keys)
    return oc.run(oc.Scenario.from_toml(text))


def test_a_scenario_pays_funding_at_a_rate() -> None:
    tape = played(keys='rate = "0.0001"\nevery_s = 3600\ntimes = 3')
    assert tape.notes["a"].tolist() == [100_000] * 3
    assert sorted(tape.postings["amount"].tolist()) == [-6 * 10**6] * 3 + [6 * 10**6] * 3
    assert oc.audit(tape).ok


def test_a_scenario_names_a_rule() -> None:
    rule = 'funding = { rule = "premium", interest = "0.0001", clamp = "0.0005", share = 8 }'
    assert played(rule).notes["a"].tolist() == [12_500]


@pytest.mark.parametrize(
    ("rule", "keys", "said"),
    [
        ("", 'rate = "0.00000000001"', "ppb"),
        ("", 'rate = "1.5"', "rate"),
        ("", "times = 2", "every_s"),
        ("", "times = 0", "times"),
        ("", 'every_s = "-1"', "every_s"),
        ('funding = { rule = "hourly" }', "", "rule"),
        ('funding = { rule = "skew", clamp = "-0.1" }', "", "clamp"),
        ('funding = { rule = "skew", share = 0 }', "", "share"),
    ],
)
def test_a_scenario_with_impossible_funding_is_refused(rule: str, keys: str, said: str) -> None:
    with pytest.raises(oc.ConfigError, match=said):
        played(rule, keys)


def test_a_skew_beyond_all_bounds_is_the_cap() -> None:
    """A mark of 2^31 - 1 over an index of 1 is 2.1 * 10^18 billionths, above 2^60."""
    last = 2**31 - 1
    world, _ = world_of(
        3, -3, mark=last, source=PriceSource.LAST, last=last, price_max=last,
        brackets=[(0, 0, 0, 0)],
    )  # fmt: skip
    venue = world.venue(0)
    venue.set_index(0, 1)
    venue.set_funding(0, rule=FundingRule.SKEW, cap_ppb=BILLION)
    world.settle()
    world.schedule_funding(5, 0, 0)
    world.run()
    assert rows(world, "notes", "a", "b")[0] == (BILLION, last)
