"""What is planned ahead for accounts and markets: answers to margin calls, the end of a market."""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.calls cimport set_answers as _set_answers
from ordercascade.core.due cimport ENDING, FUNDING, Item
from ordercascade.core.expiry cimport set_ending
from ordercascade.core.venue cimport Venue
from ordercascade.core.world cimport World

from ordercascade.checks import whole


def set_answers(World world not None, venue, first, count=1, **answer):
    """What accounts from `first` on do when they are called for margin: ANSWER of core/calls.pyx.

    `action` (CallAction), `delay_ns` from the call to the answer; ADD: up to `target_ppm` of
    maintenance (0: all at once) out of `wallet` units, from a `source` (CallSource); REDUCE: a
    market order for `share_ppm` of the leg with most maintenance.
    """
    cdef Venue v
    world._idle()
    v = world.venue(venue)
    v.untouched = False
    most = v.s.ledger.account_count - 1
    first = whole("first", first, 1, most)
    count = whole("count", count, 1, most - first + 1)
    _set_answers(&v.s, first, count, answer)


def schedule_expiry(World world not None, time_ns, venue, market, *, rule, window_ns=0, price=0):
    """The end of a market at a time: all orders go, all positions are settled at one price.

    `rule`: an ExpiryRule; the averages are over `window_ns` before, STATED is at `price`. Comes
    after the market's funding of the same time and before transfers and orders.
    """
    cdef Item item
    cdef Venue v
    memset(&item, 0, sizeof(Item))
    item.time_ns = world._time(time_ns)
    v = world.venue(venue)
    item.venue = v.s.venue
    item.market = v._market(market)
    item.kind = FUNDING
    item.side = ENDING
    item.account = 1
    set_ending(&v.s, item.market, item.time_ns,
               {"rule": rule, "window_ns": window_ns, "price": price})
    world._schedule(&item)
