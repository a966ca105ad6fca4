"""Portfolio margin: what a scope could lose over a grid of scenarios. spec/MARGIN.md §8; ADR 23.

For each underlying, a market whose mark P is moved, and the markets margined with it:

    move_i    = P move_i to the nearest tick; a future goes to max(1, mark + move_i), an option is
                priced anew at max(1, its underlying's mark + move_i) and the scenario's volatility
    loss      = max(0, max_i ceil(counted_i * -sum of the legs' gains in scenario i))
    volatility: same; up: v (1 + up (30/days)^e), at least the floor; down: v (1 - down (30/days)^e)
    minimum   = ceil(short_ppm of what the options sold are on)
    extra     = ceil(contingency_ppm of the futures' values) + ceil(option_ppm of what the options
                sold are on) + ceil(concentration_ppm of all of that beyond `concentration_from`)
    initial   = sum over underlyings of max(loss - credit, minimum) + extra
    maintenance = ceil(maintenance_ppm of initial)

An offset gives the smaller of two losses a credit, floor(credit_ppm of it), where the two worst
scenarios move their underlyings in opposite directions; a loss that was set off is not set off
again. SPAN [SP1], Deribit [DE4, DE5]. Everything is rounded up, against who asks for less.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.book cimport book_open
from ordercascade.core.contracts cimport INVERSE
from ordercascade.core.grids cimport (
    Contract, GRIDS_MAX, Grid, Grids, ROWS_MAX, Row, Seen, VOL_DOWN, VOL_SAME, VOL_UP, grid_of,
    is_option, priced_by,
)
from ordercascade.core.ledger cimport Holder, Position, ledger_find, ledger_scope
from ordercascade.core.slab cimport NIL
from ordercascade.core.state cimport (
    LEG_WORST_PNL, Margin, Market, State, margin_of, need_in, price_at, value_of,
)
from ordercascade.core.units cimport (
    CASH_MAX, Cash, Lot, PPM, Ppm, Tick, TimeNs, Wide, absolute, div_floor, larger, oc_quotient,
    oc_remainder, smaller,
)
from ordercascade.mechanisms.options cimport (
    moved_by, option_price, vol_shocked,
)

cdef enum:
    TRIED = 3               # markets with orders whose ways to fill are all tried

ctypedef struct Sums:       # of the legs of one underlying
    bint any
    Wide gains[96]
    Wide futures            # values
    Wide sold               # values of the underlying
    Wide bought
    Tick moves[96]

ctypedef struct Worst:
    Cash loss
    Cash left               # of it, that was not set off
    int direction           # of the price there
    Cash least
    Cash extra


# --- prices ------------------------------------------------------------------------------------

cdef inline TimeNs _left(const Grids* g, const Contract* c, bint peek) noexcept nogil:
    return larger(0, c.expires_ns - (g.peeked_ns if peek else g.marked_ns))


cdef inline Tick _mark(const State* s, const Ask* a, int32_t market) noexcept nogil:
    cdef const Grids* g = <const Grids*>s.grids
    cdef const Contract* c
    if a.marks != NULL:
        return a.marks[market]
    if a.moved == NIL or priced_by(s, market) != a.moved:
        return price_at(&s.markets[market], a.peek)
    if market == a.moved:
        return a.price
    c = &g.contracts[market]
    return smaller(s.markets[market].price_max,
                   option_price(&c.terms, a.price, _left(g, c, a.peek), c.stood_ppm))


cdef void _scenarios(const Contract* c, const Grid* grid, const Tick* moves, Tick spot,
                     TimeNs left, Ppm vol_ppm, Tick* out) noexcept nogil:
    """An option's price in each scenario."""
    cdef Ppm vols[3]
    cdef int32_t i
    vols[1 + VOL_SAME] = vol_ppm
    vols[1 + VOL_UP] = vol_shocked(vol_ppm, grid.up_ppm, grid.floor_ppm, left,
                                   grid.power_short_ppm, grid.power_long_ppm)
    vols[1 + VOL_DOWN] = vol_shocked(vol_ppm, -grid.down_ppm, 0, left,
                                     grid.power_short_ppm, grid.power_long_ppm)
    for i in range(grid.row_count):
        out[i] = option_price(&c.terms, larger(1, spot + moves[i]), left,
                              vols[1 + grid.rows[i].vol])


