"""Gates, margin calls, answers and expiries as a scenario says them: numbers, refusals, audit."""

from __future__ import annotations

import re
from typing import Any

import pytest

import ordercascade as oc
from ordercascade import presets, toml
from ordercascade.config import ScenarioConfig
from ordercascade.duties import CallAction, CallSource, ExpiryRule
from ordercascade.enums import NoteKind, StepKind
from ordercascade.errors import ConfigError
from ordercascade.scenario import Scenario
from unit.preset_worlds import text_of

SECOND = 10**9


def keys(**venue: Any) -> dict[str, Any]:
    """300 accounts; an outside price that falls by 1 % every second for 9 s, and returns."""
    book = {"kind": "profile", "mid": 60000, "depth": [{"bps": 10, "quote": "350000"},
            {"bps": 3000, "quote": "16530000"}]}  # fmt: skip
    market = {
        "name": "BTC",
        "tick_size": 20,
        "lot_size": "0.001",
        "settle": "USDT",
        "brackets": [{"floor": 0, "maintenance": "0.01", "initial": "0.02"}],
        "book": book,
        "oracle": {"kind": "index", "index": 60000},
    }
    crowd = {
        "name": "crowd",
        "market": "BTC",
        "accounts": 300,
        "long_share": "0.8",
        "leverage": {"kind": "values", "values": [3, 10, 20, 50]},
        "notional": {"kind": "lognormal", "median": "20000", "sigma": 1},
    }
    given = {"name": "perp", "preset": "simple", "market": [market], "population": [crowd]}
    given["fund"] = {"balance": "100000"}
    expiry = venue.pop("expiry", None)
    if expiry is not None:
        given["market"] = [{**market, "expiry": expiry}]
    ticks = [{"at_s": at, "price": 60000 - 600 * min(at, 18 - at)} for at in range(1, 19)]
    return {"schema": 1, "name": "ahead", "seed": 7, "index": ticks, "venue": [given | venue]}


def made(raw: dict[str, Any]) -> Scenario:
    return Scenario(toml.build(raw, ScenarioConfig))


def scenario(**venue: Any) -> Scenario:
    return made(keys(**venue))


CALLS: dict[str, Any] = {
    "margin_calls": {"call": "3.5", "release": 4},
    "answer": [
        {"population": "crowd", "share": "0.4", "action": "add", "delay_s": 2, "target": 5},
        {"population": "crowd", "share": "0.3", "action": "reduce", "fraction": "0.5"},
        {"population": "crowd", "share": "0.1", "action": "ignore"},
    ],
}
END = {"at_s": 18, "price": "average_mark", "window_s": 12}


def kinds(tape: Any) -> dict[int, int]:
    found = tape.steps["kind"].tolist()
    return {kind: found.count(kind) for kind in set(found)}


SAID = """
margin_calls = { call = 1.4, release = 2 }
answer = [
  { population = "crowd", share = 0.3, action = "add", target = 3, delay_s = 1 },
  { population = "crowd", share = 0.3, action = "reduce", fraction = 0.5 },
]
"""
ENDS = {
    "AUSDT": '"AUSDT"\nexpiry = { at_s = 100, price = "average_index", window_s = 50 }',
    "BUSDT": '"BUSDT"\nexpiry = { at_s = 110, price = "stated", stated = 955 }',
}


@pytest.mark.parametrize("preset", [*presets.runnable(), "covering", "pairs"])
def test_a_run_with_calls_and_expiries_is_audited_whole(preset: str) -> None:
    text = text_of(preset, seed=3, accounts=30)
    text = text.replace("fund = {", f"{SAID}fund = {{", 1)
    crowd = re.search(r'\[\[venue.population\]\]\nname = "(.*)"', text)
    assert crowd is not None
    text = text.replace('population = "crowd"', f'population = "{crowd[1]}"')
    for name, ends in ENDS.items():
        text = text.replace(
            f'[[venue.market]]\nname = "{name}"', f"[[venue.market]]\nname = {ends}"
        )
    tape = oc.run(Scenario.from_toml(text), progress=False)
    done = kinds(tape)
    assert done[StepKind.MARGIN_CALL] > 2
    assert done[StepKind.EXPIRY] == 2
    report = oc.audit(tape)
    assert report.ok, str(report)
    checks = {check.name: check.rows for check in report.checks}
    assert checks["calls"] > done[StepKind.MARGIN_CALL]
    assert checks["expiries"] == 2


