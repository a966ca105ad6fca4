"""Keys that would silently do nothing: each is refused with the rule, and what to add.

An oracle of `index`, `funding`, `basis3`, `median3`, an own_book_weight below 1 and a clamp to the
index need an outside price: `oracle.index`, or an `[[index]]` event of the market. What a preset
says of them stays legal without one: there the own price stands in. SEMANTICS §3; MECHANISMS §7.
"""

from __future__ import annotations

from collections.abc import Sequence

from ordercascade import presets
from ordercascade.agenda import Agenda
from ordercascade.config import OracleConfig, ScenarioConfig
from ordercascade.enums import Told
from ordercascade.errors import ConfigError
from ordercascade.exact import Exact, plain
from ordercascade.plan import VenuePlan

OUTSIDE = ("index", "funding", "basis3", "median3")
ADD = "add an index to the market's oracle, or an [[index]] event of it"


def judge_silent(config: ScenarioConfig, venues: Sequence[VenuePlan], agenda: Agenda) -> None:
    """Refuse, of a scenario as its file says it, what its venues as planned have no use for."""
    told = {(tick.venue, tick.market) for tick in agenda.ticks}
    for number, (said, plan) in enumerate(zip(config.venue, venues, strict=True)):
        preset = presets.load(said.preset).oracle or OracleConfig()
        for index, market in enumerate(plan.markets):
            if market.arguments["index"] or (number, index) in told or market.option:
                continue
            own = said.market[index].oracle
            place = f"{plan.path if own is None else market.path}.oracle"
            _judge_kind(own or said.oracle or OracleConfig(), preset, place)
            _judge_oracle(market.config.oracle or OracleConfig(), preset, place)
        _judge_venue(plan)
    for i, item in enumerate(config.dislocation):
        if item.told == "index":
            _judge_lie(agenda, venues, told, i)


def _judge_kind(said: OracleConfig, preset: OracleConfig, path: str) -> None:
    """Of a market without an outside price; the text with every rule said has kind and weight."""
    spelt = said.kind == preset.kind and said.own_book_weight == preset.own_book_weight
    if said.kind in OUTSIDE and not spelt:
        rule = f"must be one of own prices where the market has no index: {ADD}"
        raise ConfigError(f"{path}.kind", rule, said.kind)


def _judge_oracle(oracle: OracleConfig, preset: OracleConfig, path: str) -> None:
    """Of the same market, with the preset's rules where it has none."""
    weight = oracle.own_book_weight
    if (
        weight is not None
        and weight < 1
        and (oracle.kind, weight)
        != (
            preset.kind,
            preset.own_book_weight,
        )
    ):
        rule = f"must be 1 where the market has no index: {ADD}"
        raise ConfigError(f"{path}.own_book_weight", rule, plain(weight))
    if oracle.clamp and oracle.clamp != preset.clamp:
        rule = f"is a distance from the index, which the market has not: {ADD}"
        raise ConfigError(f"{path}.clamp", rule, plain(oracle.clamp))


def _judge_lie(
    agenda: Agenda, venues: Sequence[VenuePlan], told: set[tuple[int, int]], number: int
) -> None:
    """A dislocation of the outside price is of a market that has one."""
    begins = [lie for lie in agenda.dislocations if lie.shift_ppm]
    lie = begins[number]  # one beginning of each, in the order of the file
    market = venues[lie.venue].markets[lie.market]
    if lie.told == Told.INDEX and not (
        market.arguments["index"] or (lie.venue, lie.market) in told
    ):
        rule = f"must be 'own': {market.market.name} has no index; {ADD}"
        raise ConfigError(f"dislocation[{number}].told", rule, "index")


def _judge_venue(plan: VenuePlan) -> None:
    """A plan of slices that is another one, or none."""
    config, path = plan.config, f"{plan.path}.liquidation[0]"
    policy = config.liquidation[0] if config.liquidation else None
    if policy is None:
        return
    if policy.kind in ("almgren_chriss", "obizhaeva_wang") and not policy.cooldown_s:
        rule = f"must be above 0 for kind {policy.kind!r}, whose slices follow from the pause"
        raise ConfigError(f"{path}.cooldown_s", rule, plain(policy.cooldown_s or Exact(0)))
    if policy.target_margin is None:
        return
    for item in plan.markets:
        rows = item.arguments["brackets"]
        rate = Exact(rows[0][1]) / 10**6 if rows else Exact(0)
        if policy.target_margin <= rate:
            rule = f"must be above what {item.market.name} asks at least, {plain(Exact(rate))}:"
            rule += " a margin restored to it is liquidatable still"
            raise ConfigError(f"{path}.target_margin", rule, plain(policy.target_margin))
