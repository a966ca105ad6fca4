"""The worked examples of the venues: each holds, or says which stage it waits for."""

from __future__ import annotations

import csv
import json
import math
import os
import random
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectors import run

SHARED = Path(os.environ.get("ORDERCASCADE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
FILE = SHARED / "vectors" / "venues.json"
FOUND = run.vectors(FILE) if FILE.is_file() else []


@pytest.fixture(scope="module")
def how(shared: Path) -> dict[str, dict[str, str]]:
    """Return each vector's row of applicability.csv."""
    text = (shared / "vectors" / "applicability.csv").read_text("utf-8")
    return {row["id"]: row for row in csv.DictReader(text.splitlines())}


def test_the_vectors_are_there(shared: Path) -> None:
    assert len(run.vectors(shared / "vectors" / "venues.json")) == 189


@pytest.mark.parametrize("vector", FOUND, ids=[vector["id"] for vector in FOUND])
def test_a_vector(vector: dict[str, Any], how: dict[str, dict[str, str]]) -> None:
    """Each passes, in the engine where it must; optional ones may wait; other parts are apart."""
    row = how[vector["id"]]
    result = run.judge(vector)
    assert result.outcome != "failed", result.why
    if row["issue"] == "safeguards":
        assert result.outcome == "passed", result.why
    elif row["issue"] != "margin":
        assert result.outcome == "not applicable"
    elif row["how"] == "optional":
        assert result.outcome in ("passed", "not yet")
    else:
        assert result.outcome == "passed", result.why


def vector(**changes: Any) -> dict[str, Any]:
    inputs = {"floor": 50, "mmr": 0.05, "mmr_prev": 0.025, "cum_prev": 0.56}
    return {
        "id": "x",
        "venue": "v",
        "kind": "margin_requirement",
        "inputs": inputs,
        "expected": {"cum": 1.81},
    } | changes


def written(path: Path, *found: dict[str, Any]) -> str:
    file = path / "some.json"
    file.write_text(json.dumps({"meta": {}, "vectors": found}), "utf-8")
    return str(file)


def test_the_runner_counts_by_venue_and_ends_with_0_without_failures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adl = vector(id="y", venue="w", kind="adl_rank", inputs={"fields": ""})
    assert run.main([written(tmp_path, vector(), adl)]) == 0
    text = capsys.readouterr().out
    counts = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    assert counts["total"] == ["1", "0", "0", "1"]
    assert "not yet:\n  w y: the engine lacks ADL" in text


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"expected": {"cum": 1.82}}, "cum: expected 1.82, got 1.81"),
        ({"expected": {"cum": 1.81, "other": 1}}, "other: no answer"),
        ({"inputs": {"floor": 50}}, "no form of kind 'margin_requirement' has the keys floor"),
        ({"kind": "portfolio"}, "no form of kind 'portfolio'"),
        ({"inputs": vector()["inputs"] | {"more": 1}}, "has the keys floor, mmr"),
        ({"inputs": vector()["inputs"] | {"mmr": "x"}}, "ValueError"),
    ],
)
def test_what_does_not_hold_or_is_not_understood_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], why: str
) -> None:
    assert run.main([written(tmp_path, vector(**changes))]) == 1
    assert why in capsys.readouterr().out


def test_the_tolerance_is_the_vector_s_own() -> None:
    near = vector(expected={"cum": 1.82}, tolerance=0.01)
    assert run.judge(near).outcome == "passed"
    assert run.judge(near | {"tolerance": 0.009}).outcome == "failed"
    assert run.judge(near | {"tolerance": 0, "tolerance_rel": 0.006}).outcome == "passed"


def test_a_wrong_bankruptcy_price_of_an_inverse_contract_fails() -> None:
    inputs = {"side": "long", "entry": 7890.08, "leverage": 50, "tick": 0.5}
    price = vector(kind="bankruptcy", venue="bybit_inverse", inputs=inputs)
    good = price | {"expected": {"bankruptcy_price_rounded": 7735.5}}
    assert run.judge(good).outcome == "passed"
    assert run.judge(price | {"expected": {"bankruptcy_price_rounded": 1}}).outcome == "failed"


