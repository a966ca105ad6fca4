"""From a scenario to a tape: the compiled engine and the twin behind the same doors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import ordercascade as oc
from ordercascade.run import build
from reference import world as twin

SMALL = ["short-squeeze", "t2a", "two-market-cross"]


@pytest.mark.parametrize("name", SMALL)
def test_both_engines_take_the_same_steps(name: str) -> None:
    scenario = oc.scenarios.load(name)
    compiled, slow = build(scenario).world, build(scenario, twin).world
    while compiled.step() >= 0:
        pass
    while slow.step() >= 0:
        pass
    for table in ("steps", "fills", "liquidations", "levels", "adl"):
        rows = slow.tables.rows(table)
        assert compiled.log.rows(table) == len(rows)
        for column in rows[0] if rows else ():
            found = compiled.log.column(table, column).tolist()
            assert found == [row[column] for row in rows], (table, column)


def test_the_golden_trace_comes_out_of_its_file() -> None:
    """TARGETS T2a: 45 lots, final price 95, volumes 15, 10, 20, 15, 0."""
    summary = oc.run(oc.scenarios.load("t2a"), progress=False).summary()
    assert summary["last_price"] == 95
    assert summary["lots_liquidated"] == {"TOY": 45}
    assert summary["generations"] == 3
    assert summary["accounts_liquidated"] == 3


def test_the_short_squeeze_climbs_and_keeps_the_isolated_loss_isolated() -> None:
    scenario = oc.scenarios.load("short-squeeze")
    with oc.World(scenario) as world:
        world.run()
        assert world.tape().summary()["last_price"] == 107
        toy = world.venue("toy")
        # E bought 10 at 107: 70 of the 166 are lost, the rest comes back beside the 500.
        equity = sum(standing.equity for standing in toy.standing("E"))
        assert equity == 500 + 166 - 70
        assert toy.position("D", "TOY") == -20


def test_a_fall_in_one_market_liquidates_a_holder_of_the_other() -> None:
    tape = oc.run(oc.scenarios.load("two-market-cross"), progress=False)
    summary = tape.summary()
    assert summary["lots_liquidated"] == {"ALPHA": 0, "BETA": 90}
    assert summary["by_market"]["BETA"]["last_price"] == 92


def test_the_demo_is_a_real_cascade() -> None:
    summary = oc.run(oc.scenarios.load("btc-cascade"), progress=False).summary()
    assert summary["generations"] >= 8
    assert summary["accounts_liquidated"] >= 60
    assert summary["fund_paid"] > 0
    assert summary["adl_lots"] > 0
    assert summary["money_check"] == {"USDT": 0}
    assert summary["bounds_reached"] == 0


def test_contagion_goes_through_cross_scopes_and_through_nothing_else() -> None:
    shipped = oc.scenarios.load("contagion")
    joined = oc.run(shipped, progress=False).summary()
    apart = oc.run(shipped.set("population[2].cross_share=0"), progress=False).summary()
    assert joined["by_market"]["ETHUSDT"]["price_move_ppm"] < -5_000
    assert joined["lots_liquidated"]["ETHUSDT"] > 0
    assert apart["by_market"]["ETHUSDT"]["price_move_ppm"] == 0
    assert apart["lots_liquidated"]["ETHUSDT"] == 0
    assert apart["lots_liquidated"]["BTCUSDT"] > 0


def test_a_tenth_of_the_depth_is_more_than_the_fund_can_bear() -> None:
    deep, thin = (oc.scenarios.load(name) for name in ("btc-cascade", "thin-book"))
    assert oc.run(deep, progress=False).summary()["bad_debt"] == 0
    summary = oc.run(thin, progress=False).summary()
    assert summary["bad_debt"] > 0
    assert summary["fund_paid"] > 0
    assert summary["price_move_ppm"] < -100_000


@pytest.mark.parametrize(("size", "r"), [("0.02", 0.2), ("0.05", 0.5), ("0.08", 0.8)])
def test_the_uniform_ladder_falls_by_one_over_one_minus_r(size: str, r: float) -> None:
    """The tick of 0.01 may leave one undone in each round, and the sale itself starts one off."""
    tape = oc.run(oc.scenarios.load("uniform-ladder", f"population.size={size}"), progress=False)
    marks = tape.marks.to_numpy()["mark"]
    fall = (int(marks[0]) - int(marks[-1])) / 100
    rounds = tape.summary()["rounds"]
    assert 1 / (1 - r) - 0.01 * (rounds + 1) / (1 - r) <= fall <= 1 / (1 - r)


def test_a_world_forks_and_both_end_alike() -> None:
    world = oc.World(oc.scenarios.load("short-squeeze"))
    world.run(4)
    other = world.fork()
    assert other.state_hash() == world.state_hash()
    world.run()
    assert other.state_hash() != world.state_hash()
    other.run()
    assert other.state_hash() == world.state_hash()
    assert other.tape().state_hash() == world.tape().state_hash()


def test_the_world_at_a_step_is_the_one_that_was_stepped_there() -> None:
    scenario = oc.scenarios.load("t2a")
    by_hand = oc.World(scenario)
    assert oc.world_at(scenario, -1).state_hash() == by_hand.state_hash()
    for step in range(4):
        assert by_hand.step() == step
        assert oc.world_at(scenario, step).state_hash() == by_hand.state_hash()


def test_a_closed_world_refuses_by_name() -> None:
    world = oc.World(oc.scenarios.load("t2a"))
    with world:
        world.step()
    with pytest.raises(ValueError, match="engine is closed"):
        world.step()
    assert "closed" in repr(world)


def test_progress_hears_of_every_step() -> None:
    heard: list[int] = []
    tape = oc.run(oc.scenarios.load("t2a"), progress=heard.append)
    assert sum(heard) == len(tape.steps)


def test_the_tape_names_scenario_seed_inputs_and_units() -> None:
    scenario = oc.scenarios.load("btc-cascade")
    meta = oc.run(scenario, progress=False).meta
    assert meta["name"] == "btc-cascade"
    assert meta["config_hash"] == scenario.config_hash()
    assert meta["inputs"] == {}
    assert oc.Scenario.from_toml(meta["scenario"], base=scenario.base).to_toml() == meta["scenario"]
    assert meta["markets"][0]["tick_size"] == "0.1"
    assert meta["populations"] == [{"venue": 0, "name": "trader", "first": 1, "count": 2000}]


def test_the_state_hash_is_the_same_in_another_process() -> None:
    code = (
        "import ordercascade as oc;"
        "print(oc.run(oc.scenarios.load('short-squeeze'), progress=False).state_hash())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "77", "PYTHONPATH": ":".join(sys.path)},
    )
    here = oc.run(oc.scenarios.load("short-squeeze"), progress=False).state_hash()
    assert done.stdout.strip() == here


def test_a_transfer_must_name_an_account_there_is() -> None:
    text = oc.scenarios.load("t2a").to_toml()
    for name, fits in (("A", True), ("Z", False)):
        added = f'\n[[transfer]]\nat_s = 2\naccount = "{name}"\namount = 5\n'
        scenario = oc.Scenario.from_toml(text + added)
        if fits:
            oc.World(scenario).run()
            continue
        with pytest.raises(oc.ConfigError, match=r"transfer\[0\]\.account: must be an account"):
            oc.World(scenario)


def test_importing_the_package_stays_cheap() -> None:
    """The figure (40 ms) is bench's; here: no scenario code, no optional library is loaded."""
    code = "import sys, ordercascade; print(*(m for m in sys.modules if 'ordercascade' in m))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(oc.__file__).parents[1])},
    )
    assert done.stdout.split() == ["ordercascade"]


def test_run_is_the_function_even_after_its_module_was_imported() -> None:
    import ordercascade.run  # noqa: F401

    assert callable(oc.run)
    assert oc.__all__ == sorted(oc.__all__, key=lambda name: (not name.isupper(), name))
    for name in oc.__all__:
        assert getattr(oc, name) is not None
