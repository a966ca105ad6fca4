"""Random worlds whose accounts are backed by other assets, against the slow twin, row by row."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from ordercascade.core.dislocation import schedule_collateral
from ordercascade.duties import CollateralSource
from reference import scenarios as draw
from reference.scripts import Call, assert_same, play, show
from reference.world import World as Twin

compiled = pytest.importorskip("ordercascade.core.world")

SECOND = draw.SECOND


class Fast:
    """The compiled world, with its scheduling of collateral among its methods as the twin's."""

    def __init__(self, world: Any = None) -> None:
        self.made = world or compiled.World()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.made, name)

    def fork(self) -> Fast:
        return Fast(self.made.fork())

    def schedule_collateral(self, *where: int, **what: int) -> None:
        schedule_collateral(self.made, *where, **what)


@st.composite
def betas(draws: st.DrawFn) -> dict[str, Any]:
    """Draw a rate that follows the market: by a beta, and more than that in a fall."""
    beta = draws(st.sampled_from([0, 500_000, 10**6, 1_200_000, 4_000_001]))
    found = {"price": draws(st.sampled_from([90, 1_000])), "multiplier": 7, "beta_ppm": beta}
    if draws(st.booleans()):
        found["stress_beta_ppm"] = beta + draws(st.sampled_from([0, 700_003, 5_000_000]))
        found["stress_ppm"] = draws(st.sampled_from([50_000, 333_333, 10**6]))
    return found


@st.composite
def terms(
    draws: st.DrawFn, backs: int, markets: list[tuple[int, dict[str, Any]]]
) -> dict[str, Any]:
    """Draw what a collateral is worth: near the price of the markets, a lot for a unit."""
    found: dict[str, Any] = {"backs": backs, "per": draws(st.sampled_from([1, 3, 100]))}
    linear = [(n, m) for n, m in markets if m["asset"] == backs and m.get("kind") is None]
    source = draws(st.sampled_from(CollateralSource)) if linear else CollateralSource.RATE
    found["source"] = source
    if source == CollateralSource.RATE:
        found |= {"price": draws(st.sampled_from([1, 90, 100])), "multiplier": 7}
    else:
        which, market = draws(st.sampled_from(linear))
        if source == CollateralSource.INDEX:
            market["index"] = market.get("index") or draw.BASE
        most = 2**44 // market["price_max"]
        found |= {"market": which, "multiplier": min(market["multiplier"], most)}
        if draws(st.booleans()):
            found |= draws(betas())
    how = draws(st.integers(0, 3))
    if how == 1:
        found["haircut_ppm"] = draws(st.sampled_from([100_000, 333_333, 10**6]))
    elif how > 1:
        found["tiers"] = ((0, 50_000), (20, 250_001), (90, 700_000))
    if draws(st.booleans()):
        found |= {"impact_ppm": draws(st.sampled_from([10_000, 900_000, 3_000_000])), "volume": 70}
        found["floor_ppm"] = draws(st.sampled_from([0, 400_000]))
    if draws(st.booleans()):
        addon = {"addon_ppm": draws(st.sampled_from([100_000, 900_001, 5_000_000])), "traded": 70}
        found |= addon | {"addon_from": draws(st.sampled_from([0, 7, 60]))}
    found["discount_ppm"] = draws(st.sampled_from([0, 20_000, 600_000]))
    found["peg_ppm"] = draws(st.sampled_from([10**6, 980_001]))
    return found


