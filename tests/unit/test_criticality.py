"""R before a run and along it, K over markets, who set off whom. spec/MECHANISMS.md §0, §4."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ordercascade as oc
from ordercascade.analysis import (
    LinearImpact,
    Matrix,
    SquareRootImpact,
    criticality,
    generations,
    liquidation_map,
    slices_factor,
    tranche_factor,
    tree,
)
from ordercascade.analysis.causes import CAUSES
from ordercascade.analysis.density import matrix
from ordercascade.analysis.state import DOWN, state
from ordercascade.errors import InputError
from ordercascade.slices import almgren_chriss
from unit.ladders import HEAD, MARKET, account, coupled, ladder
from unit.preset_worlds import scenario_of

pytest.importorskip("ordercascade.core.world")


# One market.


def test_the_golden_trace_has_its_ratios_before_the_run_and_after_it() -> None:
    """TARGETS T2a: volumes 15, 10, 20, 15, so R_g = 0.667, 2.0, 0.75, 0; 5 ticks for 1."""
    scenario = oc.scenarios.load("t2a")
    after = criticality(oc.run(scenario, progress=False))
    assert after.r_by_generation == [10 / 15, 2.0, 0.75, 0.0]
    assert after.generations is not None
    assert after.generations.total.tolist() == [15, 10, 20, 15]
    assert after.amplification == 5
    before = criticality(scenario).forecast
    assert before is not None
    assert before.volumes == (15, 10, 20, 15)
    assert before.prices == (99, 98, 96, 95)


def test_a_window_ends_where_it_ends() -> None:
    """T2a: 10 lots due at 99 over 10 bid; 30 due by 98 over 20; 45 by 96, and 97, over 40."""
    for window, r in ((0.01, 1.0), (0.02, 1.5), (0.03, 1.0), (0.04, 45 / 40)):
        assert criticality(oc.scenarios.load("t2a"), window=window).r_initial == r


def test_a_rise_is_measured_against_asks_and_shorts() -> None:
    """The squeeze: shorts due 2 % above hold what the map says, asks stand there likewise."""
    scenario = oc.scenarios.load("short-squeeze")
    found = criticality(scenario, window=0.03)
    assert found.way == 1
    desk = state(scenario).desks[0]
    shorts = liquidation_map(scenario)["TOY"]
    reach = desk.mark + round(desk.mark * 0.03)
    due = -shorts.size[(shorts.size < 0) & (shorts.price <= reach)].sum()
    asks = desk.asks[1][desk.asks[0] < desk.asks[0][0] + round(desk.mark * 0.03)].sum()
    assert due > 0
    assert found.matrix.k.tolist() == [[due / asks]]


@pytest.mark.parametrize(("size", "r"), [("0.02", 0.2), ("0.05", 0.5), ("0.08", 0.8)])
def test_the_uniform_ladder_has_r_of_density_over_depth(size: str, r: float) -> None:
    """TARGETS T1: one account of `size` each 0.1, one unit of book a unit of price: R = 10 size."""
    found = criticality(oc.scenarios.load("uniform-ladder", f"population.size={size}"))
    assert found.r_initial == pytest.approx(r, rel=1e-12)
    assert found.r_max == pytest.approx(r, rel=1e-12)
    linear = criticality(
        oc.scenarios.load("uniform-ladder", f"population.size={size}"), impact=LinearImpact(1.0)
    )
    assert linear.r_initial == pytest.approx(r, rel=1e-12)


def test_the_poisson_ladder_has_r_of_its_law_in_the_mean() -> None:
    """TARGETS T1: R = 0.8. Pooled over seeds 0 to 79: 1 - generation 0 / all; and by density."""
    first, total, density = 0, 0, []
    changes = ["population.accounts=90", "book.mid=160.005", "book.levels=15_000"]
    for seed in range(80):
        scenario = oc.scenarios.load("poisson-ladder", f"seed={seed}", *changes)
        split = generations(oc.run(scenario, progress=False))
        first, total = first + int(split.total[0]), total + int(split.total.sum())
        if seed < 40:
            density.append(criticality(scenario, window=0.375, span=0.375).r_initial)
    # first / total is about 1 / 5; total of a run has the deviation 0.8 sqrt(125), its mean is 5.
    error = 0.2 * 0.8 * math.sqrt(125 / 80) / 5
    assert 1 - first / total == pytest.approx(0.8, abs=3 * error)
    # 60 units of price a seed: about 2,400 accounts, so 1 / sqrt(2400) of 0.8.
    assert np.mean(density) == pytest.approx(0.8, abs=3 * 0.8 / math.sqrt(2_400))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    depth=st.integers(1, 40),
    gap=st.integers(1, 9),
    lots=st.integers(1, 60),
    sale=st.integers(1, 2_000),
    weight=st.sampled_from(["1", "0.5", "0.3"]),
)
def test_a_forecast_is_what_the_engine_does_generation_by_generation(
    depth: int, gap: int, lots: int, sale: int, weight: str
) -> None:
    scenario = ladder(depth=depth, gap=gap, lots=lots, sale=sale, accounts=40, weight=weight)
    found = criticality(oc.run(scenario, progress=False))
    told = criticality(scenario).forecast
    assert told is not None
    if not told.exhausted:
        assert found.r_by_generation == told.r_by_generation
        if weight == "1":
            assert found.amplification == told.amplification
        assert found.forecast == told


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(depth=st.integers(20, 60), share=st.integers(1, 17))
def test_r_of_a_linear_ladder_is_what_is_realised_in_the_fine_tick_limit(
    depth: int, share: int
) -> None:
    """Accounts every tick: R = lots / depth; the sale is 300 ticks."""
    lots = max(1, depth * share // 20)
    r, sale = lots / depth, 300 * depth
    reach = math.ceil(330 / (1 - r)) + 20
    scenario = ladder(depth=depth, gap=1, lots=lots, sale=sale, accounts=reach)
    before = criticality(scenario, window=0.01)
    assert before.r_initial == pytest.approx(r, rel=0.01)  # one account in 200 or more
    after = criticality(oc.run(scenario, progress=False), window=0.01)
    assert after.amplification == pytest.approx(1 / (1 - r), rel=0.02)
    assert after.generations is not None
    assert after.generations.pooled == pytest.approx(r, abs=0.01)


@pytest.mark.parametrize(("weight", "share"), [("0.5", 0.5), ("0.25", 0.25)])
def test_the_own_book_s_weight_in_the_mark_multiplies_r(weight: str, share: float) -> None:
    """MECHANISMS §0: R goes to w R, so the mark falls by w / (1 - w R) of the sale's depth."""
    sizes = {"depth": 20, "gap": 1, "lots": 16, "sale": 6_000, "accounts": 2_000}
    found = criticality(ladder(**sizes, weight=weight))
    assert found.r_initial == pytest.approx(0.8 * share, rel=0.01)
    marks = oc.run(ladder(**sizes, weight=weight), progress=False).summary()
    fall = marks["first_mark"] - marks["last_mark"]
    assert fall == pytest.approx(300 * share / (1 - 0.8 * share), rel=0.02)