cdef const Tick* _prices(const State* s, const Ask* a, const Grid* grid, const Sums* t,
                         int32_t market, Tick* room) noexcept nogil:
    """The same, remembered where it is about the venue's own marks: all scopes ask for it."""
    cdef Grids* g = <Grids*>s.grids
    cdef const Contract* c = &g.contracts[market]
    cdef Ppm vol_ppm = c.vol_ppm if a.peek else c.stood_ppm
    cdef TimeNs left = _left(g, c, a.peek)
    cdef Tick spot = _mark(s, a, c.market)
    cdef Tick reference = _mark(s, a, grid.reference)
    cdef Seen* seen
    if a.marks != NULL or a.moved != NIL:
        _scenarios(c, grid, t.moves, spot, left, vol_ppm, room)
        return room
    seen = &g.seen[2 * market + a.peek]
    if (seen.spot != spot or seen.reference != reference or seen.vol_ppm != vol_ppm
            or seen.left != left):
        seen.spot = spot
        seen.reference = reference
        seen.vol_ppm = vol_ppm
        seen.left = left
        _scenarios(c, grid, t.moves, spot, left, vol_ppm, seen.prices)
    return seen.prices


# --- one leg -----------------------------------------------------------------------------------

cdef inline Wide _share(Wide amount, Ppm rate_ppm) noexcept nogil:
    """A share of an amount of at least 0, rounded up."""
    cdef Wide charge = amount * rate_ppm
    return oc_quotient(charge, PPM) + (1 if oc_remainder(charge, PPM) else 0)


cdef Wide _underlying(const State* s, const Ask* a, int32_t market, Lot lots) noexcept nogil:
    """What options are on, at its mark, in money, rounded up."""
    cdef const Contract* c = &(<const Grids*>s.grids).contracts[market]
    cdef Wide value = <Wide>absolute(lots) * s.markets[market].multiplier * c.terms.per
    if not c.terms.coin:
        value = value * _mark(s, a, c.market)
    return oc_quotient(value, c.terms.of) + (1 if oc_remainder(value, c.terms.of) else 0)


cdef void _add(const State* s, const Ask* a, const Grid* grid, int32_t market, Lot lots,
               Sums* t) noexcept nogil:
    """Its gain in every scenario, and what it counts for beside."""
    cdef const Market* m = &s.markets[market]
    cdef Tick mark = _mark(s, a, market)
    cdef Wide unit = <Wide>lots * m.multiplier
    cdef Tick room[96]
    cdef const Tick* prices
    cdef Cash value
    cdef int32_t i
    t.any = True
    if is_option(s, market):
        prices = _prices(s, a, grid, t, market, room)
        for i in range(grid.row_count):
            t.gains[i] = t.gains[i] + unit * (prices[i] - mark)
        if lots < 0:
            t.sold = t.sold + _underlying(s, a, market, lots)
        else:
            t.bought = t.bought + _underlying(s, a, market, lots)
        return
    value = value_of(m, lots, mark)
    t.futures = t.futures + absolute(value)
    for i in range(grid.row_count):
        if m.kind == INVERSE:
            t.gains[i] = t.gains[i] + div_floor(-unit, larger(1, mark + t.moves[i])) - value
        else:
            t.gains[i] = t.gains[i] + unit * (larger(1, mark + t.moves[i]) - mark)


cdef inline Lot _change(const Ask* a, int32_t market) noexcept nogil:
    cdef Lot lots = 0
    cdef int32_t i
    for i in range(a.count):
        if a.markets[i] == market:
            lots += a.lots[i]
    return lots


cdef void _gather(const State* s, const Ask* a, int32_t which, const Grid* grid,
                  Sums* t) noexcept nogil:
    """All legs of one underlying, as held and as changed."""
    cdef int32_t p = NIL if a.bare else s.ledger.holders[a.scope].first
    cdef const Position* position
    cdef Tick mark = _mark(s, a, grid.reference)
    cdef Lot lots
    cdef int32_t i
    t.any = False
    t.futures = t.sold = t.bought = 0
    for i in range(grid.row_count):
        t.gains[i] = 0
        t.moves[i] = moved_by(mark, grid.rows[i].move_ppm)
    while p != NIL:
        position = &s.ledger.positions[p]
        p = position.next
        if position.market == a.without or grid_of(s, position.market) != which:
            continue
        lots = position.size + _change(a, position.market)
        if lots != 0:
            _add(s, a, grid, position.market, lots, t)
    for i in range(a.count):
        if a.lots[i] != 0 and grid_of(s, a.markets[i]) == which and (
                a.bare or ledger_find(&s.ledger, a.scope, a.markets[i]) == NIL):
            _add(s, a, grid, a.markets[i], a.lots[i], t)


# --- all underlyings ---------------------------------------------------------------------------

cdef inline Cash _narrow(Wide amount) noexcept nogil:
    return CASH_MAX if amount > CASH_MAX else <Cash>amount


