"""Worlds made by calls, as tapes that carry the rules they were made with; and tapes spoilt."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from ordercascade.core.events import EventLog
from ordercascade.core.world import World
from ordercascade.engine import MARKET_RULES
from ordercascade.enums import AdlRule, LimitRule, MarketKind, PriceSource, Side, TimeInForce
from ordercascade.errors import InputError
from ordercascade.replay.terms import Rules
from ordercascade.tape import Tape
from reference.rules import Rules as TwinRules
from reference.scenarios import BASE, BRACKETS, RULES
from reference.scripts import Call, play

ADDED = {"limit": LimitRule.MARKET, "adl_rule": AdlRule.QUEUE}


def meta_of(calls: list[Call], *, ruled: bool = True) -> dict[str, Any]:
    """Return the metadata of a world made by these calls; `ruled`: with rules and rates."""
    venues: list[dict[str, Any]] = []
    markets: list[dict[str, Any]] = []
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
            market["kind"] = MarketKind(found.get("kind", 0)).name.lower()
            if ruled:
                market |= {name: int(found[name]) for name in MARKET_RULES}
                market["brackets"] = [list(row) for row in found["brackets"]]
            markets.append(market)
    return {"name": "calls", "venues": venues, "markets": markets}


def tape_of_calls(calls: list[Call], *, ruled: bool = True) -> Tape:
    """Play the calls on the engine; return its tape."""
    world = World()
    play(world, calls)
    return Tape(world.log, meta_of(calls, ruled=ruled) | {"stop": int(world.stop)})


def spoil(tape: Tape, table: str, row: int, column: str, by: int) -> Tape:
    """Return the tape with one cell changed; what Tape itself refuses raises."""
    log: EventLog = tape.__dict__["_log"].fork()
    log.set(table, row, column, log.get(table, row, column) + by)
    return Tape(log, tape.meta)


def calls_of_users(seed: int) -> list[Call]:
    """Return a settled world of two markets for users to trade in."""
    draw = random.Random(seed)
    rules = {name: draw.choice(ways) for name, ways in RULES.items() if draw.random() < 0.4}
    calls = [Call(-1, "add_venue", (1,), rules)]
    for number in range(2):
        calls.append(Call(0, "add_market", (), _market(draw)))
        for away in range(1, 9):
            for side, sign in ((Side.BID, -1), (Side.ASK, 1)):
                price = BASE + sign * away
                calls.append(Call(0, "seed_level", (number, side, price, draw.choice([3, 9]))))
    calls.append(Call(0, "fund_deposit", (0, draw.choice([1, 300]))))
    for who in range(1, 9):
        calls.append(Call(0, "open_account"))
        lots = draw.choice([0, 8, 20, -8])
        calls.append(Call(0, "deposit", (who, 0, 40 + abs(lots) * draw.choice([4, 8, 60]))))
        if lots:
            calls.append(Call(0, "open_position", (who, draw.randrange(2), lots, lots * BASE)))
    return [*calls, Call(-1, "start"), Call(-1, "settle")]


def tape_of_users(seed: int, count: int = 60) -> Tape:
    """Return the tape of such a world after so many calls; users know their orders' ids."""
    draw = random.Random(seed)
    calls, world = calls_of_users(seed), World()
    play(world, calls)
    orders: list[tuple[int, int, int]] = [(1, 0, 1 << 32)]
    for _ in range(count):
        for call in _of_user(draw, world.time_ns, draw.choice(orders)):
            with suppress(InputError):  # A move to a market that is not isolated, say.
                found = play(world, [call])
                if call.name == "submit" and found[0][1] > 0:
                    orders.append((*call.args[:2], found[0][1]))
    world.run()
    return Tape(world.log, meta_of(calls) | {"stop": int(world.stop)})


def _market(draw: random.Random) -> dict[str, Any]:
    return {
        "brackets": draw.choice(BRACKETS),
        "last": BASE,
        "source": draw.choice(list(PriceSource)),
        "own_weight_ppm": draw.choice([10**6, 400_000]),
        "index": draw.choice([0, BASE + 1]),
        "taker_fee_ppm": 4_000,
        "maker_fee_ppm": draw.choice([0, -900]),
    }


def _of_user(draw: random.Random, now: int, order: tuple[int, int, int]) -> list[Call]:
    """Return the next call of a user, or of the outside; now and then a settlement."""
    who, market = draw.randrange(1, 9), draw.randrange(2)
    side, price = draw.choice(list(Side)), BASE + draw.randrange(-9, 10)
    size = draw.choice([1, 4, 12])
    how: dict[str, Any] = draw.choice([{}, {}, {}, {"tif": TimeInForce.IOC}, {"flags": 1}])
    submit = Call(0, "submit", (who, market, side, price, size), how)
    change = {"size": draw.choice([0, 1, 2, size]), "price": draw.choice([0, 0, price])}
    settle = Call(-1, "settle")
    if draw.random() < 0.4:
        return [submit]
    return draw.choice(
        [
            [Call(0, "cancel", order)],
            [Call(0, "amend", order, change)],
            [Call(0, "deposit", (who, 0, size * 9))],
            [Call(0, "withdraw", (who, 0, size))],
            [Call(0, "isolate", (who, market)), submit],
            [Call(0, "isolate", (who, market)), Call(0, "move_isolated", (who, market, size * 20))],
            [Call(0, "set_index", (market, price)), settle],
            [Call(-1, "schedule_shock", (now, 0, market, side), {"size": 3 * size}), settle],
            [settle],
        ]
    )