def test_a_mark_from_outside_alone_has_no_feedback() -> None:
    index = 'venue.market[0].oracle={ kind = "index", index = 100 }'
    assert criticality(oc.scenarios.load("uniform-ladder", index)).r_initial == 0


def test_a_mark_with_a_memory_is_told() -> None:
    """A mean over ten minutes hardly sees a cascade of one instant: R says what it cannot know."""
    oracle = 'venue.market[0].oracle={ kind = "twap", of = "last", window_s = 600, index = 100 }'
    found = criticality(oc.scenarios.load("uniform-ladder", oracle))
    assert any("TOY does not follow the book at once" in text for text in found.warnings)
    assert criticality(oc.scenarios.load("uniform-ladder")).warnings == ()


# Laws of impact and tranches.


def test_the_square_root_law_makes_small_sales_more_explosive_per_lot() -> None:
    """I(Q) = Y sigma sqrt(Q / V): R of the secant falls as Q^(-1/2), so 4 times Q halves it."""
    law = SquareRootImpact(sigma=0.04, volume=1_000.0, factor=0.5)
    assert law.impact(10) == pytest.approx(0.5 * 0.04 * math.sqrt(0.01))
    desk = state(oc.scenarios.load("uniform-ladder")).desks[0]
    small, large = (law.slope(desk, DOWN, 50, lots) for lots in (100, 400))
    assert small / large == pytest.approx(2)
    assert small == pytest.approx(desk.mark * law.impact(1.0) / 100)  # 100 lots are 1 unit
    found = criticality(oc.scenarios.load("uniform-ladder"), impact=law)
    sold = 25  # lots in the window of 50 ticks: 5 accounts of 5
    assert found.r_initial == pytest.approx(sold / 50 * desk.mark * law.impact(0.25) / sold)


