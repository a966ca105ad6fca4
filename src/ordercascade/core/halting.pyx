"""What circuit breakers do: valves before each market's book. spec/MECHANISMS.md §9.

Once a round, after the marks, every breaker of the venue's list is asked about every market; the
strictest answer wins: STOP before HOLD before ALLOW, the narrower band, the later end. HOLD: forced
orders trade inside the band, the rest stays with its scope. STOP: a `halt` step; no forced order
goes out (and with `everybody` no other either: users are refused HALTED, outside orders wait)
until the breakers let go: a `resume` step, at once, in a call auction (core/reopening) or by
slices. Nothing is lost on the way: lots that may not go stay where they are, outside orders that
wait are kept in order and sent again, each with a note of what was held and what was released.
Takeovers and deleveraging are no orders and go on.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset
from ordercascade.core.arriving cimport sooner
from ordercascade.core.brakes cimport (
    BREAKERS_MAX, Brakes, CALLING, CUT_BAND, CUT_HALT, DRIPPING, HALTED, OPEN_VALVE, Valve,
    Waiting, brakes_free, brakes_new, brakes_reserve,
)
from ordercascade.core.ending cimport ended
from ordercascade.core.grids cimport is_option
from ordercascade.core.mechanism cimport CircuitBreaker
from ordercascade.core.records cimport (
    ALLOW, AMEND, CANCEL, HOLD, LIMIT, MarketView, Message, RELEASE_AUCTION, RELEASE_DRIP, STOP,
    Verdict,
)
from ordercascade.core.slab cimport NIL, slab_grow
from ordercascade.core.state cimport (
    Market, NOTE_HELD, NOTE_RELEASED, STEP_HALT, STEP_RESUME, State, market_view, step_begin,
)
from ordercascade.core.steps cimport finish, generation_of, note
from ordercascade.core.units cimport Lot, PPM, Tick, TimeNs, Wide, div_ceil, larger, smaller

from ordercascade.errors import ConfigError, InputTypeError


cdef int set_breakers(State* s, list breakers) except -1:
    """Borrow breakers that the venue object keeps; valves stay as they are. An empty list: none."""
    cdef Brakes* b = <Brakes*>s.brakes
    cdef int64_t i
    if len(breakers) > BREAKERS_MAX:
        raise ConfigError("breakers", f"must be at most {BREAKERS_MAX}", len(breakers))
    for each in breakers:
        if not isinstance(each, CircuitBreaker):
            raise InputTypeError("breakers", "CircuitBreakers", type(each).__name__)
    if not breakers and b == NULL:
        return 0
    if b == NULL:
        b = brakes_new()
        s.brakes = b
    if s.running:                           # valves may be asked at once
        brakes_reserve(b, s.market_count)
    b.breaker_count = len(breakers)
    for i in range(b.breaker_count):
        b.breakers[i] = <void*>breakers[i]
    return 0


cdef int valves_open(State* s) except -1 nogil:
    """Ask once on the opening marks, so that references stand before anything moves."""
    cdef Brakes* b = <Brakes*>s.brakes
    cdef int64_t i
    cdef Verdict v
    if b == NULL:
        return 0
    brakes_reserve(b, s.market_count)
    for i in range(s.market_count):
        _strictest(s, <int32_t>i, &v)
    return 0


cdef int _strictest(State* s, int32_t market, Verdict* out) except -1 nogil:
    """Ask every breaker, whatever the others say."""
    cdef Brakes* b = <Brakes*>s.brakes
    cdef MarketView view
    cdef Verdict v
    cdef int64_t i
    memset(out, 0, sizeof(Verdict))
    if is_option(s, market):    # There is no trading to stop.
        return 0
    market_view(s, &s.markets[market], &view)
    for i in range(b.breaker_count):
        memset(&v, 0, sizeof(Verdict))
        (<CircuitBreaker>b.breakers[i]).judge(market, &view, s.time_ns, &v)
        if v.action == HOLD:
            out.low = larger(out.low, v.low)
            if v.high and (out.high == 0 or v.high < out.high):
                out.high = v.high
        if v.action != ALLOW:
            out.everybody |= v.everybody
        if v.action == STOP and (out.action != STOP or v.until_ns > out.until_ns):
            out.until_ns = v.until_ns
            out.release = v.release         # how it reopens says who holds it longest
            out.drip_ppm = v.drip_ppm
            out.drip_ns = v.drip_ns
        out.action = <signed char>larger(out.action, v.action)
    return 0


cdef void valves_begin(State* s) noexcept nogil:
    """A round begins."""
    if s.brakes != NULL:
        (<Brakes*>s.brakes).cursor = 0


cdef bint valves_left(const State* s) noexcept nogil:
    return s.brakes != NULL and (<Brakes*>s.brakes).cursor < s.market_count


cdef int valve_step(State* s) except -1 nogil:
    """The next market's valve moves as its breakers say; at most one step."""
    cdef Brakes* b = <Brakes*>s.brakes
    cdef int32_t market = <int32_t>b.cursor
    cdef Valve* g
    cdef Verdict v
    brakes_reserve(b, s.market_count)
    g = &b.valves[market]
    b.cursor += 1
    g.fresh = 1
    _strictest(s, market, &v)
    if g.phase == CALLING:
        g.phase = OPEN_VALVE
    if g.phase == DRIPPING and s.time_ns >= g.slice_ns:
        _next_slice(s, market)
    if v.action == STOP:
        g.until_ns = larger(v.until_ns, s.time_ns + 1)
        g.release = v.release
        g.drip_ppm = v.drip_ppm
        g.drip_ns = v.drip_ns
        g.everybody = v.everybody
        g.action = STOP
        if g.phase == HALTED:
            return 0
        g.phase = HALTED
        g.back = 0
        return _turn(s, market, STEP_HALT, s.markets[market].trade_step)
    if v.low != g.low or v.high != g.high:
        _release(s, market, CUT_BAND)
    elif v.action != g.action or (ended(s, market) and _waits(b, market)):
        _release(s, market, 0)  # At an end what waits is tried once more, and refused.
    g.action = v.action
    g.everybody = v.everybody
    g.low = v.low
    g.high = v.high
    if g.phase != HALTED:
        return 0
    _reopen(s, market)
    return _turn(s, market, STEP_RESUME, g.step)


