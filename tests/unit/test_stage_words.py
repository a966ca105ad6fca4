"""Takeovers, disposals and payments in words: story, sheet, lines of the stepper, its page."""

from __future__ import annotations

import re

import pytest

import ordercascade as oc
from ordercascade.enums import HolderKind, Outcome, PostReason, StepKind
from ordercascade.figures import read
from ordercascade.lab.gather import gather
from ordercascade.lab.player import Player
from ordercascade.lab.words import line_of, word_of
from ordercascade.sheet import summary_table
from ordercascade.story import tell
from unit.staged_tapes import run_of

NAMES = ("vega", "hyperliquid", "bybit-linear", "dydx-v4", "synthetix-v3")


def first(tape: oc.Tape, kind: StepKind) -> int:
    return int(tape.steps["kind"].tolist().index(kind))


@pytest.mark.parametrize("name", NAMES)
def test_every_step_has_a_line_of_its_own(name: str) -> None:
    tape = run_of(name)
    f = read(tape)
    for k in range(len(tape)):
        kind = StepKind(f.cell("steps", "kind", k))
        assert line_of(f, k) != word_of(kind) or kind == StepKind.AGENTS


def test_a_takeover_is_told_with_who_whom_how_much_and_at_which_price() -> None:
    tape = run_of("vega")
    k = first(tape, StepKind.TAKEOVER)
    row = tape.adl["step"].tolist().index(k)
    lots, cost = int(tape.adl["lots"][row]), int(tape.adl["cost"][row])
    price = abs(cost) / 10**6 / (lots / 1000)
    rest = tape.postings["amount"][
        (tape.postings["step"] == k) & (tape.postings["reason"] == PostReason.TAKEOVER)
    ]
    line = line_of(read(tape), k)
    side = "long" if cost > 0 else "short"
    market = "AUSDT" if int(tape.adl["market"][row]) == 0 else "BUSDT"
    assert line.startswith("the insurance fund takes over account ")
    assert f", {side} {lots / 1000:.3f} {market[0]} {market} at {price:,.3f}" in line
    assert line.endswith(f", and {int(rest[0]) / 10**6:,.2f} USDT of its collateral")


def test_a_disposal_is_told_with_lots_value_and_limit() -> None:
    tape = run_of("vega")
    k = first(tape, StepKind.DISPOSAL)
    row = tape.orders["step"].tolist().index(k)
    mine = tape.fills["step"] == k
    value = int((tape.fills["price"][mine] * tape.fills["size"][mine]).sum()) * 10
    filled, price = int(tape.orders["filled"][row]), int(tape.orders["price"][row])
    line = line_of(read(tape), k)
    assert f"sells {filled / 1000:.3f} " in line
    assert f" for {value / 10**6:,.2f} USDT, {price / 100:,.2f} or better" in line


def test_a_payment_is_told_with_its_sums() -> None:
    tape = run_of("vega")
    k = first(tape, StepKind.PAYMENT)
    mine = (tape.postings["step"] == k) & (tape.postings["reason"] == PostReason.REALISE)
    moved = int(abs(tape.postings["amount"][mine]).sum()) // 2
    said = f" is settled to the mark with {int(mine.sum())} payments: {moved / 10**6:,.2f} USDT"
    assert said in line_of(read(tape), k)
    levels = [
        k
        for k in range(len(tape))
        if tape.steps["kind"][k] == StepKind.PAYMENT and tape.steps["market"][k] < 0
    ]
    assert "isolated margins are kept between their levels: " in line_of(read(tape), levels[0])


def test_the_story_tells_takeovers_after_an_order_and_instead_of_one() -> None:
    tape = run_of("bybit-linear")
    taken = tape.liquidations["outcome"] == Outcome.TAKEN_OVER
    legs = tape.steps["kind"] == StepKind.TAKEOVER
    assert int(legs.sum()) >= int(taken.sum()) > 0
    said = tell(tape, top=100).count("    the insurance fund takes over account ")
    assert said == int(legs.sum())
    instead = tell(run_of("hyperliquid"))
    assert "Taken over instead of an order: " in instead
    assert re.search(r"step \d+: the vault takes over account ", instead)
    assert "is settled to the mark" in tell(run_of("vega"))


def test_the_summary_keeps_deleveraging_and_takeovers_apart() -> None:
    tape = run_of("binance-usdm")
    s = tape.summary()
    kinds = tape.steps["kind"][tape.adl["step"]]
    cost = abs(tape.adl["cost"])
    assert s["adl_notional"] == int(cost[kinds == StepKind.ADL].sum()) > 0
    assert s["taken_over_notional"] == int(cost[kinds == StepKind.TAKEOVER].sum()) > 0
    assert s["accounts_taken_over"] == len(set(tape.adl["scope_from"][kinds == StepKind.TAKEOVER]))
    assert s["disposed_notional"] == 0 < run_of("vega").summary()["disposed_notional"]
    assert not any(s["money_check"].values())


def test_a_shared_loss_that_passes_through_the_fund_counts_once() -> None:
    tape = run_of("shared", fund=0)
    kinds = tape.tables["accounts"]["kind"]
    mine = tape.postings["reason"] == PostReason.SOCIALISED
    users = kinds[tape.postings["from_holder"]] == HolderKind.SCOPE
    amounts = tape.postings["amount"]
    assert tape.summary()["socialised"] == int(amounts[mine & users].sum())
    assert 0 < int(amounts[mine & users].sum()) < int(amounts[mine].sum())


def test_the_sheet_has_lines_of_takeovers_only_where_there_are_any() -> None:
    assert "accounts taken over" in summary_table(read(run_of("vega")))
    assert "sold again, value" in summary_table(read(run_of("vega")))
    assert "taken over" not in summary_table(read(run_of("dydx-v4")))


def test_the_stepper_and_its_page_go_through_every_step() -> None:
    tape = run_of("vega")
    player = Player(tape)
    for k in (-1, first(tape, StepKind.TAKEOVER), first(tape, StepKind.DISPOSAL), len(tape) - 1):
        assert player.at(k) is not None
    assert "takes over" in player.line(first(tape, StepKind.TAKEOVER))
    words = gather(tape)["steps"]["kinds"]
    assert words[int(StepKind.TAKEOVER)] == "takeover"
    assert words[int(StepKind.DISPOSAL)] == "disposal of what was taken over"