def test_tranches_take_their_factor_off() -> None:
    """MECHANISMS §4: phi 0.3, n 5, 30 s apart, half life 20 s: g = 0.515, R 1.5 becomes 0.773."""
    g = tranche_factor(5, 30, permanent=0.3, half_life_s=20)
    assert round(g, 3) == 0.515
    assert round(1.5 * g, 3) == 0.773
    assert tranche_factor(5, 30) == 1
    assert tranche_factor(1, 30, permanent=0.3, half_life_s=20) == 1
    assert tranche_factor(5, 0, permanent=0.3, half_life_s=20) == 1
    found = criticality(oc.scenarios.load("btc-cascade"), permanent=0.3, half_life_s=20)
    assert (found.tranches, round(found.tranche_factor, 3)) == (5, 0.515)


@pytest.mark.parametrize(("count", "every_s"), [(1, 30), (2, 0), (5, 30), (40, 3)])
@pytest.mark.parametrize("permanent", [0.0, 0.3, 1.0])
def test_g_of_equal_slices_is_the_closed_formula(
    count: int, every_s: float, permanent: float
) -> None:
    """MECHANISMS §4: the largest of n sums over slices is the last, (1 - a^n) / (n (1 - a))."""
    book = {"permanent": permanent, "half_life_s": 20.0}
    closed = tranche_factor(count, every_s, **book)
    assert slices_factor([1 / count] * count, every_s, **book) == pytest.approx(closed)


def test_g_of_unequal_slices_is_the_largest_press_of_all_that_were_sold() -> None:
    """The double sum, term by term; one large slice alone presses with its own share."""
    shares, phi, a = [0.55, 0.25, 0.15, 0.05], 0.3, 0.5
    pressed = [
        sum(w * (phi + (1 - phi) * a ** (k - i)) for i, w in enumerate(shares[: k + 1]))
        for k in range(4)
    ]
    assert max(pressed) == pressed[1]  # neither the first nor the last
    g = slices_factor(shares, 20, permanent=phi, half_life_s=20)
    assert g == pytest.approx(max(pressed))
    assert slices_factor([0.9, 0.1], 1e6, permanent=0, half_life_s=1) == pytest.approx(0.9)
    assert slices_factor(shares, 20) == pytest.approx(1)
    for wrong in ([], [0.5], [1.5, -0.5]):
        with pytest.raises(InputError, match="shares"):
            slices_factor(wrong)


OW = [1 / (2 + 3 * (1 - math.exp(-1.5)))] * 2
OW[1:1] = [OW[0] * (1 - math.exp(-1.5))] * 3