def test_a_flow_that_asserts_something_else_fails() -> None:
    (flow,) = [found for found in FOUND if found["id"] == "vega-flow-02"]
    steps = [dict(step) for step in flow["inputs"]["steps"]]
    (at, *_) = [k for k, step in enumerate(steps) if step["op"] == "assert_mark"]
    steps[at] = steps[at] | {"args": ["148", "ETH/DEC19"]}
    result = run.judge(flow | {"inputs": flow["inputs"] | {"steps": steps}})
    assert result.outcome == "failed"
    assert "assert_mark: mark: expected 148, got 149" in result.why


def test_a_file_of_another_form_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_text("[]")
    assert run.main([str(tmp_path / "a.json")]) == 2
    assert run.main([str(tmp_path / "none.json")]) == 2
    assert run.main([]) == 2
    assert "must be an object with a list 'vectors'" in capsys.readouterr().err


# Unseen vectors of the same forms: drawn inputs, and MARGIN §3's formulas as what is expected.

PRICES = st.decimals("0.0001", 90_000, places=4)
SIZES = st.decimals("0.001", 500, places=3)


def drawn(kind: str, venue: str, inputs: dict[str, Any], want: Fraction) -> dict[str, Any]:
    made = {
        key: float(value) if isinstance(value, Decimal) else value for key, value in inputs.items()
    }
    made = json.loads(json.dumps(made))  # as a file would bring it
    return {
        "id": "drawn",
        "venue": venue,
        "kind": kind,
        "inputs": made,
        "expected": {"liq_price": float(want)},
        "tolerance_rel": 1e-6,
        "tolerance": 1e-6,
    }


@settings(max_examples=60)
@given(PRICES, SIZES, st.integers(2, 50), st.sampled_from(["long", "short"]), st.integers(1, 30))
def test_drawn_vectors_of_the_published_formulas_hold(
    entry: Decimal, size: Decimal, leverage: int, side: str, per_mille: int
) -> None:
    """P = (W + cum - s q E) / (q (mmr + f) - s q); at entry E - s (IM - MM) / q."""
    s, q, e = {"long": 1, "short": -1}[side], Fraction(size), Fraction(entry)
    mmr, fee = Fraction(per_mille, 1000), Fraction("0.0006")
    wallet = round(q * e / leverage, 2)
    if wallet <= q * e * (mmr + fee):
        wallet = math.ceil(q * e * (mmr + fee)) + 1
    money = float(wallet)
    common = {"mode": "isolated", "side": side, "size": size, "entry": entry, "mmr": float(mmr)}
    tiered = common | {"wallet": money, "cum": 0}
    want = (wallet - s * q * e) / (q * mmr - s * q)
    if want > 0:
        result = run.judge(drawn("liq_price", "binance_usdm", tiered, want))
        assert result.outcome == "passed", result.why
    taxed = common | {"margin": money, "taker_fee": 0.0006}
    want = (wallet - s * q * e) / (q * (mmr + fee) - s * q)
    if want > 0:
        for venue in ("gate", "okx"):
            result = run.judge(drawn("liq_price", venue, taxed, want))
            assert result.outcome == "passed", result.why
    entered = {key: common[key] for key in ("side", "entry", "size", "mmr")}
    entered |= {"leverage": leverage, "deduction": 0, "extra_margin": 0}
    want = e - s * e * (Fraction(1, leverage) - mmr)
    if want > 0:
        result = run.judge(drawn("liq_price", "bybit_linear", entered, want))
        assert result.outcome == "passed", result.why


def flow_of(name: str) -> dict[str, Any]:
    """A copy of a shipped flow, to be changed."""
    if not FOUND:
        pytest.skip("the vectors are not there")
    (flow,) = [found for found in FOUND if found["id"] == name]
    copied: dict[str, Any] = json.loads(json.dumps(flow))
    return copied


