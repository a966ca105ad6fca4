"""What oracles are told falsely, planned ahead: dislocations, manipulations. MECHANISMS §7."""

from libc.string cimport memset
from ordercascade.core.pledges cimport FROM_RATE, PEG_MOST, Pledge, WORTH_MOST
from ordercascade.core.slab cimport NIL
from ordercascade.core.units cimport TICK_MAX
from ordercascade.core.venue cimport Venue
from ordercascade.core.due cimport Item
from ordercascade.core.world cimport World

from ordercascade.checks import member, whole
from ordercascade.enums import Told
from ordercascade.errors import InputError


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


def schedule_collateral(World world not None, time_ns, venue, asset, *, price=None, peg_ppm=None):
    """From a time on a collateral has another price (a rate, of its own), or another peg: what it
    is worth (ppm) of its source. A `shock` step with a COLLATERAL note (a = value, b = 2 * asset,
    one more for a peg) on the tape."""
    cdef Item item
    cdef Venue v
    cdef const Pledge* p
    memset(&item, 0, sizeof(Item))
    item.time_ns = world._time(time_ns)
    v = world.venue(venue)
    item.venue = v.s.venue
    item.market = NIL           # a price tick, before those of the markets
    item.account = whole("asset", asset, 0, v.s.ledger.asset_count - 1)
    if v.s.pledges == NULL or not v.s.pledges[item.account].on:
        raise InputError("asset", asset, "must be a collateral: see add_collateral()")
    p = &v.s.pledges[item.account]
    if (price is None) == (peg_ppm is None):
        raise InputError("price", price, "or else peg_ppm must be given, one of the two")
    if peg_ppm is None and p.source != FROM_RATE and not p.follows:
        raise InputError("price", price, "must be that of its source: give peg_ppm")
    if peg_ppm is None:
        item.a = whole("price", price, 1, min(TICK_MAX, WORTH_MOST // p.multiplier))
    else:
        item.a = whole("peg_ppm", peg_ppm, 0, PEG_MOST)
    item.kind = 0
    item.b = 2 * item.account + (peg_ppm is not None)
    world._schedule(&item)
