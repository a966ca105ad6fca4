"""The trigger index against the obvious twin: a dict of triggers, scanned in full."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from ordercascade.core.triggers import TriggerIndex

NODES = st.integers(0, 40)
SIDES = st.integers(0, 1)
# Buckets of one tick, of a few ticks, and of 2,048 ticks.
PRICE_MAX = (50, 2**20, 2**22 + 3, 2**31 - 1)
MARKETS = st.integers(0, len(PRICE_MAX) - 1)
# Few ticks, so that they meet: small ones, edges of words, pages and buckets, the far end.
TICKS = st.one_of(
    st.integers(0, 60),
    st.builds(
        lambda edge, by: max(0, edge + by),
        st.sampled_from([64, 4096, 262_144, 2**20, 2**22, 2**30]),
        st.integers(-3, 3),
    ),
    st.sampled_from([2**31 - 2, 2**31 - 1]),
)


class TriggersMachine(RuleBasedStateMachine):
    """Every rule is done to both; the twin decides by looking at every trigger."""

    ticks = Bundle("ticks")

    @initialize()
    def start(self) -> None:
        self.index = TriggerIndex(PRICE_MAX)
        self.twin: dict[int, tuple[int, int, int]] = {}

    @rule(target=ticks, tick=TICKS)
    def tick(self, tick: int) -> int:
        return tick

    @rule(node=NODES, market=MARKETS, side=SIDES, tick=ticks)
    def arm(self, node: int, market: int, side: int, tick: int) -> None:
        self.index.arm(node, market, side, tick)
        self.twin[node] = (market, side, tick)

    @rule(node=NODES)
    def disarm(self, node: int) -> None:
        self.index.disarm(node)
        self.twin.pop(node, None)

    @rule(market=MARKETS, tick=ticks, by=st.integers(-2, 2))
    def fire(self, market: int, tick: int, by: int) -> None:
        price = min(max(0, tick + by), 2**31 - 1)
        reached = [
            node
            for node, (where, side, trigger) in self.twin.items()
            if where == market and (price >= trigger if side else price <= trigger)
        ]
        assert sorted(self.index.fire(market, price).tolist()) == sorted(reached)
        for node in reached:
            del self.twin[node]

    @rule(market=MARKETS, side=SIDES, n=st.integers(0, 6))
    def nearest(self, market: int, side: int, n: int) -> None:
        there = sorted(
            (tick if side else -tick, node)
            for node, (where, which, tick) in self.twin.items()
            if (where, which) == (market, side)
        )
        assert self.index.nearest(market, side, n).tolist() == [node for _, node in there[:n]]

    @rule()
    def go_on_with_a_copy(self) -> None:
        self.index = self.index.copy()

    @invariant()
    def both_hold_the_same(self) -> None:
        self.index._check()
        assert len(self.index) == len(self.twin)
        for node in range(41):
            assert self.index.armed(node) == (node in self.twin)
        for node, (_, _, tick) in self.twin.items():
            assert self.index.tick(node) == tick


TestTriggers = TriggersMachine.TestCase