@st.composite
def backed(draws: st.DrawFn) -> list[Call]:
    """Draw a scenario whose accounts hold one or two further assets; without its last call."""
    calls = draws(draw.venue())
    first = calls[0]
    assets, more = first.args[0], draws(st.integers(1, 2))
    calls[0] = Call(-1, "add_venue", (assets + more,), first.kwargs)
    markets = [(n, c.kwargs) for n, c in enumerate(c for c in calls if c.name == "add_market")]
    spot = draws(st.booleans())
    if spot:  # The last market is where the first collateral is sold.
        last = max(n for n, call in enumerate(calls) if call.name == "add_market")
        multiplier = draws(st.sampled_from([1, 7]))
        made = {"asset": 0, "multiplier": multiplier, "last": draw.BASE, "index": draw.BASE}
        ladder = draws(draw.levels(len(markets), 0))
        calls[last + 1 : last + 1] = [Call(0, "add_market", (), made), *ladder]
    accounts = draw.count(calls, "open_account", 0)
    sources = []
    for asset in range(assets, assets + more):
        backs = draws(st.integers(0, assets - 1))
        sources.append(draws(terms(backs, markets)))
        if spot and asset == assets:
            how = {"backs": 0, "market": len(markets), "spot": True, "price": 0}
            how |= {"source": draws(st.sampled_from(list(CollateralSource)[1:]))}
            how |= {"multiplier": multiplier, "per": draws(st.sampled_from([1, 3]))}
            for key in ("beta_ppm", "stress_beta_ppm", "stress_ppm"):
                sources[-1].pop(key, None)  # What is sold there is what the market trades.
            sources[-1] |= how
        calls.append(Call(-1, "add_collateral", (0, asset), sources[-1]))
        for account in range(1, accounts + 1):
            amount = draws(st.sampled_from([1, 1, 5, 40, 150]))
            calls.append(Call(0, "deposit", (account, asset, amount)))
    plain = Call(-1, "add_venue", (assets,), first.kwargs)
    calls += draws(draw.agenda([plain, *calls[1:]]))
    times = st.sampled_from([0, SECOND, 2 * SECOND, 5 * SECOND])
    for _ in range(draws(st.integers(0, 3))):
        which = draws(st.integers(0, more - 1))
        how = {"peg_ppm": draws(st.sampled_from([0, 500_000, 920_000, 1_100_000]))}
        stated = sources[which]["source"] == CollateralSource.RATE or "beta_ppm" in sources[which]
        if stated and draws(st.booleans()):
            how = {"price": draws(st.sampled_from([1, 60, 130]))}
        where = (draws(times), 0, assets + which)
        calls.append(Call(-1, "schedule_collateral", where, how))
    if draws(st.booleans()):
        who, asset = draws(st.integers(1, accounts)), assets + draws(st.integers(0, more - 1))
        amount = draws(st.sampled_from([-3, -40, 25]))
        calls.append(Call(-1, "schedule_transfer", (draws(times), 0, who, asset, amount)))
    calls.append(Call(-1, "start"))
    rooms = [call for call in calls if not spot or call.kwargs is not made]
    calls += draws(st.lists(draw.user_order(rooms, 0), max_size=5))
    for _ in range(draws(st.integers(0, 3))):
        who, asset = draws(st.integers(1, accounts)), draws(st.integers(0, assets + more - 1))
        amount = draws(st.sampled_from([1, 4, 60]))
        call = draws(st.sampled_from(["withdraw", "deposit"]))
        calls.append(Call(0, call, (who, asset, amount)))
    return calls


def both(calls: list[Call]) -> tuple[Any, Twin]:
    note(show(calls))
    fast, twin = Fast(), Twin()
    assert play(fast, calls) == play(twin, calls)
    return fast, twin


@settings(max_examples=120)
@given(backed())
def test_a_random_world_with_collateral_gives_the_same_tape(calls: list[Call]) -> None:
    fast, twin = both([*calls, Call(-1, "run")])
    assert_same(fast, twin)
    fast.venue(0)._check()
    assert not any(fast.venue(0).audit().values())


@settings(max_examples=30)
@given(backed(), st.integers(0, 25))
def test_a_fork_of_a_world_with_collateral_ends_like_the_original(
    calls: list[Call], at: int
) -> None:
    fast, twin = both(calls)
    assert fast.run(at) == twin.run(at)
    other = fast.fork()
    assert other.state_hash() == fast.state_hash()
    assert_same(other, twin)
    twin.run()
    other.run()
    fast.run()
    assert_same(other, twin)
    assert other.state_hash() == fast.state_hash()
