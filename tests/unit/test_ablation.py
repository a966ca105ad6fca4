"""Safeguards alone, together and left out, over the same seeds."""

from __future__ import annotations

import json
import math
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ordercascade as oc
from ordercascade import safeguards
from ordercascade.analysis import Ablation, ablation
from ordercascade.analysis.compared import METRICS, numbers
from ordercascade.analysis.statistics import interval, t_quantile
from ordercascade.summary import losses
from unit.plain_crowd import SALE, plain_crowd

pytest.importorskip("ordercascade.core.world")

SMALL = plain_crowd("small", seed=3, accounts=200, median=12_000) + SALE


@pytest.fixture(scope="module")
def small() -> oc.Scenario:
    return oc.Scenario.from_toml(SMALL)


@pytest.fixture(scope="module")
def found(small: oc.Scenario) -> Ablation:
    return ablation(small, seeds=6)


def of(found: Ablation, column: str, metric: str) -> Any:
    place = [each.name for each in METRICS].index(metric)
    return found.values[found.names.index(column), :, place]


def test_there_is_a_column_for_none_each_all_and_all_but_each(found: Ablation) -> None:
    names = [each.name for each in safeguards.safeguards()]
    assert {*found.left_out, *(each.name for each in found.switches)} >= set(names)
    on = [each.name for each in found.switches]
    together = [name for name in on if name not in found.not_in_all]
    wanted = ["baseline", *on, "all", *(f"all but {name}" for name in together)]
    assert [name for name in wanted if name not in found.left_out] == list(found.names)
    assert found.columns[0].on == ()
    assert found.columns[found.names.index("all")].on == tuple(together)
    for column in found.columns:
        if column.name.startswith("all but "):
            gone = column.name.removeprefix("all but ")
            assert column.on == tuple(name for name in together if name != gone)


def test_the_baseline_of_a_scenario_with_nothing_on_is_the_scenario(
    small: oc.Scenario, found: Ablation
) -> None:
    """Same state hash, so every number is the same; each seed by itself."""
    config = found.columns[0].config
    own = oc.run(oc.Scenario(config), progress=False)
    assert own.state_hash() == oc.run(small, progress=False).state_hash()
    for place, seed in enumerate(found.seeds):
        tape = oc.run(small.set(f"seed={seed}"), progress=False)
        assert numbers(tape) == found.values[0, place].tolist()


def test_every_column_is_the_scenario_with_those_keys(small: oc.Scenario, found: Ablation) -> None:
    """What `--set` would give, for one key each."""
    said = {
        "fund": "venue.fund.balance=1_000_000",
        "social": "venue.social=true",
        "limit": 'venue.limit="bankruptcy"',
        "liquidation_fee": "venue.liquidation_fee=0.005",
    }
    for name, key in said.items():
        row = found.values[found.names.index(name), 2]
        tape = oc.run(small.set(key, f"seed={found.seeds[2]}"), progress=False)
        assert numbers(tape) == row.tolist()


def test_a_safeguard_of_the_scenario_is_taken_off_for_the_baseline_and_keeps_its_value() -> None:
    scenario = oc.scenarios.load("btc-cascade")
    made = ablation(scenario, ["fund", "tranches"], seeds=1)
    assert {each.name: each.on for each in made.switches} == {"fund": "25000", "tranches": "0.2"}
    venue = made.columns[0].config.venue[0]
    assert venue.fund is not None
    assert venue.liquidation is not None
    assert (venue.fund.balance, venue.liquidation[0].kind) == (0, "full")
    whole = made.columns[made.names.index("all")].config
    own = oc.run(oc.Scenario(whole), progress=False)
    assert own.state_hash() == oc.run(scenario, progress=False).state_hash()


def test_a_fund_pays_what_was_bad_debt_and_nothing_else_changes(found: Ablation) -> None:
    assert of(found, "baseline", "bad_debt").sum() > 0
    assert of(found, "fund", "bad_debt").sum() == 0
    paid = of(found, "fund", "fund_draw")
    assert paid == pytest.approx(of(found, "baseline", "bad_debt"))
    for metric in ("r", "liquidated", "price_move", "users_loss"):
        assert of(found, "fund", metric) == pytest.approx(of(found, "baseline", metric))


