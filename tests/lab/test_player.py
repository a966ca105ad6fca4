"""The view-model against the tape itself, step by step, forwards and backwards."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from lab.random_runs import tape
from ordercascade import InputError, Scenario, Side, StepKind, Tape, World, run, scenarios
from ordercascade.lab.levels import GONE, NOW, REST, levels_of
from ordercascade.lab.player import JUMPS, TREE_SHOWN, Player
from ordercascade.lab.view import View

WIDE = (0, 2**31)


def books(run_of: Tape, k: int, market: int) -> list[dict[int, int]]:
    """Return each side's size by price after step k, by replaying every change: slow, obvious."""
    found: list[dict[int, int]] = [{}, {}]
    table = run_of.levels
    rows = np.flatnonzero((table["step"] <= k) & (table["market"] == market))
    for row in rows.tolist():
        found[int(table["side"][row])][int(table["price"][row])] = int(table["size_after"][row])
    return [{p: size for p, size in side.items() if size} for side in found]


def eaten(run_of: Tape, first: int, last: int, market: int) -> list[Counter[int]]:
    """Return the lots traded away at each price of each side in the steps first to last."""
    found: list[Counter[int]] = [Counter(), Counter()]
    table = run_of.fills
    step = table["step"]
    for row in np.flatnonzero((step >= first) & (step <= last) & (table["market"] == market)):
        side = 1 - int(table["taker_side"][row])
        found[side][int(table["price"][row])] += int(table["size"][row])
    return found


def same(a: View, b: View) -> bool:
    """Return whether two views are equal, arrays and nan included."""
    for name in View.__slots__:
        one, two = getattr(a, name), getattr(b, name)
        if name == "depth":
            alike = np.array_equal(one.x, two.x) and np.array_equal(one.y, two.y, equal_nan=True)
        elif isinstance(one, float):
            alike = one == two or (math.isnan(one) and math.isnan(two))
        elif name == "ratios":
            alike = np.array_equal(one, two, equal_nan=True)
        else:
            alike = one == two
        if not alike:
            return False
    return True


@pytest.mark.parametrize("number", range(50))
def test_every_step_shows_what_the_tape_says(number: int) -> None:
    run_of = tape(number)
    player = Player(run_of)
    there: list[View] = []
    for k in range(-1, len(run_of)):
        frame = run_of.frame(k, venue=player.venue, market=player.market)
        book, now = books(run_of, k, player.market), eaten(run_of, k, k, player.market)
        before = eaten(run_of, 0, k - 1, player.market)
        if k < 0:
            now, before = [Counter(), Counter()], [Counter(), Counter()]
        for side, levels in zip(Side, levels_of(frame, WIDE), strict=True):
            for row, want in ((REST, book[side]), (NOW, now[side]), (GONE, before[side])):
                shown = levels.lots[row]
                pairs = zip(levels.price.tolist(), shown.tolist(), strict=True)
                kept = {price: lots for price, lots in pairs if lots}
                assert kept == {p: n for p, n in want.items() if n}
        there.append(player.at(k))
        words(run_of, there[-1])
    for k in range(len(run_of) - 1, -2, -1):
        assert same(player.at(k), there[k + 1])
    want = run_of.summary()["r_by_generation"]
    assert [r for r in there[-1].ratios] == pytest.approx(
        [math.nan if r is None else r for r in want][: len(there[-1].ratios)], nan_ok=True
    )


def words(run_of: Tape, view: View) -> None:
    """Compare what a view says about its step with the tape's row."""
    if view.k < 0:
        assert view.kind == "opening"
        return
    step = run_of.steps.row(view.k)
    assert (view.parent, view.generation) == (step["parent"], step["generation"])
    row = int(np.searchsorted(run_of.liquidations["step"], view.k))
    if step["kind"] == StepKind.LIQUIDATION:
        at = run_of.liquidations.row(row)
        assert view.side == ("long" if at["side"] == Side.ASK else "short")
        assert (view.tranche, view.levels_eaten) == (at["tranche"], at["levels_eaten"])
        assert view.account.removeprefix("account ") in view.status
        assert view.rows and "now" in {each.state for each in view.rows}
    else:
        assert view.side == ""
    fell = run_of.liquidations["step"] <= view.k
    scopes = set(run_of.liquidations["scope"][fell].tolist())
    assert view.fallen == len(scopes)
    assert [each.ratio for each in view.rows] == sorted(each.ratio for each in view.rows)
    assert [entry[0] for entry in view.log] == sorted((e[0] for e in view.log), reverse=True)


@pytest.mark.parametrize("number", [0, 7, 21])
@pytest.mark.parametrize("cumulative", [True, False])
def test_the_picture_has_the_heights_of_the_levels(number: int, cumulative: bool) -> None:
    run_of = tape(number)
    player = Player(run_of)
    for k in range(-1, len(run_of), 3):
        depth = player.at(k, cumulative=cumulative, zoom=False).depth
        assert len(depth.x) <= 402
        assert np.nanmax(depth.y) <= depth.top * (1 + 1e-12)
        frame = player.frame(k, zoom=False)
        sides = levels_of(frame, player.reach.ticks(False), depth.group)
        tick, lot = float(player.units.tick), float(player.units.lot)
        for side in sides:
            high = side.cumulative() if cumulative else np.cumsum(side.lots[::-1], axis=0)[::-1]
            for at in range(len(side.price)):
                row = next(row for row in (NOW, REST, GONE) if side.lots[row, at])
                want = (high[at] if cumulative else high[row, at]) * lot
                where = np.searchsorted(depth.x, side.price[at] * tick, side="right") - 1
                # A long curve is thinned: there a level may show a neighbour's height.
                near = 3 if cumulative and len(side.price) > 120 else 0
                ends = high[max(0, at - near) : at + near + 1] if near else [want / lot]
                low, top = min(ends) * lot, max(ends) * lot
                assert low - 1e-9 <= depth.y[row, where] <= top + 1e-9, (k, side.price[at])
                # And on to the end of the step: a curve that stops at its start draws nothing.
                assert np.isfinite(depth.y[row, where + 1]), (k, side.price[at])


