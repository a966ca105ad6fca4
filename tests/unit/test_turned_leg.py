"""An entry of the queue whose leg is gone is dropped, also when the position has turned since."""

from __future__ import annotations

from ordercascade.core.world import World
from ordercascade.enums import LimitRule, Side, StepKind
from unit.worlds import BRACKETS, rows


def test_a_leg_that_turned_before_its_turn_waits_for_the_next_round() -> None:
    """Mark 100, maintenance 5 %; 5 lots each and 5 units: a long from 102, a long from 100 and a
    short from 100 whose account bids for 1 lot at 100. All three are planned, the short to buy.

    The first long finds no bid at its bankruptcy limit of 101 and is handed over: the short is
    flat. The second sells 1 lot to the bid, so the short is now a long of 1: its order to buy is
    dropped, and only in the next round it may sell.
    """
    world = World()
    world.add_venue(limit=LimitRule.BANKRUPTCY)
    venue = world.venue(0)
    venue.add_market(multiplier=1, brackets=BRACKETS, last=100)
    scopes = []
    for size, cost in ((5, 510), (5, 500), (-5, -500)):
        account = venue.open_account()
        scopes.append(venue.deposit(account, 0, 5))
        venue.open_position(account, 0, size, cost)
    world.start()
    assert venue.submit(3, 0, Side.BID, 100, 1) > 0
    world.run()
    first, second, short = scopes
    steps = rows(world, "steps", "round", "kind", "scope")
    acts = [(turn, StepKind(kind).name, scope) for turn, kind, scope in steps if scope >= 0]
    assert acts[:3] == [
        (0, "LIQUIDATION", first),
        (0, "ADL", first),
        (0, "LIQUIDATION", second),
    ]
    assert (0, "LIQUIDATION", short) not in acts
    sides = dict(rows(world, "liquidations", "scope", "side"))
    assert sides[short] == Side.ASK
    assert (1, "LIQUIDATION", short) in acts