@pytest.mark.parametrize("seed", range(20))
def test_drawn_marks_with_the_basis_of_funding_hold(seed: int) -> None:
    """index (1 + rate * hours left / interval): MARGIN §5."""
    draw = random.Random(seed)
    index, rate = draw.randint(1, 10**7) / 100, draw.randint(-9_999, 9_999) / 10**6
    interval = draw.choice([1, 4, 8, 24])
    left = draw.randint(0, interval * 4) / 4
    fair = Fraction(str(index)) * (1 + Fraction(str(rate)) * Fraction(str(left)) / interval)
    inputs = {
        "index": index,
        "funding_rate": rate,
        "hours_to_funding": left,
        "interval_hours": interval,
    }
    good = vector(kind="mark_price", inputs=inputs, tolerance=1e-9, expected={"mark": float(fair)})
    assert run.judge(good).outcome == "passed", run.judge(good).why
    assert run.judge(good | {"expected": {"mark": float(fair) + 1}}).outcome == "failed"
    late = good | {"inputs": inputs | {"hours_to_funding": interval + 1}}
    assert run.judge(late).outcome == "failed"


@pytest.mark.parametrize("fee", [0, 0.01, 0.02])
def test_a_drawn_transfer_of_a_liability_holds_to_a_lot(fee: float) -> None:
    """base = shortage / (price (w_l (1 - fee) - w_a a / l)), the product floored to 10^-5. [DR2]"""
    for shortage, price, asset, liability in ((7, 25, 0.9, 1.1), (3.5, 1000, 0.75, 1.25)):
        freed = Fraction(str(liability)) * (1 - Fraction(str(fee))) - Fraction(str(asset))
        inputs = {
            "shortage": shortage,
            "asset_weight": asset,
            "liability_weight": liability,
            "asset_mult": 1,
            "liab_mult": 1,
            "if_fee": fee,
            "price": price,
        }
        want = int(Fraction(str(shortage)) / (price * freed) * 10**9)
        made = vector(kind="partial_liq_size", venue="drift", inputs=inputs)
        good = made | {"expected": {"base_1e9": want}}
        assert run.judge(good).outcome == "passed", run.judge(good).why
        assert run.judge(made | {"expected": {"base_1e9": want + 1}}).outcome == "failed"
        never = made | {"inputs": inputs | {"asset_weight": 2}, "expected": {"base_1e9": want}}
        assert "must leave a transfer that frees margin" in run.judge(never).why


@pytest.mark.parametrize(
    ("name", "op", "key", "said"),
    [
        ("vega-flow-27", "assert_margin_levels", "maintenance", "maintenance of atRiskParty"),
        ("vega-flow-27", "assert_margin_levels", "release", "release of atRiskParty"),
        ("vega-flow-21", "assert_network_trades", "volume", "the network did not trade"),
        ("vega-flow-25", "assert_book", "volume", "volume of"),
        ("vega-flow-25", "assert_market_data", "max bound", "bounds"),
        ("vega-flow-08", "assert_trades", "price", "no trade"),
    ],
)
def test_a_flow_by_risk_factors_that_asserts_something_else_fails(
    name: str, op: str, key: str, said: str
) -> None:
    flow = flow_of(name)
    rows = [
        row
        for step in flow["inputs"]["steps"]
        if step["op"] == op
        for row in step["rows"]
        if key in row
    ]
    rows[0][key] = str(int(rows[0][key]) + 1)
    result = run.judge(flow)
    assert result.outcome == "failed" and f"{op}: {said}" in result.why


@pytest.mark.parametrize(
    ("op", "changes", "why"),
    [
        ("lp_commit", {"op": "short_selling_ban"}, "steps 'short_selling_ban'"),
        ("block_seconds", {"args": ["2"]}, "blocks of another length"),
        ("orders", {"rows": [{"party": "x", "side": "buy", "volume": "1", "price": "1",
                              "tif": "TIF_GTC", "stop price": "4"}]}, "orders with stop price"),
    ],
)  # fmt: skip
def test_a_flow_with_what_is_not_there_waits_and_says_for_what(
    op: str, changes: dict[str, Any], why: str
) -> None:
    flow = flow_of("vega-flow-27")
    steps = flow["inputs"]["steps"]
    at = [k for k, step in enumerate(steps) if step["op"] == op][-1]
    steps[at] = steps[at] | changes
    result = run.judge(flow)
    assert (result.outcome, why in result.why) == ("not yet", True), result.why