@pytest.mark.parametrize(
    ("keys", "kind", "shares"),
    [
        ('kind="equal",slices=5,cooldown_s=30', "equal", [0.2] * 5),
        ('kind="almgren_chriss",slices=5,kappa_per_s=0.02,cooldown_s=30', "almgren_chriss",
         almgren_chriss(5, 0.6)),
        ('kind="obizhaeva_wang",slices=5,resilience_per_s=0.05,cooldown_s=30', "obizhaeva_wang",
         OW),
        ('kind="tranche",fraction=0.2,cooldown_s=30', "tranche", [0.2] * 5),
        ('kind="tranche",fraction=0.2,cooldown_s=30,then="all"', "tranche", [0.2, 0.8]),
        ('kind="full"', "full", [1.0]),
        ('kind="restore",target_margin=0.2,cooldown_s=30', "restore", None),
        ('kind="equal",slices=5,cooldown_s=30,book_share=0.1,book_range=0.01', "equal", None),
    ],
)  # fmt: skip
def test_every_planner_tells_its_slices_and_their_g(
    keys: str, kind: str, shares: list[float] | None
) -> None:
    """What is sized by the account's or the book's state has no number of slices beforehand."""
    book = {"permanent": 0.3, "half_life_s": 20.0}
    made = oc.scenarios.load("thin-book", f"venue[0].liquidation=[{{{keys}}}]")
    found = criticality(made, **book)
    assert found.planners[0].kind == kind
    assert found.to_dict()["planners"] == [found.planners[0].to_dict()]
    if shares is None:
        assert found.tranches is found.tranche_factor is None
        assert "depend on the state" in repr(found)
        return
    assert found.tranches == len(shares)
    assert found.tranche_factor == pytest.approx(slices_factor(shares, 30, **book), abs=1e-6)
    g_r = f"g = {found.tranche_factor:.3f}, g R = {found.tranche_factor * found.r_initial:.3f}"
    assert (g_r in repr(found)) == (len(shares) > 1)


def test_each_venue_has_its_own_planner_and_g() -> None:
    text = oc.scenarios.load("uniform-ladder").to_toml()
    start, end = text.index("[[venue]]"), text.index("[[shock]]")
    venue = text[start:end]
    other = venue.replace('name = "toy"', 'name = "other"', 1)
    shock = text[end:].replace("[[shock]]", '[[shock]]\nvenue = "toy"')
    two = oc.Scenario.from_toml(text[:start] + venue + other + shock)
    for index, slices in enumerate((5, 2)):
        two = two.set(f'venue[{index}].liquidation=[{{kind="equal",slices={slices},cooldown_s=9}}]')
    found = criticality(two, permanent=0.3, half_life_s=20)
    assert [(each.venue, each.tranches) for each in found.planners] == [("toy", 5), ("other", 2)]
    for each in found.planners:
        g = tranche_factor(each.tranches or 0, 9, permanent=0.3, half_life_s=20)
        assert each.factor == pytest.approx(g)
    assert (found.tranches, found.tranche_factor) == (5, found.planners[0].factor)
    assert "g R" not in repr(found) and "equal at other: 2 orders, g = " in repr(found)


# What made the forced volume forced.


def test_moving_margins_liquidate_by_the_margin_that_they_raise() -> None:
    """MECHANISMS §10: the sale sets nobody off by its price; R_margin is all of R at first."""
    found = criticality(oc.run(oc.scenarios.load("moving-margins"), progress=False))
    split = found.generations
    assert split is not None
    assert split.cause["price"][1] == 0 < split.cause["margin"][1] == split.total[1]
    assert split.ratios("margin")[0] == split.ratios()[0] == pytest.approx(4301 / 6666)
    assert {name for name, each in split.cause.items() if each.any()} == {"price", "margin"}
    told = found.to_dict()["r_by_cause"]
    assert told["margin"] == split.ratios("margin") and set(told) == set(CAUSES)
    assert f"forced by: price {split.caused['price']:.1%}, margin " in repr(found)
    still = oc.scenarios.load("moving-margins", "venue[0].surcharge=[]")
    plain = generations(oc.run(still, progress=False))
    assert set(plain.caused) <= {"price"}


def test_a_cascade_of_prices_alone_has_one_cause() -> None:
    found = criticality(oc.run(oc.scenarios.load("t2a"), progress=False))
    assert found.generations is not None
    assert found.generations.caused == {"price": 1.0}
    assert found.generations.ratios("price") == found.r_by_generation
    assert found.to_dict()["r_by_cause"]["margin"] == [0.0] * 4
    assert "forced by" not in repr(found)
    with pytest.raises(InputError, match="one of book, takeover, adl, external, price, margin"):
        found.generations.ratios("weather")


