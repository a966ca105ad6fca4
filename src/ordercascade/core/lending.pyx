"""Interest payments on borrowed money, planned ahead. MECHANISMS §13; core/interest."""

from libc.string cimport memset
from ordercascade.core.due cimport FUNDING, INTEREST, Item, ORDER, RELIEF
from ordercascade.core.interest cimport set_lending
from ordercascade.core.slab cimport NIL
from ordercascade.core.venue cimport Venue
from ordercascade.core.world cimport World

from ordercascade.checks import SPAN_NS_MAX, whole


def schedule_interest(World world not None, time_ns, venue, *, asset=0, every_ns, times=1,
                      base_ppb=0, slope_ppb, steep_ppb, optimum_ppb, reserve_ppm=0,
                      elasticity_ppm=0):
    """Pay two-slope interest at a time for the `every_ns` before it, and so many times in all.

    The terms are the venue's: a later call changes them for all its payments to come. Rates are of
    a year of 365 days, in ppb (10^9 is 100 %); the optimum is a utilisation in ppb, the reserve the
    fund's share in ppm. The elasticity is the share (ppm) of its positions that a borrower closes
    for each per cent of the rate and day of the payment (core/relief); 0: nobody closes anything.
    """
    cdef Item item
    cdef Venue v
    memset(&item, 0, sizeof(Item))
    item.time_ns = world._time(time_ns)
    v = world.venue(venue)
    item.venue = v.s.venue
    item.kind = FUNDING
    item.side = INTEREST
    item.market = NIL           # before what ends a market in the same instant
    item.a = whole("asset", asset, 0, v.s.ledger.asset_count - 1)
    item.b = whole("every_ns", every_ns, 1, min(SPAN_NS_MAX, 31_536_000_000_000_000))
    item.c = whole("times", times, 1, 10**6)
    world._idle()
    set_lending(&v.s, dict(base_ppb=base_ppb, slope_ppb=slope_ppb, steep_ppb=steep_ppb,
                           optimum_ppb=optimum_ppb, reserve_ppm=reserve_ppm,
                           elasticity_ppm=elasticity_ppm))
    world._schedule(&item)
    if elasticity_ppm:
        item.kind = ORDER       # of users: after what is paid, and what they bring in
        item.side = RELIEF
        world._schedule(&item)
