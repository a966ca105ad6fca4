"""Tapes of venues with stages: random lives of the houses, with the rules they were made with."""

from __future__ import annotations

import random
from dataclasses import asdict
from functools import cache
from typing import Any

import ordercascade as oc
from ordercascade.engine import MARKET_RULES
from ordercascade.enums import LimitRule, PriceSource
from ordercascade.mechanisms.tranches import Tranches
from ordercascade.replay.staging import Sizes
from ordercascade.replay.terms import Rules
from ordercascade.tape import Tape
from property.test_stages import BRACKETS, act, venue_of
from reference.rules import Rules as TwinRules
from swarm.houses import houses
from unit.preset_worlds import scenario_of

PLAIN = ("fraction_ppm", "min_value", "cooldown_ns", "then_all")


class Listener(random.Random):
    """A random stream that remembers which sources of marks it chose."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.sources: list[int] = []

    def choice(self, seq: Any) -> Any:
        found = super().choice(seq)
        if isinstance(found, PriceSource):
            self.sources.append(int(found))
        return found


def meta_of(name: str, sources: list[int]) -> dict[str, Any]:
    """Return the metadata of a house with two markets."""
    said = dict(houses()[name])
    policy, stages = said.pop("policy"), said.pop("stages", {})
    backstop = said.pop("backstop", None)
    rules = asdict(TwinRules()) | {"limit": LimitRule.MARKET, "adl_rule": 0} | said
    venue: dict[str, Any] = {"id": 0, "name": name}
    if backstop is not None:
        rules["adl_rule"] = backstop.rule
    if isinstance(policy, Tranches):
        venue["tranches"] = {key: int(getattr(policy, key)) for key in Sizes._fields}
    else:
        rules |= {key: getattr(policy, key) for key in PLAIN}
    if stages:
        venue["stages"] = {key: int(value) for key, value in stages.items()}
    venue["rules"] = {key: int(rules[key]) for key in Rules._fields}
    market = {"venue": 0, "asset": 0, "multiplier": 10, "price_max": 2_000}
    market |= dict.fromkeys(MARKET_RULES, 0) | {"own_weight_ppm": 10**6}
    market |= {"brackets": [list(row) for row in BRACKETS]}
    markets = [market | {"id": k, "name": f"m{k}", "source": sources[k]} for k in range(2)]
    return {"name": name, "venues": [venue], "markets": markets}


@cache
def life(name: str, seed: int, calls: int = 120) -> Tape:
    """Return the tape of a house after so many things that users and the outside did."""
    draw = Listener(seed)
    world, venue = venue_of(name, draw)
    prices = [1_000, 1_000]
    for _ in range(calls):
        act(world, venue, draw, prices)
    return Tape(world.log, meta_of(name, draw.sources) | {"stop": int(world.stop)})


@cache
def run_of(name: str, seed: int = 1, fund: int = 20_000) -> Tape:
    """Return the tape of a preset's scenario."""
    return oc.run(scenario_of(name, seed=seed, fund=fund), progress=False)
