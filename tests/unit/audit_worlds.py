"""Worlds made by calls, as tapes that carry the rules they were made with; and tapes spoilt."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from ordercascade.core.events import EventLog
from ordercascade.core.world import World
from ordercascade.engine import MARKET_RULES
from ordercascade.enums import AdlRule, LimitRule
from ordercascade.replay.terms import Rules
from ordercascade.tape import Tape
from reference.market import Market as TwinMarket
from reference.rules import Rules as TwinRules
from reference.scripts import Call, play

ADDED = {"limit": LimitRule.MARKET, "adl_rule": AdlRule.QUEUE}


def meta_of(calls: list[Call], *, ruled: bool = True) -> dict[str, Any]:
    """Return the metadata of a world made by these calls; `ruled`: with rules and rates."""
    venues: list[dict[str, Any]] = []
    markets: list[dict[str, Any]] = []
    defaults = {field.name: field.default for field in fields(TwinMarket)}
    for call in calls:
        if call.name == "add_venue":
            rules = asdict(TwinRules()) | ADDED | call.kwargs
            known = {name: int(rules[name]) for name in Rules._fields}
            venue: dict[str, Any] = {"id": len(venues), "name": f"v{len(venues)}"}
            venues.append(venue | ({"rules": known} if ruled else {}))
        elif call.name == "add_market":
            usual = {"asset": 0, "multiplier": 1, "price_max": 2**20, "brackets": ()}
            usual |= {"source": 0, "own_weight_ppm": 10**6}
            found = usual | dict.fromkeys(MARKET_RULES[2:], 0) | call.kwargs
            mine = sum(market["venue"] == call.venue for market in markets)
            market = {"venue": call.venue, "id": mine, "name": f"m{mine}"}
            market |= {name: int(found[name]) for name in ("asset", "multiplier", "price_max")}
            if ruled:
                market |= {name: int(found[name]) for name in MARKET_RULES}
                market["brackets"] = [list(row) for row in found["brackets"]]
            markets.append(market)
    assert "size" not in defaults
    return {"name": "calls", "venues": venues, "markets": markets}


def tape_of_calls(calls: list[Call], *, ruled: bool = True) -> Tape:
    """Play the calls on the engine; return its tape."""
    world = World()
    play(world, calls)
    return Tape(world.log, meta_of(calls, ruled=ruled))


def spoil(tape: Tape, table: str, row: int, column: str, by: int) -> Tape:
    """Return the tape with one cell changed; what Tape itself refuses raises."""
    log: EventLog = tape.__dict__["_log"].fork()
    log.set(table, row, column, log.get(table, row, column) + by)
    return Tape(log, tape.meta)
