"""Options and portfolio margin, set up and planned: the doors. docs/adr/0022, 0023.

>>> set_option(world, 0, 1, kind=OptionKind.PUT, underlying=0, strike=60_000,
...            expires_ns=30 * DAY, vol_ppm=600_000)                            # doctest: +SKIP
>>> set_portfolio(world, 0, underlyings=[{"reference": 0, "markets": [0, 1], "rows": span(160_000),
...               "up_ppm": 250_000, "down_ppm": 250_000}])                     # doctest: +SKIP
"""

from libc.stdint cimport int32_t
from libc.string cimport memset
from ordercascade.core.arriving cimport set_oracle
from ordercascade.core.blocks cimport VOLATILITIES, VOLATILITY, user_block
from ordercascade.core.due cimport ENDING, FUNDING, Item
from ordercascade.core.expiry cimport set_ending
from ordercascade.core.grids cimport grid_of, is_option
from ordercascade.core.options cimport set_contract, set_grids
from ordercascade.core.venue cimport Venue
from ordercascade.core.world cimport World

from ordercascade.checks import whole
from ordercascade.duties import ExpiryRule, VolMove
from ordercascade.errors import InputError
from ordercascade.mechanisms.prices import Held

PPM = 10**6


cdef Venue _setting_up(World world, venue):
    """The venue, while nobody has an account there; options change what every leg asks."""
    cdef Venue v
    world._new()
    v = world.venue(venue)
    v._set_up()
    if v.s.ledger.account_count > 1:
        raise InputError("venue", venue, "must have no accounts yet")
    return v


def set_option(World world not None, venue, market, *, expires_ns, rule=ExpiryRule.MARK,
               window_ns=0, price=0, **terms):
    """Make a linear market an option: no book, its mark by Black–Scholes (core/options.pyx).

    `kind` (OptionKind), `underlying` (market), `strike` (its ticks), `vol_ppm` and `rate_ppm` a
    year, `coin` (paid in the coin: the price over the underlying's); `per` ticks of the option are
    `of` of the underlying's (coin: `of` coins). At `expires_ns` it is settled at what exercising it
    brings at the underlying's price by `rule` (as schedule_expiry), or at a stated `price`.
    """
    cdef Item item
    cdef Venue v = _setting_up(world, venue)
    cdef int32_t m = v._market(market)
    memset(&item, 0, sizeof(Item))
    item.time_ns = world._time(expires_ns)
    item.venue = v.s.venue
    item.market = m
    item.kind = FUNDING
    item.side = ENDING
    item.account = 1
    set_contract(&v.s, m, dict(terms, expires_ns=expires_ns))
    set_ending(&v.s, m, item.time_ns, {"rule": rule, "window_ns": window_ns, "price": price})
    world._schedule(&item)
    v.oracles[m] = Held()
    set_oracle(&v.s, m, v.oracles[m])


def set_portfolio(World world not None, venue, **terms):
    """Margin chosen markets of a venue by scenarios instead of rates (core/portfolio.pyx).

    `underlyings`: for each a dict with `reference`, `markets`, `rows` of (move_ppm, VolMove,
    counted_ppm) and the ppm of GRID in core/options.pyx; `offsets`: (first, second, credit_ppm);
    `maintenance_ppm` of initial margin. Scopes with such positions are looked at every step.
    """
    cdef Venue v = _setting_up(world, venue)
    cdef int32_t m
    set_grids(&v.s, terms)
    for m in range(<int32_t>v.s.market_count):
        if grid_of(&v.s, m) >= 0:
            v.schedules[m] = None


def schedule_volatility(World world not None, time_ns, venue, market, *, vol_ppm=None,
                        factor_ppm=None):
    """From a time on an option has another volatility, or all options on a market `factor_ppm` of
    theirs. A `shock` step with a VOLATILITY note an option; marks follow as after a price."""
    cdef Item item
    cdef Venue v
    memset(&item, 0, sizeof(Item))
    item.time_ns = world._time(time_ns)
    v = world.venue(venue)
    item.venue = v.s.venue
    item.market = v._market(market)
    item.kind = 0               # a price tick: before all others of its instant
    if (vol_ppm is None) == (factor_ppm is None):
        raise InputError("vol_ppm", vol_ppm, "or else factor_ppm must be given, one of the two")
    if v.s.grids == NULL or is_option(&v.s, item.market) != (factor_ppm is None):
        raise InputError("market", market, "must be an option for vol_ppm, and for factor_ppm the "
                         "market that options are on")
    if factor_ppm is None:
        item.a = whole("vol_ppm", vol_ppm, 0, 100 * PPM)
        item.b = VOLATILITY
    else:
        item.a = whole("factor_ppm", factor_ppm, 0, 100 * PPM)
        item.b = VOLATILITIES
    world._schedule(&item)


def trade_option(World world not None, venue, market, *, buyer, seller, size, price):
    """Lots of an option change hands at a price: 0, or a Reject code and nothing has changed.

    `buyer` and `seller` are accounts, 0 is `external`. Without fees; INSUFFICIENT where initial
    margin with the lots would exceed equity, unless neither gets worse. One step of the tape.
    """
    cdef Venue v
    cdef int32_t m, to, source
    world._idle()
    v = world.venue(venue)
    v._started()
    m = v._market(market)
    if not is_option(&v.s, m):
        raise InputError("market", market, "must be an option: others have a book")
    to = whole("buyer", buyer, 0, v.s.ledger.account_count - 1)
    source = whole("seller", seller, 0, v.s.ledger.account_count - 1)
    if to == source:
        raise InputError("seller", seller, "must be another account than the buyer")
    lots = whole("size", size, 1, v.s.markets[m].size_max)
    return user_block(&v.s, to, source, m, lots, v._price(m, price, 1), &v.torn)


def span(range_ppm, *, extreme_ppm=0, counted_ppm=0):
    """SPAN's scenarios, 16 with two extreme moves that count in part. spec/MARGIN.md §8 [SP1].

    {0, ±1/3, ±2/3, ±1} of the range with volatility up and down; moves to the nearest ppm.
    """
    whole("range_ppm", range_ppm, 1, PPM - 1)
    steps = [(2 * range_ppm * part + 3) // 6 for part in (1, 2, 3)]
    moves = [0] + [sign * step for step in steps for sign in (1, -1)]
    rows = [(move, vol, PPM) for move in moves for vol in (VolMove.UP, VolMove.DOWN)]
    if extreme_ppm:
        rows += [(sign * extreme_ppm, VolMove.SAME, counted_ppm) for sign in (1, -1)]
    return rows


def buckets(range_ppm, count, *, extended=()):
    """Deribit's grid: `count` equal moves a side of the range, volatility up, same and down.

    `extended` moves lie beyond the range, at the same volatility; (move_ppm, counted_ppm) each,
    counted_ppm None: range / |move|, rounded up, the dampener. spec/MARGIN.md §8 [DE4, DE5].
    """
    whole("range_ppm", range_ppm, 1, PPM - 1)
    whole("count", count, 1, 15)
    moves = [(2 * range_ppm * part + count) // (2 * count) for part in range(-count, count + 1)]
    rows = [(move, vol, PPM) for move in moves for vol in (VolMove.UP, VolMove.SAME, VolMove.DOWN)]
    for move, counted in extended:
        if abs(move) <= range_ppm:
            raise InputError("extended", move, "must lie beyond the range")
        if counted is None:
            counted = -(-range_ppm * PPM // abs(move))
        rows.append((move, VolMove.SAME, counted))
    return rows