cdef int _turn(State* s, int32_t market, int kind, int64_t parent) except -1 nogil:
    """Write a `halt` or `resume` step; its note says how much was held back so far."""
    cdef Brakes* b = <Brakes*>s.brakes
    cdef Valve* g = &b.valves[market]
    cdef int64_t step = step_begin(s, kind, market, NIL, parent, generation_of(s, parent), NIL)
    g.step = step
    if kind == STEP_RESUME:
        note(s, step, NOTE_RELEASED, market, NIL, g.back, _waits(b, market))
    return finish(s, step)


cdef void _reopen(State* s, int32_t market) noexcept nogil:
    cdef Valve* g = &(<Brakes*>s.brakes).valves[market]
    g.phase = OPEN_VALVE
    if g.release == RELEASE_AUCTION and not ended(s, market):
        g.phase = CALLING
    elif g.release == RELEASE_DRIP and g.back > 0:
        g.phase = DRIPPING
        g.size = larger(1, div_ceil(<Wide>g.back * g.drip_ppm, PPM))
        g.slice = g.size
        g.slice_ns = s.time_ns + larger(1, g.drip_ns)
    g.until_ns = 0
    _release(s, market, CUT_HALT)


cdef void _next_slice(State* s, int32_t market) noexcept nogil:
    """The next slice; the valve is open where nobody waits, or nobody could use the last one."""
    cdef Valve* g = &(<Brakes*>s.brakes).valves[market]
    if not g.cut & CUT_HALT or g.slice == g.size:
        g.phase = OPEN_VALVE
    g.slice = g.size
    g.slice_ns = s.time_ns + larger(1, g.drip_ns)
    _release(s, market, CUT_HALT)


cdef void _release(State* s, int32_t market, int whom) noexcept nogil:
    """Those whom this held back may try again: for pending scopes the market counts as changed.

    Not the others: an order nobody fills inside a band would call for the next halt at every end
    of one, without end. What waits outside may try again with each change.
    """
    cdef Brakes* b = <Brakes*>s.brakes
    cdef Valve* g = &b.valves[market]
    if g.cut & whom:
        s.clock += 1
        s.markets[market].changed_at = s.clock
    g.cut &= ~whom
    g.due = _waits(b, market)


cdef int64_t _waits(const Brakes* b, int32_t market) noexcept nogil:
    """Outside orders that wait in a market."""
    cdef int64_t i
    cdef int64_t count = 0
    for i in range(b.waiting_count):
        count += b.waiting[i].market == market
    return count


# --- orders before a valve -----------------------------------------------------------------------

cdef void _tighten(const Valve* g, int side, Tick* limit) noexcept nogil:
    """Inside the band: a sell at `low` or above, a buy at `high` or below."""
    if side and g.low > 0 and (limit[0] == 0 or limit[0] < g.low):
        limit[0] = g.low
    if not side and g.high > 0 and (limit[0] == 0 or limit[0] > g.high):
        limit[0] = g.high