def test_jumps_land_on_what_they_name_and_nowhere_else() -> None:
    player = Player(run(scenarios.load("thin-book"), progress=False))
    kinds = player.tape.steps["kind"]
    for to in JUMPS:
        seen, k = [], -1
        while (later := player.jump(k, to)) != k:
            seen.append(k := later)
        back = []
        while (earlier := player.jump(k, to, back=True)) != k:
            back.append(k := earlier)
        assert back == seen[:-1][::-1]
        if to == "liquidation":
            assert seen == np.flatnonzero(kinds == StepKind.LIQUIDATION).tolist()
        if to == "ADL":
            assert seen == np.flatnonzero(kinds == StepKind.ADL).tolist()
            assert seen
        if to == "fund draw":
            assert all(player.frame(k).fund < player.frame(k - 1).fund for k in seen)
            assert seen
    with pytest.raises(InputError, match="^jump must be one of liquidation"):
        player.jump(0, "moon")  # type: ignore[arg-type]


def test_a_tip_tells_size_cumulative_value_and_share() -> None:
    """t2a: bids of 10 at 100, 99, …; the shock of 15 ate 10 at 100 and 5 at 99.

    From 100 down to 98: 30 lots, 100*10 + 99*10 + 98*10 = 2,970 USD, of 210 on the bid side.
    """
    player = Player(run(scenarios.load("t2a"), progress=False))
    assert player.tip(0, 99.2).splitlines() == [
        "bid 99",
        "5 lots eaten now, 5 lots resting",
        "cumulative 20 lots, 1,990 USD",
        "9.5 % of the opening bids",
    ]
    assert player.tip(0, 98).splitlines()[2] == "cumulative 30 lots, 2,970 USD"


def test_short_squeezes_eat_asks() -> None:
    player = Player(run(scenarios.load("short-squeeze"), progress=False))
    k = player.jump(-1, "liquidation")
    view = player.at(k)
    assert view.side == "short"
    best = player.frame(-1).asks[0, 0] * float(player.units.tick)
    shown = view.depth.x[np.isfinite(view.depth.y[NOW])]
    assert shown[:-1].min() >= best - 1


def test_parents_stand_before_children_in_the_tree() -> None:
    player = Player(run(scenarios.load("btc-cascade"), progress=False))
    for k in (0, 50, 200, player.count - 1):
        nodes = player.tree(k)
        seen: set[int] = set()
        for node in nodes:
            assert node.parent == -1 or node.parent in seen
            assert node.step <= k
            seen.add(node.step)
        assert len(nodes) <= 2 * TREE_SHOWN
        places = [(n.generation, n.place) for n in nodes]
        assert len(set(places)) == len(places)


def test_a_comparison_reaches_over_both_runs() -> None:
    one, two = (Player(tape(number)) for number in (1, 2))
    low = min(player.span(zoom=True)[0] for player in (one, two))
    high = max(player.span(zoom=True)[1] for player in (one, two))
    for player in (one, two):
        player.widen(low, high, zoom=True)
        assert player.span(zoom=True) != player.span(zoom=False)
        reach = player.reach.ticks(True)
        tick = float(player.units.tick)
        assert (reach[0] * tick, reach[1] * tick) == pytest.approx((low, high), abs=tick)


def test_a_run_of_100_000_steps_shows_no_more_than_a_short_one() -> None:
    """An outside price that goes up and down: nothing of a view may grow with what was before."""
    player = Player(many_steps())
    assert player.count >= 100_000
    views = [player.at(k) for k in (-1, 0, 17, 50_000, player.count - 1)]
    for view in views:
        assert len(view.rows) <= 12
        assert len(view.log) <= 14
        assert len(view.tree) <= 2 * TREE_SHOWN
        assert len(view.depth.x) <= 402
    assert len(player.path.step) <= 2_002
    assert same(player.at(50_000), views[3])
    assert views[3].mark == float(
        player.tape.marks["mark"][player.tape.marks["step"] <= 50_000][-1]
    )


def many_steps() -> Tape:
    """Return a run of 100,000 mark changes with one account that never falls."""
    world = World(Scenario.from_toml(MANY))
    for number in range(100_000):
        world._open().schedule_index((1 + number) * 10**9, 0, 0, 100 + number % 2)
    world.run()
    return world.tape()


MANY = """
schema = 1
name = "many"
[[venue]]
name = "v"
[[venue.market]]
name = "AUSD"
tick_size = 1
lot_size = 1
settle = "USD"
decimals = 0
oracle = { kind = "index", index = 101 }
book = { kind = "ladder", mid = 100.5, step = 1, levels = 20, size = 10 }
[[venue.account]]
name = "A"
position = [{ market = "AUSD", side = "long", size = 10, entry_price = 100, collateral = 500 }]
"""


def test_an_account_handed_over_without_an_order_is_no_longer_near() -> None:
    player = Player(run(scenarios.load("lost-hedge"), progress=False))
    near = [[row.name for row in player.at(k).rows] for k in range(player.count)]
    assert "account writer" in near[1]
    assert all("account writer" not in rows for rows in near[2:])
    assert "account hedged" in near[-1]