def test_answers_are_drawn_by_their_shares() -> None:
    tape = oc.run(scenario(**CALLS), progress=False)
    notes = tape.notes
    answered = notes["kind"] == NoteKind.ANSWER
    called = notes["kind"] == NoteKind.MARGIN_CALL
    assert 0.5 < answered.sum() / called.sum() < 0.9  # 0.7 of those who are called
    assert (notes["b"][answered] > 0).any()


def test_an_audit_finds_a_call_that_was_not_due_and_one_that_is_missing() -> None:
    tape = oc.run(scenario(**CALLS), progress=False)
    for levels in ({"call_ppm": 3_000_000, "release_ppm": 4_000_000},
                   {"call_ppm": 9_500_000, "release_ppm": 9_500_000}):  # fmt: skip
        tape.meta["venues"][0]["calls"] = levels
        report = oc.audit(tape)
        assert {check.name for check in report.checks if check.failed} == {"calls"}


def test_an_audit_finds_a_settlement_at_another_price() -> None:
    tape = oc.run(scenario(expiry=END), progress=False)
    assert oc.audit(tape).ok
    tape.meta["markets"][0]["expiry"][2] = 5 * SECOND
    wrong = {check.name for check in oc.audit(tape).checks if check.failed}
    assert "expiries" in wrong
    assert wrong <= {"expiries", "postings", "notes", "fills", "money", "costs", "equity", "funds"}


def test_the_story_tells_of_calls_and_of_the_end() -> None:
    tape = oc.run(scenario(**CALLS, expiry=END), progress=False)
    from ordercascade.story import tell

    told = tell(tape)
    assert "accounts are called for margin" in told
    assert "BTC expires: " in told


def test_one_line_about_each_kind_of_step() -> None:
    from ordercascade.figures import read
    from ordercascade.lab.words import line_of

    late = [{"population": "crowd", "action": "reduce", "delay_s": 20}, *CALLS["answer"]]
    late[0]["share"] = "0.2"
    tape = oc.run(scenario(**CALLS | {"answer": late}, expiry=END), progress=False)
    figures = read(tape)
    lines = [line_of(figures, k) for k in range(len(tape))]
    for words in ("called for margin: equity", "answers the call of step", ": adds ", ": closes ",
                  "with nothing", "positions settled at"):  # fmt: skip
        assert any(words in line for line in lines), words


def test_gates_hold_withdrawals_of_a_scenario_back() -> None:
    """1 % of deposits an hour: of two withdrawals of the same hour the second is refused."""
    text = keys(
        gates={"rates": [{"window_s": 3600, "share": 0, "least": "1000"}]},
        account=[{"name": "whale", "collateral": "50000"}],
    )
    text["transfer"] = [{"at_s": at, "account": "whale", "amount": "-700"} for at in (2, 3, 3000)]
    tape = oc.run(made(text), progress=False)
    paid = tape.postings["amount"][tape.postings["reason"] == 10].tolist()
    assert paid == [700 * 10**6] * 2


def test_presets_gate_what_their_sources_say() -> None:
    dydx = scenario(preset="dydx-v4")
    gates = dydx.venues[0].ahead.rules["gates"]
    million = 10**12
    assert gates["stop_ns"] == 50 * SECOND
    assert gates["rates"] == (
        (3600 * SECOND, 10_000, million),
        (86_400 * SECOND, 100_000, 10 * million),
    )
    liquid = scenario(preset="hyperliquid")
    assert liquid.venues[0].ahead.rules["gates"]["stays_ppm"] == 100_000
    assert not any("gated" in text for text in presets.load("hyperliquid").differs)