cdef void _worst(const Grid* grid, const Sums* t, Worst* out) noexcept nogil:
    """The first of the scenarios that cost most, and what is asked beside."""
    cdef Wide most = 0
    cdef Wide loss, gross
    cdef int32_t i
    out.direction = 0
    for i in range(grid.row_count):
        if t.gains[i] >= 0:
            continue
        loss = -t.gains[i]
        if grid.rows[i].counted_ppm != PPM:
            loss = _share(loss, grid.rows[i].counted_ppm)
        if loss > most:
            most = loss
            out.direction = (grid.rows[i].move_ppm > 0) - (grid.rows[i].move_ppm < 0)
    out.loss = _narrow(most)
    out.left = out.loss
    out.least = _narrow(_share(t.sold, grid.short_ppm))
    gross = t.futures + t.sold + t.bought - grid.concentration_from
    if gross < 0:
        gross = 0
    out.extra = _narrow(_share(t.futures, grid.contingency_ppm)
                        + _share(t.sold, grid.option_ppm) + _share(gross, grid.concentration_ppm))


cdef void _set_off(const Grids* g, Worst* rows) noexcept nogil:
    """Credits between underlyings, in their order."""
    cdef int64_t i
    cdef Worst* a
    cdef Worst* b
    cdef Cash both, credit
    for i in range(g.offset_count):
        a = &rows[g.offsets[i].first]
        b = &rows[g.offsets[i].second]
        if a.direction * b.direction >= 0:
            continue
        both = smaller(a.left, b.left)
        credit = div_floor(<Wide>both * g.offsets[i].credit_ppm, PPM)
        if b.left < a.left:
            b.loss -= credit
        else:
            a.loss -= credit
        a.left -= both
        b.left -= both


cdef Cash portfolio_asked(const State* s, const Ask* a) noexcept nogil:
    """Initial margin of what is asked about, over all underlyings."""
    cdef const Grids* g = <const Grids*>s.grids
    cdef Worst rows[16]
    cdef Sums t
    cdef Wide sum = 0
    cdef int32_t i
    cdef bint any = False
    for i in range(<int32_t>g.grid_count):
        _gather(s, a, i, &g.grids[i], &t)
        memset(&rows[i], 0, sizeof(Worst))
        if t.any:
            any = True
            _worst(&g.grids[i], &t, &rows[i])
    if not any:
        return 0
    _set_off(g, rows)
    for i in range(<int32_t>g.grid_count):
        sum = sum + larger(rows[i].loss, rows[i].least) + rows[i].extra
    return _narrow(sum)


cdef inline Ask _about(int32_t scope) noexcept nogil:
    cdef Ask a
    memset(&a, 0, sizeof(Ask))
    a.scope = scope
    a.without = NIL
    a.moved = NIL
    return a


cdef inline Cash _maintained(const State* s, const Ask* a) noexcept nogil:
    return <Cash>_share(portfolio_asked(s, a), (<const Grids*>s.grids).maintenance_ppm)


cdef Cash portfolio_maintenance(const void* state, int32_t scope, bint peek) noexcept nogil:
    cdef Ask a = _about(scope)
    a.peek = peek
    return _maintained(<const State*>state, &a)


cdef Cash portfolio_under(const State* s, int32_t scope, const Tick* marks) noexcept nogil:
    """Maintenance, were these the marks of all markets."""
    cdef Ask a = _about(scope)
    a.marks = marks
    return _maintained(s, &a)


cdef Margin margin_moved(const State* s, int32_t scope, int32_t market, Tick price) noexcept nogil:
    cdef Margin out = margin_of(s, scope, False)
    cdef int32_t p = s.ledger.holders[scope].first
    cdef const Position* position
    cdef const Market* m
    cdef Ask a = _about(scope)
    cdef Cash before, after
    out.maintenance -= _maintained(s, &a)
    a.moved = market
    a.price = price
    out.maintenance += _maintained(s, &a)
    while p != NIL:
        position = &s.ledger.positions[p]
        p = position.next
        if position.size == 0 or priced_by(s, position.market) != market:
            continue
        m = &s.markets[position.market]
        before = value_of(m, position.size, m.mark)
        after = value_of(m, position.size, _mark(s, &a, position.market))
        out.equity += after - before
        out.maintenance += (need_in(m, position.size, after, position.cost)
                            - need_in(m, position.size, before, position.cost))
    return out


cdef Cash leg_maintenance(const State* s, int32_t market, Lot size) noexcept nogil:
    """Of lots that nothing stands beside."""
    cdef Ask a = _about(NIL)
    a.bare = True
    a.count = 1
    a.markets[0] = market
    a.lots[0] = size
    return _maintained(s, &a)


cdef bint gridded(const State* s, int32_t scope) noexcept nogil:
    """Does a scope hold lots whose margin is of scenarios?"""
    cdef int32_t p = s.ledger.holders[scope].first
    while p != NIL:
        if s.ledger.positions[p].size != 0 and grid_of(s, s.ledger.positions[p].market) != NIL:
            return True
        p = s.ledger.positions[p].next
    return False


