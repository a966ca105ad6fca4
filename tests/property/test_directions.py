"""Which way a safeguard moves a cascade, where theory gives a sign: 50 seeds each, the same draws.

MECHANISMS §0: forced orders beyond a band wait, so R is cut off there; a part of a leg sells less
than the whole; a fund that takes lots over leaves fewer for deleveraging; a book without end has
no impact, so I' and R are 0. Where a sign holds for each world by itself, it is asked of each one.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

import ordercascade as oc
from ordercascade.enums import StepKind
from unit.plain_crowd import SALE, plain_crowd

SEEDS = range(1, 51)
BAND = 'venue[0].breaker=[{{kind="price_band", band_pct={}, ref_window_s=0}}]'
PARTS = 'venue[0].liquidation=[{{kind="tranche", fraction={}}}]'
BEST = 59_981  # the first bid
FUND = (
    'venue[0].takeover={mode="fund", when="unfilled"}',
    "venue[0].fund.position_cap=1",
    "venue[0].market[0].book.levels=120",  # Some find nobody to sell to.
)
ELASTIC = "venue[0].interest.borrower_elasticity={}"
INTEREST = """interest = { optimum = 0.5, slope1 = 0.04, slope2 = 0.1, every_s = 86400, at_s = 0,\
 times = 2 }"""
OUTSIDE = "oracle = { kind = 'index', own_book_weight = 0, index = 60000 }"
DEAR = oc.Scenario.from_toml(
    plain_crowd("dear", seed=1, accounts=100, median=24_000, rules=INTEREST).replace(
        "tick_size", f"{OUTSIDE}\ntick_size"
    )
    + "[[index]]\nat_s = 900_000\nprice = 57_000\n"
)
PLAIN = oc.Scenario.from_toml(plain_crowd("direction", seed=1, accounts=100, median=24_000) + SALE)


class Told(NamedTuple):
    """Of one run: lots sold by force, the lowest price, lots deleveraged, rounds, its hash."""

    sold: int
    low: int
    adl: int
    rounds: int
    digest: str


@cache
def told(seed: int, *keys: str) -> Told:
    tape = oc.run(PLAIN.set(f"seed={seed}", *keys), progress=False)
    # A takeover's lots are rows of `adl`, too.
    handed = tape.steps["kind"][tape.adl["step"]] == StepKind.ADL
    return Told(
        int(tape.liquidations["lots_filled"].sum()),
        int(tape.fills["price"].min()),
        int(tape.adl["lots"][handed].sum()),
        int(tape.steps["round"].max()) + 1,
        tape.state_hash(),
    )


def all_of(*keys: str) -> list[Told]:
    return [told(seed, *keys) for seed in SEEDS]


def test_a_narrower_band_leaves_a_smaller_fall_and_fewer_lots_sold() -> None:
    """A fixed band: up to the first order that it cuts off the two worlds are one."""
    runs = [all_of(), all_of(BAND.format(4)), all_of(BAND.format(1))]
    assert all(run.sold > 0 for run in runs[0])
    for wide, narrow in pairwise(runs):
        assert all(n.low >= w.low for w, n in zip(wide, narrow, strict=True))
        assert all(n.sold <= w.sold for w, n in zip(wide, narrow, strict=True))
        assert fmean(n.low - w.low for w, n in zip(wide, narrow, strict=True)) > 0
        assert fmean(n.sold - w.sold for w, n in zip(wide, narrow, strict=True)) < 0


def test_a_band_sells_less_a_round() -> None:
    bare, banded = all_of(), all_of(BAND.format(1))
    pace = [[run.sold / run.rounds for run in runs] for runs in (bare, banded)]
    assert fmean(pace[1]) < fmean(pace[0])


def test_smaller_tranches_leave_a_smaller_fall() -> None:
    """A leg that a part has made healthy keeps the rest."""
    runs = [all_of(), all_of(PARTS.format(0.5)), all_of(PARTS.format(0.2))]
    for large, small in pairwise(runs):
        assert fmean(s.sold for s in small) < fmean(r.sold for r in large)
        assert fmean(s.low for s in small) > fmean(r.low for r in large)
    factor = [oc.analysis.tranche_factor(n, 30, permanent=0.3, half_life_s=20) for n in (1, 2, 5)]
    assert factor == sorted(factor, reverse=True) and factor[0] == 1


def test_a_fund_that_takes_over_leaves_less_for_deleveraging() -> None:
    runs = [all_of(*FUND, f"venue[0].fund.balance={money}") for money in (0, 20_000, 10**6)]
    assert fmean(run.adl for run in runs[0]) > 0
    for poor, rich in pairwise(runs):
        assert fmean(r.adl for r in rich) < fmean(p.adl for p in poor)


def test_a_book_without_end_has_no_cascade() -> None:
    """The sale leaves its first level standing, so no mark falls and nobody is sold."""
    for run in all_of("venue[0].market[0].book.size=200"):
        assert (run.sold, run.adl, run.rounds) == (0, 0, 1 + (run.rounds > 1))


class Closed(NamedTuple):
    """Of one run: lots of longs before the fall, lots sold by force in it, its hash."""

    held: int
    sold: int
    digest: str


@cache
def closed(seed: int, elasticity: str) -> Closed:
    tape = oc.run(DEAR.set(f"seed={seed}", ELASTIC.format(elasticity)), progress=False)
    size = tape.positions["size"]
    opened = int(size[(size > 0) & (tape.positions["scope"] > 0)].sum())
    fills, kinds = tape.fills, tape.steps["kind"][tape.fills["step"]]
    return Closed(
        opened - int(fills["size"][kinds == StepKind.AGENTS].sum()),
        int(tape.liquidations["lots_filled"].sum()),
        tape.state_hash(),
    )


def test_borrowers_that_close_leave_less_to_liquidate() -> None:
    """MECHANISMS §13: a slow, negative feedback on l(p). Two days of interest at 13 % or so, then
    the index falls by 5 %. The mark is the index: what they sell themselves does not move it."""
    runs = [[closed(seed, each) for seed in SEEDS] for each in ("0", "0.001", "0.004")]
    assert all(run.sold > 0 for run in runs[0])
    for inert, elastic in pairwise(runs):
        assert all(e.held < i.held for i, e in zip(inert, elastic, strict=True))
        assert all(e.sold < i.sold for i, e in zip(inert, elastic, strict=True))
    bare = [oc.run(DEAR.set(f"seed={seed}"), progress=False).state_hash() for seed in SEEDS[:5]]
    assert [run.digest for run in runs[0][:5]] == bare


def test_what_is_off_leaves_the_bare_hash() -> None:
    off = all_of("venue[0].breaker=[]", PARTS.format(1))
    assert [run.digest for run in off] == [run.digest for run in all_of()]


def test_a_band_nobody_meets_writes_what_none_writes() -> None:
    for seed in SEEDS[:10]:
        assert told(seed, BAND.format(99))[:4] == told(seed)[:4]
