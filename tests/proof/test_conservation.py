"""10^6 random operations of every kind, audited after each: 0 units, and every transfer accounted.

40 accounts, 3 markets, 2 settlement assets, rules and kinds of operation drawn anew every 1 000
operations (swarm/conserve.py). ORDERCASCADE_PROOF_OPS makes it smaller on your own machine.
About 20 s of CPU. A failing seed prints the command that replays it.

Two kinds of check, since either alone is blind. `audit()` re-sums the ledger in 128 bits: money of
each asset = deposits − withdrawals, sizes and cost + clearing of each market = 0, flat ⇒ cost 0,
fund ≥ 0, bad debt ≤ 0. The mirror follows the transfers: what each holder's equity must be by the
fills, postings and handed-over legs of the tape, and that a deleveraged scope ends at exactly 0.
Which of them catches which broken engine is told in MUTANTS.md.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from swarm.common import Failed
from swarm.conserve import Economy, play
from swarm.program import swarm
from unit.flipping import build

OPS = int(os.environ.get("ORDERCASCADE_PROOF_OPS", 10**6))

# Half of what 10^6 operations reached when this was written: the generator may not go idle.
REACHED = {
    "audits": 1_100_000,
    "fills": 290_000,
    "fork": 500,
    "step SHOCK": 67_000,
    "step MARK": 55_000,
    "step LIQUIDATION": 47_000,
    "step ADL": 6_800,
    "step WATERFALL": 2_700,
    "step BOUND": 15,
    "steps of generation 3 or more": 1_500,
    "outcome CLOSED": 5_000,
    "outcome DELEVERAGED": 5_900,
    "outcome HEALTHY": 3_500,
    "outcome PENDING": 31_000,
    "outcome SHORTFALL": 1_800,
    "note ADL_EXTERNAL": 1_200,
    "note FUND_EMPTY": 180,
    "posted REALISE": 210_000,
    "posted FEE_MAKER": 80_000,
    "posted FEE_TAKER": 96_000,
    "posted FEE_LIQUIDATION": 3_900,
    "posted FUND_PAYS": 1_000,
    "posted SOCIALISED": 1_900,
    "posted BAD_DEBT": 900,
    "posted RESIDUAL": 800,
    "posted TRANSFER": 8_300,
    "posted DEPOSIT": 28_000,
    "posted WITHDRAWAL": 15_000,
    "reject UNKNOWN_ORDER": 50_000,
    "reject NOT_OWNER": 490,
    "reject POST_ONLY_WOULD_CROSS": 2_900,
    "reject FOK_NOT_FILLABLE": 7_900,
    "reject NO_LIQUIDITY": 3_900,
    "reject INSUFFICIENT": 107_000,
    "reject POSITION_LIMIT": 1_300,
    "reject POSITION_OPEN": 6_600,
}


def test_a_million_operations_lose_no_unit_and_move_none_unseen() -> None:
    counts = swarm("conserve", OPS)
    for name, least in REACHED.items() if OPS >= 10**6 else ():
        assert counts[name] >= least, f"{name}: {counts[name]} times, at least {least} expected"


@pytest.fixture(scope="module")
def hand(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a compiled hand that changes a cell of a world's state."""
    return build(tmp_path_factory.mktemp("hand"))


def test_each_check_sees_the_cell_that_it_is_for(hand: Any) -> None:
    """One unit or lot is added to a single cell of a sound world; then it is put back."""
    economy = Economy(5)
    for _ in range(200):
        economy.step()
    world, venue = economy.world, economy.venue
    fund, debt, clearing, scope = 1, 4, 10, 15
    lots = [p for p in range(hand.count(world, "Position")) if hand.read(world, "Position.size", p)]
    for name, row, by, seen in (
        ("Holder.collateral", scope, 1, "money of asset"),
        ("Holder.collateral", clearing, 1, "money of asset"),
        ("Ledger.deposited", 1, 1, "money of asset 1"),
        ("Holder.collateral", fund, -(2**50), "fund of asset 0 below 0"),
        ("Holder.collateral", debt, 2**50, "bad debt of asset 0 above 0"),
        ("Position.size", lots[0], 1, "sizes of market"),
        ("Position.cost", lots[0], 1, "cost and clearing of market"),
    ):
        before = hand.read(world, name, row)
        hand.write(world, name, row, before + by)
        off = [label for label, delta in venue.audit().items() if delta]
        assert any(label.startswith(seen) for label in off), (name, off)
        with pytest.raises(AssertionError):
            economy.check()
        hand.write(world, name, row, before)
        economy.check()


def test_sums_are_blind_to_a_transfer_that_the_mirror_sees(hand: Any) -> None:
    """A unit from one scope to another: every sum is 0, and two holders are off."""
    economy = Economy(5)
    first, second = economy.venue.cross_scope(1, 0), economy.venue.cross_scope(2, 0)
    for scope, by in ((first, -1), (second, 1)):
        money = hand.read(economy.world, "Holder.collateral", scope)
        hand.write(economy.world, "Holder.collateral", scope, money + by)
    assert not any(economy.venue.audit().values())
    with pytest.raises(AssertionError, match="equity by holder"):
        economy.check()


def test_sums_of_more_than_64_bits_are_told_exactly(hand: Any) -> None:
    """40 accounts with 2**62 each are 5 · 2**65 too much, which no 64-bit sum can hold."""
    economy = Economy(5)
    for account in range(1, 41):
        scope = economy.venue.cross_scope(account, 0)
        money = hand.read(economy.world, "Holder.collateral", scope)
        hand.write(economy.world, "Holder.collateral", scope, money + 2**62)
    assert economy.venue.audit()["money of asset 0"] == 40 * 2**62


def test_a_failing_seed_says_how_to_replay_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine whose audit is off by one from the 30th operation on."""
    honest = Economy.check

    def check(economy: Economy) -> None:
        honest(economy)
        assert economy.counts["audits"] < 30, {"money of asset 0": 1}

    monkeypatch.setattr(Economy, "check", check)
    with pytest.raises(Failed) as failed:
        play(7, 100)
    number = int(failed.value.command.rpartition(" ")[2])
    assert failed.value.command.startswith("python -m tests.swarm --target conserve --seed 7 --ops")
    with pytest.raises(Failed):
        play(7, number)
    play(7, number - 1)
