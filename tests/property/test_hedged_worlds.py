"""Hedged accounts against the twin: every table, row by row, on small random scenarios. ADR 21."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from ordercascade.duties import PairRule
from ordercascade.enums import Side, StepKind
from property.test_world_against_twin import WorldMachine, both, draw
from reference import hedged
from reference.scripts import Call, assert_same, play, show
from reference.world import World as Twin
from unit.worlds import make, rows

compiled = pytest.importorskip("ordercascade.core.world")


@settings(max_examples=120)
@given(hedged.scenarios())
def test_a_random_scenario_with_hedged_accounts_gives_the_same_tape(calls: list[Call]) -> None:
    fast, twin = both(calls)
    assert_same(fast, twin)
    fast.venue(0)._check()


@settings(max_examples=25)
@given(hedged.scenarios(), st.integers(0, 30))
def test_a_fork_of_hedged_accounts_ends_like_the_original(calls: list[Call], at: int) -> None:
    fast, twin = both(calls[:-1])
    assert fast.run(at) == twin.run(at)
    other = fast.fork()
    assert other.state_hash() == fast.state_hash()
    twin.run()
    other.run()
    fast.run()
    assert_same(other, twin)
    assert_same(fast, twin)
    assert other.state_hash() == fast.state_hash()


class HedgedMachine(WorldMachine):
    """A started world with hedged accounts, and what users do between its settlements."""

    @initialize(data=st.data())
    def start(self, data: st.DataObject) -> None:
        self.calls = data.draw(hedged.venue())
        self.calls += [Call(-1, "start"), Call(-1, "settle")]
        self.fast, self.twin = compiled.World(), Twin()
        self.orders = []
        note(show(self.calls))
        assert play(self.fast, self.calls) == play(self.twin, self.calls)
        self.accounts = draw.count(self.calls, "open_account", 0)
        self.markets = draw.count(self.calls, "add_market", 0)
        self.assets = self.calls[0].args[0]
        self.compare()

    @rule(data=st.data())
    def submit(self, data: st.DataObject) -> None:
        call = data.draw(hedged.user_order(self.calls), "order")
        result = self.do("submit", *call.args, **call.kwargs)
        if result > 0:
            self.orders.append((*call.args[:2], result))

    @rule(data=st.data())
    def hedge(self, data: st.DataObject) -> None:
        account, _ = self.pick(data)
        if account not in self.twin.venues[0].twins:
            done = self.do("hedge", account)
            if done < 0:
                self.calls.pop()  # It is in net mode still.


TestHedgedCallsAgainstTwin = HedgedMachine.TestCase
TestHedgedCallsAgainstTwin.settings = settings(max_examples=40, stateful_step_count=25)


def test_random_operations_leave_no_unit_over() -> None:
    """Orders, cancellations, money, shocks and settlements of hedged and net accounts."""
    rng, left = random.Random(11), int(os.environ.get("ORDERCASCADE_PROOF_OPS", "6000"))
    done = {StepKind.NETTING: 0, StepKind.ADL: 0, StepKind.LIQUIDATION: 0}
    while left > 0:
        world, venue = make(pairs=PairRule(rng.getrandbits(1)), liquidation_fee_ppm=1_000)
        modes = {}
        for _ in range(11):
            hedge = bool(rng.getrandbits(1))
            account = venue.open_account(hedge=hedge)
            modes[account] = hedge
            venue.deposit(account, 0, rng.randint(20_000, 90_000))
        for price in range(70, 100):
            venue.seed_level(0, Side.BID, price, rng.randint(1, 9))
            venue.seed_level(0, Side.ASK, 201 - price, rng.randint(1, 9))
        world.start()
        for _ in range(min(left, 1_000)):
            left -= 1
            operate(world, venue, modes, rng)
            assert not any(venue.audit().values())
        world._check()
        for kind in done:
            done[kind] += sum(found == kind for (found,) in rows(world, "steps", "kind"))
    assert all(done.values()), done


def operate(world: Any, venue: Any, modes: dict[int, bool], rng: random.Random) -> None:
    """Make one random call."""
    account, roll = rng.choice(list(modes)), rng.random()
    side, price, size = Side(rng.getrandbits(1)), rng.randint(85, 116), rng.randint(1, 30)
    if roll < 0.8:
        leg = rng.choice(["long", "short"]) if modes[account] else None
        venue.submit(account, 0, side, price, size, leg=leg)
    elif roll < 0.85:
        venue.deposit(account, 0, rng.randint(1, 3_000))
    elif roll < 0.9:
        venue.withdraw(account, 0, rng.randint(1, 3_000))
    else:
        world.schedule_shock(world.time_ns, 0, 0, side, size=40)
        world.settle()