@pytest.mark.parametrize(
    ("name", "causes"),
    [
        ("depeg", {"price", "collateral"}),
        ("thin-collateral", {"price", "collateral"}),  # its conversion sells what backs another
        ("backstop-vault", {"price"}),
        ("lost-hedge", {"price", "other"}),  # an option's expiry
        ("halts", {"price", "other"}),  # its reopening auctions
    ],
)
def test_causes_add_up_to_what_was_absorbed(name: str, causes: set[str]) -> None:
    split = generations(oc.run(oc.scenarios.load(name), progress=False))
    assert set(split.caused) == causes
    assert sum(split.caused.values()) == pytest.approx(1)
    assert (sum(split.cause.values()) == sum(split.volume.values())).all()


def test_funding_that_longs_cannot_pay_is_a_cause_of_its_own() -> None:
    text = oc.scenarios.load("uniform-ladder").to_toml()
    made = text[: text.index("[[shock]]")] + "[[funding]]\nat_s = 1\nrate = 0.6\n"
    split = generations(oc.run(oc.Scenario.from_toml(made), progress=False))
    assert split.cause["funding"].sum() > 0


# Several markets.


def test_two_coupled_markets_move_by_the_inverse_of_one_minus_k() -> None:
    """TARGETS T1 again: K = [[0.4, 0.2], [0.1, 0.3]], radius 0.5, a unit shock moves (1.75, 0.25).

    Cross accounts carry the coupling: both of their legs lose, the one with more maintenance is
    sold. The engine's moves go to the law's as the tick goes to zero, one over the ticks.
    """
    missing = []
    for ticks in (320, 1_280):
        scenario = coupled(ticks)
        k = matrix(state(scenario), DOWN, share=0.000375)  # 240, 960 ticks
        assert k.k == pytest.approx(np.array([[0.4, 0.2], [0.1, 0.3]]), rel=1e-9)
        assert k.radius == pytest.approx(0.5, rel=1e-9)
        marks = oc.run(scenario, progress=False).summary()["by_market"]
        moved = [(m["first_mark"] - m["last_mark"]) / ticks for m in marks.values()]
        missing.append(np.abs(np.array(moved) - (1.75, 0.25)).max())
    assert missing[1] < 0.02
    assert missing[0] / missing[1] > 2.5


def test_a_matrix_tells_its_radius_and_the_whole_move() -> None:
    k = Matrix(("A", "B"), np.array([[0.4, 0.2], [0.1, 0.3]]))
    assert k.radius == pytest.approx(0.5)
    assert k.moves([1, 0]) == pytest.approx([1.75, 0.25])
    with pytest.raises(oc.InputError, match="has no end"):
        Matrix(("A",), np.array([[1.0]])).moves([1])
    with pytest.raises(oc.InputError, match="2 finite numbers"):
        k.moves([1])


def test_a_market_that_nobody_sells_is_reached_through_cross_accounts() -> None:
    """A fall of ALPHA sells BETA: K has that entry and no other in ALPHA's column."""
    k = matrix(state(oc.scenarios.load("two-market-cross")), DOWN, share=0.03)
    assert k.names == ("ALPHA", "BETA")
    assert k.k[1, 0] > 0
    assert k.k[0, 0] == 0


def test_a_leg_that_is_bought_back_pushes_the_other_way() -> None:
    """Long 10 A, short 30 B: a fall of A closes the short, and buying B is a negative fall of it.

    Due 4 ticks of A down (slack 38 of 9.5 a tick): 30 lots in a window of 5 ticks over 1 lot a
    tick of B's asks: K_BA = -30 / 5 / 1.
    """
    text = HEAD.format(name="hedged")
    text += MARKET.format(name="A", mark=1_000, levels=90, depth=1)
    text += MARKET.format(name="B", mark=1_000, levels=90, depth=1)
    text += account("hedger", 38, 1_000, {"A": 10, "B": 30}).replace("long", "short")
    text = text.replace('"A"\nside = "short"', '"A"\nside = "long"')
    k = matrix(state(oc.Scenario.from_toml(text)), DOWN, share=0.005)
    assert k.k.tolist() == [[0, 0], [-6, 0]]


