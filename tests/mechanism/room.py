"""One market in which every mechanism has something to do, round by round of a clock.

A wick and its recovery, an index that goes its own way, longs and shorts that fall, winners who are
deleveraged, a second fall at the end. Prices are of a thousand ticks, so that a few ppm are seen.
An index price comes every second, changed or not: there is a round then, so a Python plug-in, which
cannot wake the world, is asked as often as a built-in that can.
"""

from __future__ import annotations

from typing import Any

from ordercascade.core.venue import Venue
from ordercascade.core.world import World
from ordercascade.enums import MarkRefresh, QueueOrder, Side
from unit.worlds import rows

SECOND = 10**9
# Maintenance of 5 % up to 25,000, 6 % beyond.
BRACKETS = [(0, 50_000, 0, 100_000), (25_000, 60_000, 250, 125_000)]
INDEX = [1000, 1000, 985, 962, 960, 975, 1000, 1004, 1010, 991, 985, 990, 992]
# Second, side, lots: who sends them is outside.
SHOCKS = [
    (1, Side.ASK, 20),
    (3, Side.ASK, 60),
    (6, Side.BID, 260),
    (9, Side.ASK, 420),
    (10, Side.ASK, 500),
]
# Lots and money of those who may fall, and of the winners on the other side.
CROWD = [(20, 1_450), (-25, 2_400), (30, 2_450), (40, 3_900), (15, 1_700), (60, 7_300), (12, 680)]
# The winners' entry prices differ, else some ranks would not.
WINNERS = [
    *((-70, 44_000, 1050), (-50, 30_000, 950), (-45, 35_000, 1040)),
    *((45, 39_000, 950), (30, 17_000, 1020)),
]
TABLES = {
    "steps": ("kind", "round", "time_ns"),
    "fills": ("step", "price", "size", "taker_account", "maker_account"),
    "liquidations": ("step", "account", "lots_asked", "lots_filled", "limit_price", "outcome"),
    "marks": ("step", "mark", "last"),
    "adl": ("scope_from", "scope_to", "lots", "rank"),
    "notes": ("step", "kind", "market", "a", "b"),
    "postings": ("step", "amount", "reason"),
}
TREE = ("parent", "generation")
Tables = dict[str, list[tuple[int, ...]]]


def room(*, oracle: Any = None, seconds: int = 30, **rules: Any) -> tuple[World, Venue]:
    """Return the world at its start, and its venue; `oracle` is the market's."""
    world = World(3)
    rules = {"queue": QueueOrder.TRIGGER_PRICE, "mark_refresh": MarkRefresh.ORDER} | rules
    world.add_venue(liquidation_fee_ppm=2_000, **rules)
    venue = world.venue()
    own = {} if oracle is None else {"oracle": oracle}
    venue.add_market(brackets=BRACKETS, last=1000, index=1000, taker_fee_ppm=500, **own)
    for level in range(70):
        venue.seed_level(0, Side.BID, 1000 - 5 * level, 10 + level % 3)
        venue.seed_level(0, Side.ASK, 1005 + 5 * level, 10 + level % 4)
    for lots, money, entry in [(*each, 1000) for each in CROWD] + WINNERS:
        account = venue.open_account()
        venue.deposit(account, 0, money)
        venue.open_position(account, 0, lots, lots * entry)
    for second in range(1, seconds):
        world.schedule_index(second * SECOND, 0, 0, INDEX[min(second, len(INDEX) - 1)])
    for second, side, size in SHOCKS:
        world.schedule_shock(second * SECOND, 0, 0, side, size=size)
    world.start()
    return world, venue


def tables(world: World, *, tree: bool = True, money: bool = True) -> Tables:
    """Return the tape's tables; without the tree: what does not depend on peeks."""
    names = [name for name in TABLES if money or name != "postings"]
    found = {name: rows(world, name, *TABLES[name]) for name in names}
    return found | ({"tree": rows(world, "steps", *TREE)} if tree else {})


def ended(**made: Any) -> Tables:
    """Return the tables of a run to the end."""
    world, _ = room(**made)
    world.run()
    return tables(world)