def test_the_numbers_are_those_of_the_summary_in_people_s_units(
    small: oc.Scenario, found: Ablation
) -> None:
    s = oc.run(small, progress=False).summary()
    row = dict(zip((each.name for each in METRICS), found.values[0, 0].tolist(), strict=True))
    assert row["price_move"] == 100 * (s["first_mark"] - s["lowest_mark"]) / s["first_mark"] > 0
    assert row["liquidated"] == pytest.approx(sum(s["notional_liquidated"].values()) / 10**6)
    for name, key in (("bad_debt", "bad_debt"), ("users_loss", "users_loss")):
        assert s[key] > 0
        assert row[name] == pytest.approx(s[key] / 10**6)


def test_common_random_numbers_make_differences_narrower_than_means(found: Ablation) -> None:
    _, low, high = found.mean("liquidation_fee", "users_loss")
    _, least, most = found.difference("liquidation_fee", "users_loss")
    assert most - least < (high - low) / 2
    assert found.difference("baseline", "r") == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_any_executor_gives_the_same_numbers(pool: Any, small: oc.Scenario) -> None:
    names = ["fund", "tranches"]
    alone = ablation(small, names, seeds=3)
    with pool(2) as executor:
        shared = ablation(small, names, seeds=3, executor=executor)
    assert np.array_equal(alone.values, shared.values, equal_nan=True)