def test_k_is_in_people_s_prices() -> None:
    """The same with half the tick, price and margin of B: 6 ticks of 0.5 for a tick of 1."""
    text = HEAD.format(name="hedged") + MARKET.format(name="A", mark=1_000, levels=90, depth=1)
    half = MARKET.format(name="B", mark=500, levels=90, depth=1).replace("500.5", "500.25")
    text += half.replace("tick_size = 1", "tick_size = 0.5").replace("step = 1", "step = 0.5")
    text = text.replace("decimals = 0", "decimals = 1")
    text += account("hedger", 38, 1_000, {"A": 10}).replace("collateral = 538", "collateral = 1288")
    text += (
        account("", 0, 500, {"B": 30})
        .partition("\n[")[2]
        .partition("\n")[2]
        .join(("[[venue.account.position]]\n", ""))
        .replace("long", "short")
    )
    k = matrix(state(oc.Scenario.from_toml(text)), DOWN, share=0.005)
    assert k.k.tolist() == [[0, 0], [-3, 0]]


def test_an_account_that_sells_elsewhere_first_is_not_forecast_here() -> None:
    """Both cross accounts that ALPHA's fall brings down sell BETA."""
    found = criticality(oc.scenarios.load("two-market-cross")).forecast
    assert found is not None
    assert (found.market, found.volumes) == ("ALPHA", (70,))


# By mechanism, by generation, by parent.


def test_the_parts_of_the_mechanisms_add_up_and_match_the_postings() -> None:
    tape = oc.run(oc.scenarios.load("btc-cascade"), progress=False)
    split = generations(tape)
    whole = split.ratios()
    parts = [split.ratios(name) for name in ("book", "takeover", "adl", "external")]
    for one, *several in zip(whole, *parts, strict=True):
        assert one == pytest.approx(sum(part or 0 for part in several))
    assert int(split.volume["adl"].sum() + split.volume["external"].sum()) == int(
        tape.adl["lots"].sum()
    )
    assert int(split.volume["book"].sum()) == int(tape.liquidations["lots_filled"].sum())
    assert split.absorbed == pytest.approx(
        tape.adl["lots"].sum() / (tape.adl["lots"].sum() + tape.liquidations["lots_filled"].sum())
    )


@pytest.mark.parametrize("name", ["t2a", "contagion", "uniform-ladder"])
def test_without_adl_the_ratios_are_those_of_the_summary(name: str) -> None:
    changes = ["fund.balance=1_000_000_000"] if name == "contagion" else []
    tape = oc.run(oc.scenarios.load(name, *changes), progress=False)
    if not len(tape.adl):
        assert criticality(tape).r_by_generation == tape.summary()["r_by_generation"]
    assert name == "contagion" or not len(tape.adl)


def test_the_tree_has_every_liquidation_once_under_what_set_it_off() -> None:
    tape = oc.run(oc.scenarios.load("contagion"), progress=False)
    found = tree(tape)
    liquidated = found.step[found.kind == oc.StepKind.LIQUIDATION]
    assert liquidated.tolist() == tape.liquidations["step"].tolist()
    for row, parent in enumerate(found.parent.tolist()):
        assert parent < row
        if parent >= 0 and found.kind[row] == oc.StepKind.LIQUIDATION:
            assert found.generation[parent] <= found.generation[row]
    assert found.text(lines=3).splitlines()[-1] == f"... and {len(found) - 3:,} more"
    small = tree(oc.run(oc.scenarios.load("t2a"), progress=False))
    assert small.text().splitlines() == [
        "step 0: shock, 15 TOY",
        "  step 2: liquidation account 1, 10 TOY",
        "    step 4: liquidation account 2, 20 TOY",
        "      step 6: liquidation account 3, 15 TOY",
    ]
    assert small.children(0) == [1]


