"""Which orders a venue admits: initial margin 10 %, multiplier 100, marks at the last trade."""

from __future__ import annotations

from ordercascade.enums import Reject, Side
from unit.worlds import make


def test_an_order_that_moves_is_admitted_like_a_new_one() -> None:
    """11 lots at a mark of 99 need 10,890 of 11,000. After a withdrawal of 110 and a mark of 100
    they need 11,000 of 10,890: a new price is refused, even with fewer lots if these need more
    than there is; fewer lots at the same price, or few enough at another, are not.
    """
    world, venue = make(bids={98: 50}, asks={100: 1, 101: 50})
    account = venue.open_account()
    venue.deposit(account, 0, 11_000)
    world.start()
    world.run()
    order = venue.submit(account, 0, Side.BID, 90, 11)
    assert order > 0
    assert venue.withdraw(account, 0, 110) == 0
    world.schedule_shock(world.time_ns, 0, 0, Side.BID, size=1)
    world.settle()
    assert venue.marks() == [100]
    assert venue.amend(account, 0, order, price=91, size=11) == Reject.INSUFFICIENT
    assert venue.depth(0, Side.BID)[1] == (90, 11)
    assert venue.amend(account, 0, order, size=11) == order
    assert venue.amend(account, 0, order, price=90, size=11) == order
    assert venue.amend(account, 0, order, price=91, size=10) == order
    assert venue.depth(0, Side.BID)[1] == (91, 10)
    assert venue.amend(account, 0, order, size=11) == Reject.INSUFFICIENT
    assert venue.amend(account, 0, order, size=0) == 0