def test_a_safeguard_that_is_registered_later_takes_part_by_itself(
    small: oc.Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {name: each for name, each in safeguards._KNOWN.items() if name != "exit_buffer"}
    monkeypatch.setattr(safeguards, "_KNOWN", others)
    read, put = safeguards._rate("exit_buffer")
    mine = safeguards.Safeguard("mine", "mine", "share", "share", "0.03", read, put)
    safeguards.register(mine)
    assert "mine" in ablation(small, seeds=1).names
    assert "all but mine" in ablation(small, ["mine", "fund"], seeds=1).names


def test_what_a_scenario_cannot_have_is_left_out_with_the_reason() -> None:
    """A book of single levels has no middle of its own, so nothing says what an index would be."""
    book = 'bids = [["59999", "5"], ["59000", "9"]], asks = [["60001", "5"]]'
    text = SMALL.replace(
        'kind = "ladder", mid = 60_000.5, step = 20, levels = 250, size = 0.2', book
    )
    scenario = oc.Scenario.from_toml(text.replace("{ bids", '{ kind = "levels", bids'))
    made = ablation(scenario, seeds=1)
    idle = ["haircut", "margin_calls", "lag_pause", "gas_pause"]
    marks = ["oracle", "median_mark", "median3", "clamp"]
    assert [name for name in made.left_out if name not in idle] == marks
    assert "needs an index price of BTCUSDT" in made.left_out["oracle"]
    assert "left out: oracle: " in str(made)
    with pytest.raises(oc.InputError, match="oracle.*cannot be had here"):
        ablation(scenario, ["oracle"], seeds=1)
    with pytest.raises(oc.InputError, match="safeguards.fund cannot be had here"):
        ablation(scenario, {"fund": "-1"}, seeds=1)


@pytest.mark.parametrize(
    ("arguments", "keywords", "says"),
    [
        ((["funds"],), {}, r"safeguards must be one of .*did you mean 'fund'"),
        (("fund",), {}, "names in a list"),
        (({"fund": 5},), {}, "must be a str such as"),
        ((), {"seeds": 0}, "seeds must be"),
        ((), {"seeds": 1.5}, "seeds must be an int"),
        ((), {"seeds": True}, "seeds must be an int"),
        ((), {"seeds": "3"}, "seeds must be an int"),
        ((), {"seeds": []}, "at least one"),
        ((), {"seeds": [1, 1]}, "none twice"),
        ((), {"seeds": [-1]}, "seeds must be"),
        ((), {"confidence": 1.0}, "confidence must be above 0 and below 1"),
        ((), {"confidence": float("nan")}, "confidence must be"),
        ((), {"method": "z"}, "method must be t or bootstrap"),
        (({"tranches": "2"},), {}, "cannot be had here"),
    ],
)
def test_a_wrong_ablation_is_refused_by_name(
    small: oc.Scenario, arguments: tuple[Any, ...], keywords: dict[str, Any], says: str
) -> None:
    with pytest.raises((oc.InputError, oc.InputTypeError), match=says):
        ablation(small, *arguments, **keywords)


def test_only_scenarios_are_ablated_and_only_their_columns_asked(found: Ablation) -> None:
    with pytest.raises(oc.InputTypeError, match="scenario must be a Scenario, got str"):
        ablation("t2a")  # type: ignore[arg-type]
    with pytest.raises(oc.InputError, match="column must be one of"):
        found.mean("funds", "r")
    with pytest.raises(oc.InputError, match="metric must be one of"):
        found.mean("fund", "rr")


def test_a_seed_alone_has_no_interval(small: oc.Scenario) -> None:
    made = ablation(small, ["fund"], seeds=[9])
    mean, low, high = made.mean("fund", "liquidated")
    assert mean > 0
    assert math.isnan(low)
    assert math.isnan(high)
    assert "one seed: no intervals" in str(made)
    assert made.names == ("baseline", "fund")


def test_it_is_told_as_text_as_html_and_as_plain_values(found: Ablation) -> None:
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["columns"][0]["name"] == "baseline"
    assert plain["columns"][1]["r"]["mean"]["mean"] == found.mean(found.names[1], "r")[0]
    lines = str(found).splitlines()
    heads = {line.split("  ")[0] for line in lines}
    none, whole = found.same()
    assert set(found.names) - heads == {*none, *whole} > {"adl", "adl_early"}
    assert f"no effect here: {', '.join(none)}" in lines
    gone = ", ".join(name.removeprefix("all but ") for name in whole)
    assert f"no different from all without any one of: {gone}" in lines
    assert [each["name"] for each in plain["columns"]] == list(found.names)
    assert all(f"<th>{name}</th>" in found._repr_html_() for name in found.names)


def test_its_picture_has_a_panel_a_number_and_a_point_a_column(found: Ablation) -> None:
    pytest.importorskip("matplotlib")
    panels = found.picture().axes
    assert len(panels) == len(METRICS)
    for axes, metric in zip(panels, METRICS, strict=True):
        points = [line for line in axes.lines if line.get_marker() in "sDov"]
        known = [name for name in found.names if math.isfinite(found.mean(name, metric.name)[0])]
        assert len(points) == len(known)


# Intervals.


@pytest.mark.parametrize(
    ("confidence", "freedom", "table"),
    [(0.95, 1, 12.706), (0.95, 2, 4.303), (0.95, 9, 2.262), (0.99, 10, 3.169), (0.9, 30, 1.697)],
)
def test_students_t_is_the_printed_table(confidence: float, freedom: int, table: float) -> None:
    """Abramowitz and Stegun, Table 26.10."""
    assert round(t_quantile(confidence, freedom), 3) == table


def test_an_interval_holds_the_true_mean_as_often_as_it_says() -> None:
    """600 samples of 8 normal numbers: 95 % within three standard errors, by both methods."""
    draw = np.random.default_rng(5).normal(3.0, 2.0, (600, 8))
    held = np.mean([low <= 3 <= high for _, low, high in (interval(x, 0.95, "t") for x in draw)])
    assert abs(held - 0.95) < 3 * math.sqrt(0.95 * 0.05 / 600)
    many = np.random.default_rng(6).normal(3.0, 2.0, (150, 60))
    spans = [interval(x, 0.95, "bootstrap") for x in many]
    assert np.mean([low <= 3 <= high for _, low, high in spans]) > 0.87


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), min_size=1, max_size=12))
def test_what_is_not_there_is_left_out_of_a_mean(values: list[float]) -> None:
    known = [value for value in values if not math.isnan(value)]
    for method in ("t", "bootstrap"):
        mean, low, high = interval(np.array(values), 0.9, method)  # type: ignore[arg-type]
        if not known:
            assert math.isnan(mean)
        else:
            assert mean == pytest.approx(np.mean(known))
            assert (len(known) < 2) == math.isnan(low)
            assert not high < low


@pytest.mark.parametrize("name", ["t2a", "btc-cascade", "contagion", "coin-margin", "depeg"])
def test_an_ablation_takes_the_numbers_of_the_summary(name: str) -> None:
    tape = oc.run(oc.scenarios.load(name), progress=False)
    told = losses(tape.tables, tape.meta)
    assert told["users_loss"] > 0
    assert told.items() <= tape.summary().items()