@pytest.mark.parametrize("name", ["vega", "simple", "social"])
def test_a_node_hangs_under_the_nearest_node_above_it(name: str) -> None:
    """Climb the tape's parents step by step; a socialised loss that fells others is no node."""
    rules = ["social=true", "fund.balance=0", 'shortfall_at="round"']
    social = oc.scenarios.load("thin-book", *rules)
    tape = oc.run(social if name == "social" else scenario_of(name), progress=False)
    found, parents = tree(tape), tape.steps["parent"].tolist()
    nodes, passed = found.step.tolist(), 0
    for row, step in enumerate(nodes):
        above = parents[step]
        while above >= 0 and above not in nodes:
            above, passed = parents[above], passed + 1
        assert found.parent[row] == (nodes.index(above) if above >= 0 else -1)
    assert (passed > 0) == (name == "social")


# What it says, and what it refuses.


def test_an_r_below_one_at_the_start_is_no_all_clear() -> None:
    found = criticality(oc.run(oc.scenarios.load("contagion"), progress=False))
    assert found.r_initial < 1 < found.r_max
    assert any("no all-clear" in text for text in found.warnings)


def test_a_start_that_is_too_small_is_told() -> None:
    scenario = oc.scenarios.load("t2a", "shock.size=1")
    assert criticality(oc.run(scenario, progress=False)).zero_share == 1 / 75
    scenario = scenario.set("account[3].position.size=300", "account[3].position.collateral=9000")
    found = criticality(oc.run(scenario, progress=False))
    assert any("below 1%" in text for text in found.warnings)


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"window": 0}, "window must be a share above 0"),
        ({"window": float("nan")}, "window must be a share above 0"),
        ({"window": "0.1"}, "window must be a share above 0"),
        ({"window": True}, "window must be a share above 0"),
        ({"window": 1e-9, "span": 1.0}, "windows"),
        ({"span": 2}, "span must be a share above 0"),
        ({"points": 0}, "points must be"),
        ({"way": 0}, "way must be -1"),
        ({"permanent": 1.5}, "permanent must be a share in"),
        ({"half_life_s": -1}, "half_life_s must be a finite number above 0"),
    ],
)
def test_a_wrong_question_is_refused_by_name(keywords: dict[str, Any], says: str) -> None:
    with pytest.raises((oc.InputError, oc.InputTypeError), match=says):
        criticality(oc.scenarios.load("btc-cascade"), **keywords)


def test_only_tapes_and_scenarios_are_asked() -> None:
    with pytest.raises(oc.InputTypeError, match="source must be a Tape or a Scenario, got str"):
        criticality("t2a")  # type: ignore[arg-type]
    with pytest.raises(oc.InputTypeError, match="must be a Tape"):
        tree(oc.scenarios.load("t2a"))  # type: ignore[arg-type]
    with pytest.raises(oc.InputTypeError, match="with a market"):
        criticality(oc.Scenario.from_toml('schema = 1\nname = "empty"'))
    with pytest.raises(oc.InputError, match="sigma must be"):
        SquareRootImpact(sigma=0.0, volume=1.0)
    with pytest.raises(oc.InputError, match="depth must be"):
        LinearImpact(math.inf)


def test_the_same_answer_comes_as_plain_values_and_as_text() -> None:
    import json

    found = criticality(oc.run(oc.scenarios.load("contagion"), progress=False))
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["spectral_radius"] == found.r_initial
    assert plain["r_max_step"] in found.path.step  # type: ignore[union-attr]
    assert str(found).startswith("Criticality of contagion, falling")
    assert "K over BTCUSDT, ETHUSDT" in str(found)


@pytest.mark.parametrize("name", ["t2a", "contagion"])
def test_its_pictures_are_drawn(name: str) -> None:
    pytest.importorskip("matplotlib")
    tape = oc.run(oc.scenarios.load(name), progress=False)
    assert len(criticality(tape).picture().axes) == 3
    assert len(criticality(oc.scenarios.load(name)).picture().axes) == 1
    drawn = tree(tape).picture().axes[0]
    assert sum(len(each.get_offsets()) for each in drawn.collections) == len(tree(tape))