cdef Lot valve_lots(State* s, int32_t market, int side, Lot lots, Tick* limit) noexcept nogil:
    """A forced order: how much of it may go now, and how far."""
    cdef Valve* g = &(<Brakes*>s.brakes).valves[market]
    cdef Lot may = lots
    if g.phase == HALTED or g.phase == CALLING:
        may = 0
    elif g.phase == DRIPPING:
        may = smaller(lots, g.slice)
    _tighten(g, side, limit)
    if may < lots:
        if g.fresh and g.phase == HALTED:
            g.back = 0
        g.fresh = 0
        g.cut |= CUT_HALT
        if g.phase == HALTED:
            g.back += lots
    return may


cdef void valve_sent(State* s, int32_t market, Lot filled, Lot asked) noexcept nogil:
    """What a forced order has used of its slice; what it left behind inside the band waits."""
    cdef Valve* g = &(<Brakes*>s.brakes).valves[market]
    if g.phase == DRIPPING:
        g.slice -= filled
    if filled < asked and g.action == HOLD:
        g.cut |= CUT_BAND


cdef Lot valve_outside(State* s, int32_t market, int side, Lot lots, Tick* limit) noexcept nogil:
    cdef const Valve* g
    if s.brakes == NULL or (<Brakes*>s.brakes).valve_count <= market:
        return lots
    g = &(<Brakes*>s.brakes).valves[market]
    if not g.everybody:
        return lots
    if g.phase == HALTED or g.phase == CALLING:
        return 0
    if g.action == HOLD:
        _tighten(g, side, limit)
    return lots


cdef Lot valve_disposal(const State* s, int32_t market, int side, Lot lots,
                        Tick* limit) noexcept nogil:
    """What may go of a position taken over: nothing in a halt, and no further than a band."""
    cdef const Valve* g
    if s.brakes == NULL or (<Brakes*>s.brakes).valve_count <= market:
        return lots
    g = &(<Brakes*>s.brakes).valves[market]
    if g.phase == HALTED or g.phase == CALLING:
        return 0
    if g.action == HOLD:
        _tighten(g, side, limit)
    return lots


cdef int valve_wait(State* s, int64_t step, int32_t market, int side, Lot lots,
                   Tick limit) except -1 nogil:
    """Keep what an outside order may not do now; a note says how many lots."""
    cdef Brakes* b = <Brakes*>s.brakes
    cdef Waiting* w
    if lots <= 0 or b == NULL or b.valve_count <= market or not b.valves[market].everybody:
        return 0
    if b.valves[market].phase != HALTED and b.valves[market].action != HOLD:
        return 0
    b.waiting = <Waiting*>slab_grow(
        b.waiting, &b.waiting_capacity, b.waiting_count + 1, sizeof(Waiting))
    w = &b.waiting[b.waiting_count]
    w.market, w.side, w.size, w.limit = market, <signed char>side, lots, limit
    b.waiting_count += 1
    return note(s, step, NOTE_HELD, market, NIL, lots, side)


cdef bint valve_refuses(const State* s, int32_t market, const Message* m) noexcept nogil:
    """Is a user's order, or a change of one, refused? Cancellations never are."""
    cdef const Valve* g
    cdef Tick limit
    if s.brakes == NULL or m.type == CANCEL or (<Brakes*>s.brakes).valve_count <= market:
        return False
    g = &(<Brakes*>s.brakes).valves[market]
    if not g.everybody:
        return False
    if g.phase == HALTED or g.phase == CALLING:
        return True
    if g.action != HOLD or (m.type == AMEND and m.price == 0):
        return False
    limit = m.price if m.type != 1 else 0
    _tighten(g, m.side, &limit)
    return limit != (m.price if m.type != 1 else 0)


cdef TimeNs next_valve(const State* s) noexcept nogil:
    """When a valve must be looked at though nothing happens; or NIL."""
    cdef const Brakes* b = <const Brakes*>s.brakes
    cdef TimeNs at = NIL
    cdef const Valve* g
    cdef MarketView view
    cdef int64_t i, k
    if b == NULL:
        return NIL
    for i in range(b.valve_count):
        g = &b.valves[i]
        if g.phase == HALTED:
            at = sooner(at, larger(g.until_ns, s.settled_ns + 1))
        elif g.phase == DRIPPING:
            at = sooner(at, larger(g.slice_ns, s.settled_ns + 1))
        elif g.phase == CALLING:
            at = sooner(at, s.settled_ns + 1)
        elif g.action == HOLD and (g.cut & CUT_BAND or _waits(b, <int32_t>i)):
            market_view(s, &s.markets[i], &view)
            for k in range(b.breaker_count):
                at = sooner(at, (<CircuitBreaker>b.breakers[k]).wake(
                    <int32_t>i, &view, s.settled_ns))
    return at
