"""The compiled world against the twin: every table, row by row, on small random scenarios.

A failing example prints the calls as a script; paste it, and change the import to compare.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ordercascade.enums import Side
from reference import scenarios as draw
from reference.scripts import Call, assert_same, play, show
from reference.world import World as Twin

compiled = pytest.importorskip("ordercascade.core.world")


def both(calls: list[Call]) -> tuple[Any, Twin]:
    """Play the calls on both engines; what each call returns must agree."""
    note(show(calls))
    fast, twin = compiled.World(), Twin()
    assert play(fast, calls) == play(twin, calls)
    return fast, twin


@settings(max_examples=150)
@given(draw.scenarios())
def test_a_random_scenario_gives_the_same_tape(calls: list[Call]) -> None:
    fast, twin = both(calls)
    assert_same(fast, twin)
    fast.venue(0)._check()


@settings(max_examples=25)
@given(draw.scenarios(venues=2))
def test_two_venues_give_the_same_tape(calls: list[Call]) -> None:
    assert_same(*both(calls))


@settings(max_examples=40)
@given(draw.scenarios(), st.integers(0, 30))
def test_a_fork_taken_at_any_step_ends_like_the_original(calls: list[Call], at: int) -> None:
    """The fork and the original both run to the end, in either order, and both are the twin."""
    fast, twin = both(calls[:-1])
    assert fast.run(at) == twin.run(at)
    other = fast.fork()
    assert other.state_hash() == fast.state_hash()
    assert_same(other, twin)
    twin.run()
    other.run()
    fast.run()
    assert_same(other, twin)
    assert_same(fast, twin)
    assert other.state_hash() == fast.state_hash()


@settings(max_examples=30)
@given(draw.scenarios())
def test_single_steps_write_what_a_run_writes(calls: list[Call]) -> None:
    fast, twin = both(calls[:-1])
    number = len(twin.tables.rows("steps"))
    while True:
        step = fast.step()
        assert step == twin.step()
        assert_same(fast, twin)
        if step < 0:
            break
        assert step == number
        number += 1


class WorldMachine(RuleBasedStateMachine):
    """A started world and the calls that users make between its settlements."""

    @initialize(data=st.data())
    def start(self, data: st.DataObject) -> None:
        self.calls = data.draw(draw.venue())
        self.calls += [Call(-1, "start"), Call(-1, "settle")]
        self.fast, self.twin = compiled.World(), Twin()
        self.orders: list[tuple[int, int, int]] = []  # account, market, id
        assert play(self.fast, self.calls) == play(self.twin, self.calls)
        self.accounts = draw.count(self.calls, "open_account", 0)
        self.markets = draw.count(self.calls, "add_market", 0)
        self.assets = self.calls[0].args[0]
        self.compare()

    def do(self, name: str, *args: Any, venue: int = 0, **kwargs: Any) -> int:
        call = Call(venue, name, args, kwargs)
        self.calls.append(call)
        got, want = play(self.fast, [call]), play(self.twin, [call])
        assert got == want, show(self.calls)
        self.compare()
        return want[0][1] if want else 0

    def compare(self) -> None:
        try:
            assert_same(self.fast, self.twin)
            self.fast.venue(0)._check()
        except AssertionError:
            note(show(self.calls))
            raise

    def pick(self, data: st.DataObject) -> tuple[int, int]:
        account = data.draw(st.integers(1, self.accounts), "account")
        return account, data.draw(st.integers(0, self.markets - 1), "market")

    @rule(data=st.data())
    def submit(self, data: st.DataObject) -> None:
        call = data.draw(draw.user_order(self.calls, 0), "order")
        result = self.do("submit", *call.args, **call.kwargs)
        if result > 0:
            self.orders.append((*call.args[:2], result))

    @rule(data=st.data())
    @precondition(lambda self: self.orders)
    def cancel(self, data: st.DataObject) -> None:
        account, market, order = data.draw(st.sampled_from(self.orders), "order")
        self.do("cancel", account, market, order)

    @rule(data=st.data(), size=st.sampled_from([0, 1, 3, 12]), by=st.integers(-9, 9))
    @precondition(lambda self: self.orders)
    def amend(self, data: st.DataObject, size: int, by: int) -> None:
        account, market, order = data.draw(st.sampled_from(self.orders), "order")
        price = draw.BASE + by if by % 3 else 0  # 0 keeps the price.
        self.do("amend", account, market, order, price=price, size=size)

    @rule(data=st.data(), amount=st.sampled_from([1, 40, 700]))
    def deposit(self, data: st.DataObject, amount: int) -> None:
        asset = data.draw(st.integers(0, self.assets - 1), "asset")
        self.do("deposit", self.pick(data)[0], asset, amount)

    @rule(data=st.data(), amount=st.sampled_from([1, 15, 400]))
    def withdraw(self, data: st.DataObject, amount: int) -> None:
        asset = data.draw(st.integers(0, self.assets - 1), "asset")
        self.do("withdraw", self.pick(data)[0], asset, amount)

    @rule(data=st.data(), amount=st.sampled_from([30, 5, -5, -60]))
    def isolate_and_move(self, data: st.DataObject, amount: int) -> None:
        account, market = self.pick(data)
        if self.do("isolate", account, market) > 0:
            self.do("move_isolated", account, market, amount)

    @rule(data=st.data(), by=st.integers(-15, 15))
    def set_index(self, data: st.DataObject, by: int) -> None:
        self.do("set_index", self.pick(data)[1], draw.BASE + by)

    @rule(data=st.data(), side=st.sampled_from(Side), size=st.sampled_from([10, 40, 150]))
    def shock(self, data: st.DataObject, side: Side, size: int) -> None:
        where = (self.twin.time_ns, 0, self.pick(data)[1], side)
        self.do("schedule_shock", *where, size=size, venue=-1)
        self.do("settle", venue=-1)

    @rule()
    def settle(self) -> None:
        self.do("settle", venue=-1)

    @rule()
    def run(self) -> None:
        self.do("run", venue=-1)


TestUserCallsAgainstTwin = WorldMachine.TestCase
TestUserCallsAgainstTwin.settings = settings(max_examples=40, stateful_step_count=25)