def test_what_a_scenario_says_survives_its_own_toml() -> None:
    said = scenario(**CALLS, expiry=END, gates={"stop_s": 5, "stays": "0.1"})
    again = Scenario.from_toml(said.to_toml())
    assert again.venues[0].ahead == said.venues[0].ahead
    assert again.venues[0].markets[0].expiry == (18 * SECOND, ExpiryRule.AVERAGE_MARK,
                                                 12 * SECOND, 0)  # fmt: skip
    first = said.venues[0].ahead.answers[0]
    assert first.arguments == {
        "action": CallAction.ADD,
        "delay_ns": 2 * SECOND,
        "target_ppm": 5_000_000,
        "source": CallSource.OUTSIDE,
    }


@pytest.mark.parametrize(
    ("venue", "path", "rule"),
    [
        ({"margin_calls": {"call": "0.9"}}, "margin_calls.call", "must be 1, maintenance"),
        ({"margin_calls": {"call": 2, "release": "1.9"}}, "margin_calls.release", "at least call"),
        ({"answer": CALLS["answer"]}, "margin_calls", "is required"),
        ({"gates": {"stays": 2}}, "gates.stays", "must be in [0, 1]"),
        ({"gates": {"stop_s": -1}}, "gates.stop_s", "must be"),
        ({"gates": {"rates": [{"window_s": 0, "share": 1, "least": 0}]}},
         "gates.rates[0].window_s", "above 0"),
        ({"gates": {"rates": [{"window_s": 1, "share": 1, "least": -1}]}},
         "gates.rates[0].least", "0 or more"),
        ({"gates": {"rates": [{"window_s": 1, "share": 1, "least": 0}] * 5}},
         "gates.rates", "at most 4"),
        ({"expiry": {"at_s": 5, "price": "stated"}}, "market[0].expiry.stated", "must be given"),
        ({"expiry": {"at_s": 5, "stated": "60000"}}, "market[0].expiry.stated", "only then"),
        ({"expiry": {"at_s": 5, "price": "stated", "stated": 0}}, "market[0].expiry.stated",
         "must be in [20"),
        ({"expiry": {"at_s": 5, "price": "average_mark"}}, "market[0].expiry.window_s", "above 0"),
        ({"expiry": {"at_s": 5, "window_s": 3}}, "market[0].expiry.window_s", "only then"),
    ],
)  # fmt: skip
def test_a_wrong_number_is_named_with_its_key(venue: Any, path: str, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        scenario(**venue)
    assert caught.value.path == f"venue[0].{path}"
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([{"action": "ignore"}], "account or population"),
        ([{"account": "x", "share": 1, "action": "ignore"}], "share is of a population"),
        ([{"population": "crowd", "action": "add"}], "target, a wallet or both"),
        ([{"population": "crowd", "action": "reduce", "wallet": 5}], "takes no wallet"),
        ([{"population": "crowd", "action": "add", "target": "0.5"}], "must be 1, maintenance"),
        ([{"population": "crowd", "action": "add", "wallet": 0}], "above 0"),
        ([{"population": "crowd", "action": "reduce", "fraction": 0}], "fraction"),
        ([{"population": "nobody", "action": "ignore"}], "must be a population of the venue"),
        ([{"account": "nobody", "action": "ignore"}], "must be an account of the venue"),
        ([{"account": "crowd-1", "action": "ignore"}] * 2, "has an answer already"),
        ([{"population": "crowd", "share": "0.6", "action": "ignore"}] * 2, "add up to at most 1"),
    ],
)
def test_a_wrong_answer_is_refused_with_a_word(answer: Any, words: str) -> None:
    with pytest.raises((ConfigError, oc.InputError), match=words):
        oc.World(scenario(margin_calls={"call": 2}, answer=answer))