# --- orders ------------------------------------------------------------------------------------

cdef Cash portfolio_initial(const State* s, int32_t scope, int32_t market, Lot bids,
                            Lot asks) noexcept nogil:
    """Initial margin, were the scope's open orders filled in the worst way.

    Each market's bids, or its asks, or neither: all ways of the first three markets that have any
    are tried (a loss is convex in lots, so parts cannot be worse); the orders of further markets
    are asked as if nothing stood beside them. `bids` and `asks` are lots of an order to come.
    """
    return _ordered(s, scope, market, bids, asks, 0)


cdef Cash portfolio_with(const State* s, int32_t scope, int32_t market, Lot lots) noexcept nogil:
    return _ordered(s, scope, market, 0, 0, lots)


cdef Cash _ordered(const State* s, int32_t scope, int32_t market, Lot bids, Lot asks,
                   Lot lots) noexcept nogil:
    """`lots` of the market are certain, the orders are not."""
    cdef const Holder* h = &s.ledger.holders[scope]
    cdef Ask a = _about(scope)
    cdef Ask alone
    cdef Lot up[3]
    cdef Lot down[3]
    cdef Lot more, less
    cdef Cash most = 0
    cdef Wide rest = 0
    cdef int32_t i, ways
    for i in range(<int32_t>s.market_count):
        if grid_of(s, i) == NIL or s.markets[i].asset != h.asset:
            continue
        if ledger_scope(&s.ledger, h.account, i, h.asset) != scope:
            continue
        more = book_open(&s.markets[i].book, h.account, 0) + (bids if i == market else 0)
        less = book_open(&s.markets[i].book, h.account, 1) + (asks if i == market else 0)
        if more == 0 and less == 0:
            continue
        if a.count < TRIED:
            a.markets[a.count] = i
            up[a.count] = more
            down[a.count] = -less
            a.count += 1
            continue
        alone = _about(NIL)
        alone.bare = True
        alone.count = 1
        alone.markets[0] = i
        alone.lots[0] = more
        most = portfolio_asked(s, &alone)
        alone.lots[0] = -less
        rest = rest + larger(most, portfolio_asked(s, &alone))
    ways = 1
    for i in range(a.count):
        ways *= 3
    most = 0
    while ways > 0:
        ways -= 1
        _spread(&a, ways, up, down)
        if lots:
            a.markets[a.count] = market
            a.lots[a.count] = lots
            a.count += 1
        most = larger(most, portfolio_asked(s, &a))
        a.count -= lots != 0
    return _narrow(<Wide>most + rest)


cdef inline void _spread(Ask* a, int32_t way, const Lot* up, const Lot* down) noexcept nogil:
    """One way to fill orders: a digit of three a market."""
    cdef int32_t i
    for i in range(a.count):
        a.lots[i] = 0 if way % 3 == 0 else (up[i] if way % 3 == 1 else down[i])
        way //= 3


# --- liquidation -------------------------------------------------------------------------------

cdef int32_t _first_option(const State* s, int32_t scope) noexcept nogil:
    cdef int32_t p = s.ledger.holders[scope].first
    while p != NIL:
        if s.ledger.positions[p].size != 0 and is_option(s, s.ledger.positions[p].market):
            return p
        p = s.ledger.positions[p].next
    return NIL


cdef int32_t portfolio_leg(const State* s, int32_t scope) noexcept nogil:
    """The leg that goes first: whose end lowers maintenance most; ties to the lower market.

    Options have no book. So an option is named only where none of the others lowers maintenance:
    such a scope sends no orders. Without options the best of the others goes, whatever it does.
    """
    cdef int32_t option = _first_option(s, scope)
    cdef int32_t best = option
    cdef int32_t p = s.ledger.holders[scope].first
    cdef const Position* position
    cdef Ask a = _about(scope)
    cdef Cash whole = _maintained(s, &a)
    cdef Cash value, relief
    cdef Cash heaviest = -4 * CASH_MAX
    while p != NIL:
        position = &s.ledger.positions[p]
        p = position.next
        if position.size == 0 or is_option(s, position.market):
            continue
        value = value_of(&s.markets[position.market], position.size,
                         s.markets[position.market].mark)
        a.without = position.market
        relief = need_in(&s.markets[position.market], position.size, value, position.cost)
        if grid_of(s, position.market) != NIL:
            relief += whole - _maintained(s, &a)
        if option != NIL and relief <= 0:
            continue
        if s.rules.leg == LEG_WORST_PNL:
            relief = position.cost - value
        if relief > heaviest:
            heaviest = relief
            best = ledger_find(&s.ledger, scope, position.market)
    return best
