"""What oracles are told falsely, planned ahead: dislocations, manipulations. MECHANISMS §7."""

from libc.string cimport memset
from ordercascade.core.venue cimport Venue
from ordercascade.core.due cimport Item
from ordercascade.core.world cimport World

from ordercascade.checks import member, whole
from ordercascade.enums import Told


def schedule_dislocation(World world not None, time_ns, venue, market, told, shift_ppm):
    """From a time on the oracles of a market are told so much (ppm) too much of a price.

    Told.INDEX: of the outside price; Told.OWN: of the market's own last and best prices. The
    prices themselves, and all that trades, stay as they are; 0 ends it. A `shock` step with
    `cause_market` and a DISLOCATION note (a = ppm, b = which) on the tape.
    """
    cdef Item item
    cdef Venue v
    memset(&item, 0, sizeof(Item))
    item.time_ns = world._time(time_ns)
    v = world.venue(venue)
    item.venue = v.s.venue
    item.market = v._market(market)
    item.kind = 0               # a price tick: before all others of its instant
    item.a = whole("shift_ppm", shift_ppm, -999_999, 10**9)
    item.b = member("told", Told, told)
    world._schedule(&item)
